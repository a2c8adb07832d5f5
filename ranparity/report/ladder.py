"""The report on the ladder: levels 1 to 5 of nets, tensor by tensor, and where runs part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from ranparity.parity.ladder import planned
from ranparity.report import ladder_curves, ladder_record, staleness
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
from ranparity.report.words import (
    FAIL,
    FAILED,
    NOT_RUN,
    NOTHING,
    PASS,
    STALE,
    count,
    listed,
    plural,
)
from ranparity.training import backends

SESSIONS = {
    ladder_record.LADDER: "nox -s ladder-nets",
    ladder_record.QUICK: "nox -s report",
    ladder_record.OPINIONS: "nox -s second-opinion",
}
TITLES = {1: "1 forward", 2: "2 gradient", 3: "3 update", 4: "4 lockstep", 5: "5 free run"}

INTRODUCTION = text(
    "Every tensor of a net is held against a float64 execution of its prototxt that knows nothing "
    "of Keras. The distance is told in terms of ",
    strong("explained noise"),
    ": how far the roundings of that very net can move that very tensor, found by running it "
    "several times with each layer's result, and each gradient, moved at random by as much as a "
    "rounding (Monte Carlo arithmetic). Their quotient is rho. Gradients and updates come from the "
    "very step that trains; ReLU signs and max-pool argmaxes that fell the other way are counted, "
    "and gradients are judged with those that the backend made. Where several devices are told of, "
    "each step of levels 3 to 5 is computed on all of them together. Pairs of backends, in "
    "float64, and OpenCV's own reading of the prototxt stand beside the backends.",
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
    """A row for each level of a net on a backend; then those that there should be."""
    rows = (*(_row(level, record) for level in record.levels), *_failed(record), *_not_run(record))
    titles = ("Net", "Level", "Backend", "Verdict", "Tensors")
    quantiles = ("Largest rho", "Median", "90 %", "99 %", "Decisions that differ")
    return Table(columns(*titles, *quantiles, right=tuple(range(4, 10))), rows)


def _failed(record: LadderRecord) -> Iterator[tuple[Cell, ...]]:
    """A row for each backend that has failed with a net."""
    for each in record.failed:
        verdict = cell(FAILED, " ", link("why", record.path), tone="fail")
        yield _without(each.model, each.how, NOTHING.text, each.backend, verdict)


def _not_run(record: LadderRecord) -> Iterator[tuple[Cell, ...]]:
    """A row for each net and backend of which levels are missing that its session runs."""
    for model, how, missing, backend in _missing(record):
        verdict = cell(NOT_RUN, tone="absent")
        yield _without(model, how, listed([*map(str, missing)]), backend, verdict)


def _missing(record: LadderRecord) -> Iterator[tuple[str, str, list[int], str]]:
    """Gives the net, how it is run, the levels that are missing, and the backend."""
    known = {(each.model, each.how, each.backend, each.level) for each in record.levels}
    failed = {(each.model, each.how, each.backend) for each in record.failed}
    for case in planned.BY_RECORD[PurePosixPath(record.path).name]:
        for backend in backends.NAMES:
            key = case.model, case.how, backend
            missing = [level for level in case.levels if (*key, level) not in known]
            if missing and key not in failed:
                yield case.model, case.how, missing, backend


def _without(model: str, how: str, which: str, backend: str, verdict: Cell) -> tuple[Cell, ...]:
    """A row without figures."""
    first = cell(code(model), f", {how}"), cell(which), cell(code(backend)), verdict
    return *first, *(cell(NOTHING),) * 6


def _row(level: Level, record: LadderRecord) -> tuple[Cell, ...]:
    at = f", {level.size}, {level.how}" if level.size else f", {level.how}"
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
    if level.verdict == ladder_record.STALE:
        why = link(staleness.changed(level.held.prototxt), record.path)
        return cell(STALE, ": ", why, tone="warning")
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
            _free_verdict(pair.verdict),
            cell(f"{pair.ratio:.3g}"),
            cell(f"{factor:g}"),
            cell(str(pair.horizon)),
        )
        for pair in runs.pairs
    )
    yield Table(columns(*titles, right=(2, 3, 4)), rows)
    yield ladder_curves.runs(f"figures/ladder-runs-{runs.model}", runs, factor)


def _free_verdict(verdict: str) -> Cell:
    if verdict == ladder_record.STALE:
        return cell(STALE, tone="warning")
    return cell(PASS, tone="pass") if verdict == "pass" else cell(FAIL, tone="fail")


def problems(evidence: Evidence) -> Iterator[Text]:
    """Says which levels do not pass, or are stale.

    What is not run is no problem, of some nets or of all: the sessions are long.
    """
    for record in evidence.ladders:
        yield from _problems(record)


def _problems(record: LadderRecord) -> Iterator[Text]:
    source = text(" (", link(record.path, record.path), ")")
    if record.error:
        yield text("Ladder: FAILED: ", code(record.error), *source)
    for failure in record.failures:
        yield text("Ladder: FAILED: ", code(failure), *source)
    stale = [level for level in record.levels if level.verdict == ladder_record.STALE]
    for held in dict.fromkeys(level.held for level in stale):
        models = dict.fromkeys(level.model for level in stale if level.held == held)
        why = f": stale: {staleness.changed(held.prototxt)}: run "
        again = code(SESSIONS[record.path])
        yield text("Ladder: ", code(", ".join(models)), why, again, " again", *source)
    for level in record.levels:
        if level.verdict not in ("pass", ladder_record.STALE):
            where = f", level {level.level}, {level.how}, on "
            first = (": first ", code(level.first)) if level.first else ()
            yield text("Ladder: ", code(level.model), where, code(level.backend), *first, *source)


def summary(evidence: Evidence) -> str:
    """What came of it, for the first page."""
    every = [level for record in evidence.ladders for level in record.levels]
    found = [level for level in every if level.verdict != ladder_record.STALE]
    if not every:
        return "not run."
    tensors = sum(level.tensors for level in found if level.level < 5)
    failed = sum(level.verdict != "pass" for level in found)
    nets = len({level.model for level in found})
    verdicts = [f"{plural(failed, 'level')} did not pass"] if failed else []
    if stale := len(every) - len(found):
        verdicts.append(f"{plural(stale, 'level')} {'is' if stale == 1 else 'are'} stale")
    verdict = ", ".join(verdicts) or "all levels pass"
    return f"{count(tensors)} comparisons of tensors of {plural(nets, 'net')}; {verdict}."
