"""The report on claims: what the sources publish, and what records here say of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ranparity.claims import ledger
from ranparity.claims.kinds import Measure, Source
from ranparity.report.claim_status import (
    SMALL_SCALE,
    STATUSES,
    Finding,
    Trial,
    Verdict,
    amount,
    judge,
    tally,
    trials,
)
from ranparity.report.direction_record import DIRECTIONS
from ranparity.report.document import (
    Block,
    Bullets,
    Cell,
    Folded,
    Heading,
    Paragraph,
    Section,
    Table,
    Text,
    Tone,
    cell,
    code,
    columns,
    joined,
    link,
    strong,
    text,
)
from ranparity.report.records import Evidence
from ranparity.report.words import NOTHING, count, plural, unbroken

TONES: dict[str, Tone] = {
    "reproduced": "pass",
    "differs": "warning",
    "not run": "absent",
    "holds": "pass",
    "does not hold": "warning",
}
INTRODUCTION = text(
    "Every figure that the paper and its re-implementations publish about these networks, and what "
    "came of it here. A status is worked out from records alone. A training counts if it is what "
    "the claim's command asks for: the network, the whole official data, the recipe with all its "
    "numbers, from the tape's weights to the end; of several seeds the median is judged. A count "
    "of parameters or multiply-accumulates is taken from checks of level 0 without a difference, "
    "and must round to the digits in print. A figure that differs is a finding about its source, "
    "and does not make this report fail. ",
    code("ranparity claims --details"),
    " prints the same.",
)


def section(evidence: Evidence) -> Section:
    """Statuses by source, directions, contradictions, and every claim."""
    verdicts = judge(ledger.load(), evidence)
    tried = trials(ledger.load(), evidence)
    blocks: list[Block] = [Paragraph(INTRODUCTION), overview(verdicts)]
    blocks += [Heading("Which of two is larger"), *_directions(tried)]
    blocks += [Heading("What does not agree"), _contradictions()]
    blocks += [Heading("Claim by claim"), _margins(), *_by_source(verdicts)]
    return Section("claims", "Claims: what is published, and what is reproduced", tuple(blocks))


def summary(evidence: Evidence) -> str:
    """What came of the claims, for the first page."""
    verdicts = judge(ledger.load(), evidence)
    tried = trials(ledger.load(), evidence)
    told = [f"{count(len(verdicts))} figures that the sources publish: {tally(verdicts)}"]
    told.append(f"{plural(len(tried), 'claim')} of direction at small scale: {tally(tried)}")
    return "; ".join(told) + "."


def problems(evidence: Evidence) -> Iterator[Text]:
    """Says which record of directions cannot be read; a claim that differs is no problem."""
    record = evidence.directions
    if record is None:
        return
    source = text(" (", link(DIRECTIONS, DIRECTIONS), ")")
    if record.error:
        yield text("Directions: FAILED: ", code(record.error), *source)
    for (name, data), fault in record.faults.items():
        yield text("Directions, ", code(name), f" on {data}: FAILED: ", code(fault), *source)


def overview(verdicts: Sequence[Verdict]) -> Table:
    """A row a source, a column a status, and a sum."""
    rows = []
    for source in dict.fromkeys(each.claim.source for each in verdicts):
        mine = [each for each in verdicts if each.claim.source == source]
        rows.append((cell(f"{source.title} ({source.place})"), *_numbers(mine)))
    rows.append((cell("All sources"), *_numbers(verdicts)))
    titles = [f"{status[0].upper()}{status[1:]}" for status in STATUSES]
    right = tuple(range(1, len(STATUSES) + 2))
    return Table(columns("Source", "Figures", *titles, right=right), tuple(rows), total=True)


def _numbers(verdicts: Sequence[Verdict]) -> Iterator[Cell]:
    yield cell(count(len(verdicts)))
    counts = Counter(each.status for each in verdicts)
    for status in STATUSES:
        yield cell(count(counts[status]))


def _sign(status: str) -> str:
    """What says beside the colour that a status is good."""
    return "✓ " if TONES.get(status) == "pass" else ""


# Directions and contradictions.


def _directions(tried: Sequence[Trial]) -> Iterator[Block]:
    yield Paragraph(
        text(
            "Trained here at a size that a CPU can do: ",
            strong(SMALL_SCALE),
            ". No figure of the paper is tried by it. The spread is over seeds.",
        )
    )
    titles = ("Claim", "Source", "Data", "Status", "Tried with", "Measured", "Mean", "Spread")
    rows = tuple(_trial_row(trial) for trial in tried)
    yield Table(columns(*titles, "Seeds", right=(6, 7)), rows)


def _trial_row(trial: Trial) -> tuple[Cell, ...]:
    claim, found = trial.claim, trial.experiment
    first = (
        cell(claim.claim),
        cell(f"{claim.source.name}, {claim.where}"),
        cell(claim.data),
    )
    if found is None:
        why = (": ", code(trial.fault)) if trial.fault else ()
        sign = "✗ " if trial.fault else ""
        status = cell(f"{sign}{trial.status}", *why, tone="fail" if trial.fault else "absent")
        return (*first, status, *(cell(NOTHING) for _ in range(5)))
    return (
        *first,
        cell(
            link(f"{_sign(trial.status)}{trial.status}", DIRECTIONS),
            tone=TONES.get(trial.status, ""),
        ),
        cell(found.what),
        cell(f"{found.statistic}; {found.direction}"),
        cell(f"{found.mean:+.2f}"),
        cell(f"{found.spread:.2f}"),
        cell(", ".join(f"{value:+.2f}" for value in found.per_seed)),
    )


def _contradictions() -> Bullets:
    items = [
        text(f"{each.what} (", *joined([code(name) for name in each.claims]), ").")
        for each in ledger.load().contradictions
    ]
    return Bullets(tuple(items))


# Claim by claim.


def _margins() -> Folded:
    items = [text(strong(each.title), ": ", _margin(each)) for each in ledger.load().measures]
    return Folded(text("When a figure counts as reproduced"), (Bullets(tuple(items)),))


def _margin(measure: Measure) -> str:
    within = f"within {measure.margin:g} " if measure.margin is not None else ""
    return f"{within}{measure.reason}."


def _by_source(verdicts: Sequence[Verdict]) -> Iterator[Folded]:
    for source in dict.fromkeys(each.claim.source for each in verdicts):
        mine = [each for each in verdicts if each.claim.source == source]
        words = f"{source.title}: {plural(len(mine), 'figure')}, {tally(mine)}"
        yield Folded(text(words), (_faults(source), claim_table(mine)))


def _faults(source: Source) -> Bullets:
    return Bullets(tuple(text(strong("Fault"), f": {fault}.") for fault in source.faults))


def claim_table(verdicts: Sequence[Verdict]) -> Table:
    """A row a claim: what is in print, what is here, and the command that tries it."""
    titles = ("Claim", "Where", "Network in print", "Measured", "Printed", "Here", "Apart")
    last = ("Status", "Tried by")
    return Table(columns(*titles, *last, right=(4, 6)), tuple(_row(each) for each in verdicts))


def _row(verdict: Verdict) -> tuple[Cell, ...]:
    claim = verdict.claim
    measured = (claim.data.title if claim.data else "", claim.measure.title, claim.measure.unit)
    return (
        cell(code(claim.id)),
        cell(unbroken(claim.where) if len(claim.where) < 12 else claim.where),
        cell(claim.named),
        cell(", ".join(part for part in measured if part)),
        cell(unbroken(claim.value)),
        _here(verdict),
        cell(unbroken(verdict.apart) or NOTHING),
        cell(f"{_sign(verdict.status)}{verdict.status}", tone=TONES.get(verdict.status, "")),
        _tried(verdict),
    )


def _here(verdict: Verdict) -> Cell:
    """Each number that a record has, with a link to the first record that has it."""
    unique: dict[tuple[float, str], Finding] = {}
    for found in verdict.findings:
        unique.setdefault((found.value, found.label), found)
    if not unique:
        return cell(NOTHING)
    links = [
        link(f"{amount(verdict.claim, each.value)} {each.label}".rstrip(), each.path)
        for each in unique.values()
    ]
    note = f"; agrees: {verdict.reading}" if verdict.reading else ""
    if verdict.claim.measure.of == "training" and len(verdict.findings) > 1:
        note = f"; median {verdict.words}"
    return Cell((*joined(links), *text(note)) if note else joined(links))


def _tried(verdict: Verdict) -> Cell:
    claim = verdict.claim
    if claim.why:
        return cell(claim.why)
    note = f". Not as the source: {claim.note}" if claim.note else ""
    return cell(code(claim.command), note)
