"""The report on the ladder: levels 1 to 5 of nets, tensor by tensor, and where runs part."""

from __future__ import annotations

from collections.abc import Iterator

from ranparity.report import ladder_curves
from ranparity.report.document import (
    Block,
    Bullets,
    Cell,
    Heading,
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
from ranparity.report.ladder_record import FreeRuns, LadderRecord, Level
from ranparity.report.records import Evidence
from ranparity.report.words import FAIL, FAILED, NOT_RUN, NOTHING, PASS, count, plural

TITLES = {1: "1 forward", 2: "2 gradient", 3: "3 update", 4: "4 lockstep", 5: "5 free run"}

INTRODUCTION = text(
    "Every tensor of a net is held against a float64 execution of its prototxt that knows nothing "
    "of Keras. The distance is told in terms of ",
    strong("explained noise"),
    ": how far the roundings of that very net can move that very tensor, found by running it "
    "several times with each layer's result, and each gradient, moved at random by as much as a "
    "rounding (Monte Carlo arithmetic). Their quotient is rho. Gradients and updates come from the "
    "very step that trains; ReLU signs and max-pool argmaxes that fell the other way are counted, "
    "and gradients are judged with those that the backend made. Pairs of backends, in float64, and "
    "OpenCV's own reading of the prototxt stand beside the backends.",
)
OPINIONS = text(
    "Nets of prototxts, the four published ones and other people's, that are built for Keras from "
    "the file alone, with weights from the tape: every blob in inference mode, on each backend and "
    "in OpenCV, against the float64 execution."
)
RUNS = text(
    "Level 5: runs from one start, and twins of each whose every weight begins one unit in the "
    "last place off. Up to the horizon, where the median twin is a tenth of the way apart that the "
    "weights have moved, two runs must be no further apart than the twins of both have been, times "
    "one factor; behind it chaos decides, and nothing can be said."
)


def section(evidence: Evidence) -> Section:
    """A row a level and backend, then the free runs."""
    blocks: list[Block] = [Paragraph(INTRODUCTION)]
    records = (evidence.quick, evidence.ladder)
    if read := next((record for record in records if record and not record.error), None):
        said = text(
            "A rho above ",
            strong(f"{read.limit:g}"),
            " differs: one constant for all tensors, nets, backends, levels and precisions. How it "
            "was fixed: ",
            link("is the judge right?", "#judge"),
        )
        blocks.append(Paragraph(said))
    if evidence.quick:
        blocks += [Heading("As this report was made"), *_shown(evidence.quick)]
        blocks.append(Heading("Nets at their own width and size"))
    blocks += _shown(evidence.ladder)
    if evidence.opinions:
        blocks += [Heading("Any prototxt, and a second opinion"), Paragraph(OPINIONS)]
        blocks += _shown(evidence.opinions)
    return Section("ladder", "The ladder: is what differs rounding?", tuple(blocks))


def _shown(record: LadderRecord | None) -> Iterator[Block]:
    if record is None or record.error:
        yield Paragraph(_absence(record), "absent" if record is None else "fail")
        return
    yield levels(record)
    yield from _notes(record)
    for runs in record.runs:
        yield from _free(runs, record.factor)


def _absence(record: LadderRecord | None) -> Text:
    if record is None:
        return text(NOT_RUN, ".")
    return text(FAILED, ": ", code(record.error), " (", link(record.path, record.path), ")")


def levels(record: LadderRecord) -> Table:
    """A row for each level of a net on a backend."""
    rows = tuple(_row(level, record) for level in record.levels)
    titles = ("Net", "Level", "Backend", "Verdict", "Tensors")
    quantiles = ("Largest rho", "Median", "90 %", "99 %", "Decisions that differ")
    return Table(columns(*titles, *quantiles, right=tuple(range(4, 10))), rows)


def _row(level: Level, record: LadderRecord) -> tuple[Cell, ...]:
    at = f", {level.size}, {level.precision}" if level.size else f", {level.precision}"
    figures = [f"{level.worst:.3g}{' of the twins' if level.level == 5 else ''}"]
    figures += [f"{value:.2f}" for value in level.quantiles[:-1]] or [""] * 3
    return (
        cell(code(level.model), at),
        cell(TITLES[level.level]),
        cell(code(level.backend)),
        _verdict(level, record),
        cell(count(level.tensors)),
        *(cell(figure or NOTHING) for figure in figures),
        cell(count(level.decisions)),
    )


def _verdict(level: Level, record: LadderRecord) -> Cell:
    if level.verdict == "pass":
        return cell(PASS, " ", link("record", record.path), tone="pass")
    first = f" first: {level.first}" if level.first else ""
    return cell(FAIL, first, " ", link("record", record.path), tone="fail")


def _notes(record: LadderRecord) -> Iterator[Block]:
    notes = [text(FAILED, ": ", code(failure)) for failure in record.failures]
    notes += [text(excluded, ".") for excluded in record.excluded]
    for name, seconds in record.seconds.items():
        peak = record.peaks.get(name, 0) / 2**30
        notes.append(text(f"{name}: {seconds:.0f} s, at most {peak:.1f} GiB in one process."))
    if notes:
        yield Bullets(tuple(notes))


def _free(runs: FreeRuns, factor: float) -> Iterator[Block]:
    yield Heading(f"Free runs of {runs.model} on {runs.data}")
    yield Paragraph(RUNS)
    titles = ("Backends", "Verdict", "Largest of the twins' distance", "Allowed", "Horizon, step")
    rows = tuple(
        (
            cell(code(" ".join(pair.backends))),
            cell(PASS, tone="pass") if pair.verdict == "pass" else cell(FAIL, tone="fail"),
            cell(f"{pair.ratio:.3g}"),
            cell(f"{factor:g}"),
            cell(str(pair.horizon)),
        )
        for pair in runs.pairs
    )
    yield Table(columns(*titles, right=(2, 3, 4)), rows)
    yield ladder_curves.runs(f"figures/ladder-runs-{runs.model}", runs, factor)


def problems(evidence: Evidence) -> Iterator[Text]:
    """Says which levels do not pass; no record at all is no problem: the session is long."""
    for record in (evidence.quick, evidence.ladder, evidence.opinions):
        if record:
            yield from _problems(record)


def _problems(record: LadderRecord) -> Iterator[Text]:
    source = text(" (", link(record.path, record.path), ")")
    if record.error:
        yield text("Ladder: FAILED: ", code(record.error), *source)
    for failure in record.failures:
        yield text("Ladder: FAILED: ", code(failure), *source)
    for level in record.levels:
        if level.verdict != "pass":
            where = f", level {level.level}, {level.precision}, on "
            first = (": first ", code(level.first)) if level.first else ()
            yield text("Ladder: ", code(level.model), where, code(level.backend), *first, *source)


def summary(evidence: Evidence) -> str:
    """What came of it, for the first page."""
    found = [
        level
        for record in (evidence.quick, evidence.ladder, evidence.opinions)
        if record
        for level in record.levels
    ]
    if not found:
        return "not run."
    tensors = sum(level.tensors for level in found if level.level < 5)
    failed = sum(level.verdict != "pass" for level in found)
    nets = len({level.model for level in found})
    verdict = f"{plural(failed, 'level')} did not pass" if failed else "all levels pass"
    return f"{count(tensors)} comparisons of tensors of {plural(nets, 'net')}; {verdict}."
