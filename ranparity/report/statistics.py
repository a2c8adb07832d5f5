"""The report on level 6: are final accuracies the same over seeds, but for a margin?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ranparity.report.document import (
    Block,
    Bullets,
    Cell,
    Document,
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
from ranparity.report.reading import clean
from ranparity.report.records import Evidence
from ranparity.report.statistics_record import (
    STATISTICS,
    Comparison,
    StatisticsRecord,
    Trained,
)
from ranparity.report.words import FAILED, NOT_RUN, NOTHING, listed, percent, plural

INTRODUCTION = text(
    "One training says little about another: a rounding early on ends in other weights. So one net "
    "is trained with several seeds on each backend, and final test accuracies are compared seed by "
    "seed, for runs of a seed begin with the same weights and see the same batches. Two one-sided "
    "tests ask whether the means are closer than a margin, which was fixed before anything was "
    "trained; a further test asks whether they differ at all. Both are paired t tests. A recipe "
    "that is worse on purpose is planted, on one backend, and must come out different from the "
    "others: else nothing here could."
)
VERDICTS: dict[str, str] = {
    "equivalent": "✓ equivalent",
    "different": "✗ different",
    "inconclusive": "inconclusive",
}
TITLES = (
    *("Compared", "Verdict", "Mean difference", "Standard deviation"),
    *("Interval", "p, equivalence", "p, difference", "Power"),
)


def section(evidence: Evidence) -> Section:
    """What was asked, what was reached, and what follows."""
    return Section(
        "statistics", "Statistics: final accuracies over seeds (level 6)", _blocks(evidence)
    )


def document(record: StatisticsRecord) -> Document:
    """The same of a record alone, as a page for a terminal."""
    return Document("Final accuracies over seeds (level 6)", tuple(_told(record)))


def _blocks(evidence: Evidence) -> tuple[Block, ...]:
    record = evidence.statistics
    if record is None:
        return Paragraph(INTRODUCTION), Paragraph(text(NOT_RUN, "."), "absent")
    return Paragraph(INTRODUCTION), *_told(record)


def _told(record: StatisticsRecord) -> Iterator[Block]:
    if record.error:
        yield Paragraph(text(FAILED, ": ", code(record.error)), "fail")
        return
    yield Paragraph(_asked(record))
    yield Paragraph(text("The rule: ", record.rule, "."))
    yield Paragraph(_trained_with(record))
    if record.runs:
        yield accuracies(record)
    clean = [each for each in record.comparisons if not each.planted]
    if clean:
        yield Paragraph(text(strong("Backends"), f": {_explained(record, len(clean))}"))
        yield comparisons(clean)
    for name in record.planted:
        yield from _planted(record, name)
    if record.failed:
        yield Bullets(tuple(text("Not trained: ", code(reason)) for reason in record.failed))


def _asked(record: StatisticsRecord) -> Text:
    return text(
        "Margin ",
        strong(f"{record.margin:g} points of percent"),
        f", tests at a level of {record.level:g}, fixed {record.fixed}",
        *_first(record),
        ".",
    )


def _first(record: StatisticsRecord) -> Iterator[str]:
    if record.runs:
        yield f"; the first run began {min(run.started for run in record.runs)}"


def _trained_with(record: StatisticsRecord) -> Text:
    return text("Trained with ", *joined(_options(record.settings)), ".")


def _options(settings: Mapping[str, Any]) -> list[Any]:
    """Settings as the command line has them; those of several values with all of them."""
    return [code(f"--{clean(key)} {_values(value)}") for key, value in settings.items()]


def _values(value: Any) -> str:
    values = value if isinstance(value, list) else [value]
    return clean(", ".join(str(each) for each in values))


def accuracies(record: StatisticsRecord) -> Table:
    """A row for each backend, and for what is planted: accuracies over seeds."""
    groups: dict[tuple[str, str], list[Trained]] = {}
    for run in record.runs:
        groups.setdefault((run.planted, run.backend), []).append(run)
    rows = tuple(_accuracy_row(*key, groups[key]) for key in sorted(groups, key=_planted_last))
    titles = ("Backend", "Planted", "Mean accuracy", "Standard deviation", "By seed")
    return Table(columns(*titles, right=(2, 3)), rows)


def _planted_last(group: tuple[str, str]) -> bool:
    return bool(group[0])


def _accuracy_row(planted: str, backend: str, runs: Sequence[Trained]) -> tuple[Cell, ...]:
    found = [run.accuracy for run in sorted(runs, key=lambda run: run.seed)]
    mean = math.fsum(found) / len(found)
    return (
        cell(code(backend)),
        cell(code(planted) if planted else NOTHING),
        cell(percent(mean)),
        cell(_spread([100 * each for each in found])),
        cell(", ".join(f"{100 * each:.2f}" for each in found)),
    )


def _spread(values: Sequence[float]) -> str:
    if len(values) < 2:
        return "—"
    mean = math.fsum(values) / len(values)
    return f"{math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)):.2f}"


def _explained(record: StatisticsRecord, count: int) -> str:
    """What the columns of a family's table are."""
    several = (
        f"p values are Holm's for {plural(count, 'comparison')}, and the power is that of the "
        f"strictest of its steps, a level of {record.level:g} over {count}"
        if count > 1
        else "there is one comparison, so nothing is to be corrected"
    )
    return (
        "differences of accuracy in points of percent, the first less the second, seed by seed; "
        f"intervals of {percent(1 - 2 * record.level, 0)}, which are not corrected; {several}. "
        "Power: the chance that equivalence is found if the means are equal and the spread is the "
        "one that was found."
    )


