"""The report on the ladder's judge: clean comparisons, and faults that were planted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ranparity.parity.ladder.faults import PLANTED
from ranparity.report import ladder_curves
from ranparity.report.document import (
    Block,
    Bullets,
    Cell,
    Paragraph,
    Section,
    Table,
    Text,
    cell,
    code,
    columns,
    link,
    strong,
    text,
)
from ranparity.report.ladder_record import LEVELS, ProofRecord, Trial
from ranparity.report.records import Evidence
from ranparity.report.words import FAIL, FAILED, NOT_RUN, NOTHING, PASS, plural

SHOWN = 20  # alarms and faults that were missed
HALVES = {"first": "first half, on which it was fixed", "second": "second half, run after that"}

INTRODUCTION = text(
    "A checker is itself checked, on narrow twins of every kind of net in the zoo. ",
    strong("Clean comparisons"),
    " (several seeds, batches, data formats and numbers of threads) must raise no alarm: on the "
    "first half of the nets and seeds the constant was fixed, then the second half was run. ",
    strong("Faults"),
    " that re-implementations really have, or that frameworks bring by default, are planted one at "
    "a time on each backend and run through the same path. Each must be caught at some level, and "
    "one of a single layer at that layer.",
)


def section(evidence: Evidence) -> Section:
    """Counts, both distributions, and the matrix of faults and levels."""
    record = evidence.proof
    blocks: list[Block] = [Paragraph(INTRODUCTION)]
    if record is None or record.error:
        words = text(NOT_RUN, ".") if record is None else text(FAILED, ": ", code(record.error))
        blocks.append(Paragraph(words, "absent" if record is None else "fail"))
    else:
        blocks += [clean(record), ladder_curves.spread("figures/ladder-judge", *_groups(record))]
        blocks += [Paragraph(MATRIX), matrix(record)]
        notes = [text(code(line)) for line in missed(record)[:SHOWN]]
        if notes:
            blocks.append(Bullets(tuple(notes)))
    return Section("judge", "Is the judge right?", tuple(blocks))


FAULTS, FREE, BELOW = "planted faults", "seen by level 5 alone", "below rounding"
MATRIX = text(
    "In a cell: how many of the times that it was planted (nets and backends) a level caught the "
    "fault, and the smallest rho that it had there (at level 5 the ratio to the twins). Level 4 "
    "begins at the states of a run without the fault. A fault below rounding is one that no judge "
    "can tell from rounding; it is listed, and not counted as caught."
)


def clean(record: ProofRecord) -> Table:
    """A row for each half: comparisons, alarms, and how large rho was."""
    titles = ("Half", "Verdict", "Comparisons", "Alarms", "Free runs", "Largest rho")
    rows = tuple(_half(record, half) for half in HALVES)
    numbers = tuple(range(2, 7))
    return Table(columns(*titles, "Largest ratio of free runs", right=numbers), rows)


def _half(record: ProofRecord, half: str) -> tuple[Cell, ...]:
    trials = [t for t in record.trials if t.half == half and not t.fault and not t.error]
    runs = [t for t in trials if set(t.worst) == {5}]
    single = [t for t in trials if set(t.worst) != {5}]
    alarms = sum(bool(t.caught) for t in trials)
    rhos = [rho for t in single for level, rho in t.worst.items() if level < 5]
    ratios = [t.worst[5] for t in runs]
    if not trials:
        return cell(HALVES[half]), cell(NOT_RUN, tone="absent"), *(cell(NOTHING),) * 5
    return (
        cell(HALVES[half]),
        cell(FAIL, tone="fail") if alarms else cell(PASS, tone="pass"),
        cell(str(len(single))),
        cell(str(alarms)),
        cell(str(len(runs))),
        cell(f"{max(rhos):.3g}" if rhos else NOTHING),
        cell(f"{max(ratios):.3g}" if ratios else NOTHING),
    )


def _groups(record: ProofRecord) -> tuple[dict[str, list[float]], float]:
    """The largest rho of each comparison, levels 1 to 4; of a fault at the level it stands out."""
    groups: dict[str, list[float]] = {f"clean, {half} half": [] for half in HALVES}
    groups |= {FAULTS: [], FREE: [], BELOW: []}
    for trial in record.trials:
        rhos = [rho for level, rho in trial.worst.items() if level < 5]
        if not rhos:
            continue
        name = f"clean, {trial.half} half"
        if trial.fault:
            name = FREE if trial.caught == (5,) else FAULTS
            name = BELOW if _below(trial.fault) else name
        groups.setdefault(name, []).append(min(max(rhos), ladder_curves.LARGEST))
    return groups, record.limit


def _below(fault: str) -> bool:
    return fault in PLANTED and PLANTED[fault].below


def matrix(record: ProofRecord) -> Table:
    """A row for each fault, a column for each level."""
    names = dict.fromkeys([*PLANTED, *(t.fault for t in record.trials if t.fault)])
    rows = tuple(_fault(record, name) for name in names)
    titles = ("Fault", "Verdict", *(f"Level {level}" for level in LEVELS))
    return Table(columns(*titles, "Right layer", "What is wrong"), rows)


def _fault(record: ProofRecord, name: str) -> tuple[Cell, ...]:
    planted = PLANTED.get(name)
    trials = [t for t in record.trials if t.fault == name and not t.error]
    words = planted.words if planted else NOTHING
    source = f" ({planted.source})" if planted and planted.source else ""
    right = [t.right_layer for t in trials if t.right_layer is not None]
    return (
        cell(code(name)),
        _caught(trials, below=_below(name)),
        *(_level(trials, level) for level in LEVELS),
        cell(f"{sum(right)} of {len(right)}" if right else NOTHING),
        cell(words, source),
    )


def _caught(trials: Sequence[Trial], *, below: bool) -> Cell:
    if not trials:
        return cell(NOT_RUN, tone="absent")
    caught = sum(bool(t.caught) for t in trials)
    if below:
        return cell(f"below rounding; {caught} of {len(trials)} caught", tone="absent")
    wrong = any(t.right_layer is False for t in trials)
    good = caught == len(trials) and not wrong
    return cell(f"{caught} of {len(trials)} caught", tone="pass" if good else "fail")


def _level(trials: Sequence[Trial], level: int) -> Cell:
    tried = [t for t in trials if level in t.worst]
    caught = [t.worst[level] for t in tried if level in t.caught]
    if not tried:
        return cell(NOTHING)
    if not caught:
        return cell(f"0 of {len(tried)}")
    least = min(caught)
    figure = f"{least:.2g}" if math.isfinite(least) else "infinite"
    return cell(f"{len(caught)} of {len(tried)}, {figure}", tone="pass")


def missed(record: ProofRecord) -> list[str]:
    """Says which comparisons raised an alarm or gave nothing, and which faults were missed."""
    found = []
    for trial in record.trials:
        what = f"{trial.model} on {trial.backend}, {trial.fault or 'clean'}"
        if trial.error:
            found.append(f"{what}: {trial.error}")
        elif not trial.fault and trial.caught:
            found.append(f"{what}: an alarm at level {', '.join(map(str, trial.caught))}")
        elif trial.fault and not _below(trial.fault):
            if not trial.caught:
                found.append(f"{what}: not caught")
            elif trial.right_layer is False:
                found.append(f"{what}: caught at another layer")
    return found


def problems(evidence: Evidence) -> Iterator[Text]:
    """Says what speaks against the judge; no record is no problem: the session is long."""
    record = evidence.proof
    if record is None:
        return
    source = text(" (", link(record.path, record.path), ")")
    if record.error:
        yield text("The ladder's judge: FAILED: ", code(record.error), *source)
    for line in missed(record):
        yield text("The ladder's judge: ", code(line), *source)


def summary(evidence: Evidence) -> str:
    """What came of it, for the first page."""
    record = evidence.proof
    if record is None or not record.trials:
        return "not run."
    clean = [t for t in record.trials if not t.fault and not t.error and set(t.worst) != {5}]
    alarms = sum(bool(t.caught) for t in record.trials if not t.fault)
    planted = [t for t in record.trials if t.fault and not _below(t.fault) and not t.error]
    caught = sum(bool(t.caught) for t in planted)
    kinds = len({t.fault for t in planted})
    return (
        f"{plural(len(clean), 'clean comparison')} raised {plural(alarms, 'alarm')}; of "
        f"{plural(kinds, 'fault')}, planted {len(planted)} times, {caught} were caught."
    )
