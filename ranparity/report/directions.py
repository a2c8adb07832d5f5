"""The report on directions: which of two is larger, tried with narrow nets over several seeds."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from ranparity.report.direction_record import DIRECTIONS, Experiment, Tried
from ranparity.report.document import (
    Block,
    Bullets,
    Cell,
    Paragraph,
    Section,
    Table,
    Text,
    Tone,
    cell,
    code,
    columns,
    link,
    strong,
    text,
)
from ranparity.report.records import Evidence
from ranparity.report.words import FAILED, NOT_RUN, NOTHING, percent

INTRODUCTION = text(
    "Claims of the paper about which of two is larger, tried ",
    strong("at small scale"),
    ": nets whose widths are divided by the number behind @, trained for a few epochs, on digits "
    "and on the CIFAR-10 records that are at hand. Only the direction is tried, and none of the "
    "paper's figures. Statistics and the rule were stated before anything was trained. Within a "
    "seed all nets see the same images in the same order, and the same wrong labels where there is "
    "noise, so differences are taken seed by seed. That a direction does not hold here, or cannot "
    "be told, is a result and makes nothing fail.",
)
HOLDS: dict[str, tuple[str, Tone]] = {
    "yes": ("✓ holds", "pass"),
    "no": ("does not hold", "warning"),
    "inconclusive": ("inconclusive", "absent"),
}


def section(evidence: Evidence) -> Section:
    """The rule, a row an experiment, and the errors that they come from."""
    blocks: list[Block] = [Paragraph(INTRODUCTION)]
    found = _experiments(evidence)
    for rule in dict.fromkeys(each.rule for each in found if each.rule):
        blocks.append(Paragraph(text("The rule: ", rule, ".")))
    if found:
        blocks += [verdicts(found), Paragraph(ERRORS), errors(found)]
    else:
        blocks.append(Paragraph(text(NOT_RUN, "."), "absent"))
    notes = tuple(_notes(evidence))
    if notes:
        blocks.append(Bullets(notes))
    return Section("directions", "Directions, tried at small scale", tuple(blocks))


ERRORS = text(
    "The errors on held-out images that these are made of, in percent: the mean over seeds, their "
    "standard deviation, and seed by seed."
)


def _experiments(evidence: Evidence) -> list[Experiment]:
    return list(evidence.directions.experiments.values()) if evidence.directions else []


def verdicts(found: list[Experiment]) -> Table:
    """A row an experiment: what was measured, and what follows."""
    titles = ("Data", "Measured, in points", "Claimed", "Verdict", "Mean", "Standard deviation")
    rows = tuple(_verdict_row(each) for each in found)
    return Table(columns(*titles, "Interval", "Seeds", right=(4, 5, 6, 7)), rows)


def _verdict_row(found: Experiment) -> tuple[Cell, ...]:
    words, tone = HOLDS[found.holds]
    interval = f"{found.interval[0]:+.2f} to {found.interval[1]:+.2f}" if found.interval else None
    return (
        cell(found.data),
        cell(found.statistic),
        cell(found.direction),
        cell(link(words, DIRECTIONS), tone=tone),
        cell(f"{found.mean:+.2f}"),
        cell(f"{found.spread:.2f}"),
        cell(interval or NOTHING),
        cell(str(len(found.per_seed))),
    )


def errors(found: list[Experiment]) -> Table:
    """A row for each net, data and share of wrong labels: the errors over seeds."""
    groups: dict[tuple[str, str, float], dict[int, Tried]] = {}
    for experiment in found:
        for each in experiment.trainings:
            key = (experiment.data, each.model, each.noise)
            groups.setdefault(key, {})[each.seed] = each
    rows = tuple(_error_row(*key, groups[key]) for key in sorted(groups))
    titles = ("Data", "Net", "Wrong labels", "Mean error", "Standard deviation", "By seed")
    return Table(columns(*titles, right=(2, 3, 4)), rows)


def _error_row(data: str, model: str, noise: float, tried: dict[int, Tried]) -> tuple[Cell, ...]:
    seen = [100 * (1 - tried[seed].accuracy) for seed in sorted(tried)]
    return (
        cell(data),
        cell(code(model)),
        cell(percent(noise, 0)),
        cell(f"{statistics.fmean(seen):.2f}"),
        cell(f"{statistics.stdev(seen):.2f}" if len(seen) > 1 else NOTHING),
        cell(", ".join(f"{error:.2f}" for error in seen)),
    )


def _notes(evidence: Evidence) -> Iterator[Text]:
    """Why there is no evidence, or less of it."""
    record = evidence.directions
    if record is None:
        return
    if record.error:
        yield text(FAILED, ": ", code(record.error))
    for (name, data), fault in record.faults.items():
        yield text(FAILED, ", ", code(name), f" on {data}: ", code(fault))
    for reason in dict.fromkeys(each for one in _experiments(evidence) for each in one.failed):
        yield text("Not trained: ", code(reason))


def summary(evidence: Evidence) -> str:
    """What came of it, for the first page."""
    found = _experiments(evidence)
    if not found:
        return "not run."
    counts = {word: sum(each.holds == word for each in found) for word in HOLDS}
    return (
        f"of {len(found)} directions tried with narrow nets, {counts['yes']} hold, "
        f"{counts['no']} do not, {counts['inconclusive']} cannot be told."
    )