def comparisons(found: Sequence[Comparison]) -> Table:
    """A row for each two groups: what was measured, and what follows."""
    return Table(columns(*TITLES, right=tuple(range(2, 8))), tuple(map(_row, found)))


def _row(found: Comparison) -> tuple[Cell, ...]:
    low, high = found.interval
    return (
        cell(*_names(found)),
        cell(link(VERDICTS[found.verdict], STATISTICS), tone=_tone(found)),
        cell(f"{found.mean:+.2f}"),
        cell(f"{found.spread:.2f}"),
        cell(f"{low:+.2f} to {high:+.2f}"),
        cell(_p(found.equivalence[1])),
        cell(_p(found.difference[1])),
        cell(percent(found.power, 1)),
    )


def _names(found: Comparison) -> Text:
    planted = text(", ", code(found.planted)) if found.planted else ()
    return text(code(found.one), *planted, " and ", code(found.other))


def _tone(found: Comparison) -> Tone:
    if found.is_expected:
        return "pass"
    return "warning" if found.verdict == "inconclusive" else "fail"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}"


def _planted(record: StatisticsRecord, name: str) -> Iterator[Block]:
    """What one thing that was planted came out as."""
    found = [each for each in record.comparisons if each.planted == name]
    changes = record.planted[name]
    options = _options(changes) if isinstance(changes, dict) else []
    asked = text("Planted, and to come out different: ", code(clean(name)), " (", *joined(options))
    if found:
        yield Paragraph(text(*asked, f"): {_explained(record, len(found))}"))
        yield comparisons(found)
    else:
        yield Paragraph(text(*asked, "): ", NOT_RUN, "."), "absent")


def problems(evidence: Evidence) -> Iterator[Text]:
    """Says what failed, what was not trained, and what did not come out as it must.

    No record at all is no problem: it takes long, and `--collect` does not do it. The page says
    "not run" then. That nothing can be told is no pass, and a problem.
    """
    record = evidence.statistics
    if record is None:
        return
    source = text(" (", link(STATISTICS, STATISTICS), ")")
    if record.error:
        yield text("Statistics: FAILED: ", code(record.error), *source)
        return
    for found in record.comparisons:
        if not found.is_expected:
            yield text("Statistics, ", *_names(found), f": {found.verdict}", *source)
    if record.failed:
        yield text(f"Statistics: {plural(len(record.failed), 'run')} not trained", *source)
    elif not record.comparisons:
        yield text("Statistics: begun, and not done", *source)


def summary(evidence: Evidence) -> str:
    """What came of it, for the first page."""
    record = evidence.statistics
    if record is None or record.error or not record.comparisons:
        return "not run."
    clean = [each for each in record.comparisons if not each.planted]
    worse = [each for each in record.comparisons if each.planted]
    kinds = [
        f"{sum(each.verdict == kind for each in clean)} {kind}"
        for kind in VERDICTS
        if any(each.verdict == kind for each in clean)
    ]
    caught = sum(each.is_expected for each in worse)
    planted = (
        f" {caught} of {plural(len(worse), 'comparison')} with a recipe that is worse on purpose "
        "came out different."
        if worse
        else ""
    )
    return (
        f"mean accuracies of {len(record.seeds)} seeds, within {record.margin:g} points of "
        f"percent: of {plural(len(clean), 'pair')} of backends {listed(kinds) or 'none'}.{planted}"
    )
