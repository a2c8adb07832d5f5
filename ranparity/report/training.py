"""The report on trainings: the same bytes in, and what came out, backend beside backend."""

from __future__ import annotations

from collections.abc import Iterator

from ranparity.parity.ladder.case import TWINS
from ranparity.report import curves, parting, parting_curves
from ranparity.report.comparison import REQUIRED_ACCURACY, apart, comparison, first_other_batch
from ranparity.report.document import (
    Block,
    Bullets,
    Figure,
    Heading,
    Paragraph,
    Section,
    Text,
    code,
    joined,
    link,
    text,
)
from ranparity.report.groups import Group, groups, named
from ranparity.report.parting import Parting
from ranparity.report.records import Evidence
from ranparity.report.runs import FinishedRun, Run, Task
from ranparity.report.words import FAILED, count, listed, percent, plural
from ranparity.training.twins import FACTOR

INTRODUCTION = text(
    "The same network is trained from scratch on each backend, one process each. Initial weights, "
    "the order of the images and everything else random are drawn outside the frameworks, from "
    "the seed alone; this stream is the tape. Equal digests (SHA-256) prove that two backends "
    "began with the same weights and saw the same batches, byte for byte. From there on each "
    "framework rounds differently, and training amplifies it, so the losses agree closely at "
    "first and part with the steps. How far rounding alone takes a run is seen with a twin: the "
    "same run, begun one unit in the last place off. Whether backends part no further is judged by "
    "level 5 of the ladder, with many twins of each. A step's loss is that of its batch before the "
    "update. Peak memory is that of the process, of the last one where a run has several parts."
)


def section(evidence: Evidence) -> Section:
    """For each task: what was equal, a table backend beside backend, and the curves."""
    blocks: list[Block] = [Paragraph(INTRODUCTION)]
    for name, group in named(groups(evidence)):
        blocks += _group_blocks(group, f"figures/{name}")
    absent = [code(name) for name in _untrained(evidence)]
    if absent:
        blocks.append(Paragraph(text("No training on ", *joined(absent), ": not run."), "absent"))
    return Section("training", "Training: one net on every backend", tuple(blocks))


def _group_blocks(group: Group, figures: str) -> Iterator[Block]:
    yield Heading(group.title)
    yield Paragraph(_description(group))
    if group.twins:
        yield Paragraph(_twins(group))
    if group.runs:
        yield comparison(group)
    if len(group.finished) > 1:
        yield apart(group)
    if group.finished:
        runs = {group.label(run): run for run in group.finished}
        yield curves.draw(figures, runs, required(group), _held(group, f"{figures}-distance"))
    reasons = [
        text(FAILED, " on ", code(group.label(run)), ": ", code(run.reason), *_source(run))
        for run in group.failed
    ]
    if reasons:
        yield Bullets(tuple(reasons))


def _description(group: Group) -> Text:
    none = "No run has ended well." if group.failed and not group.finished else ""
    if group.task is None:
        return text(none)
    return text(f"{_images(group.task)} {none}", *_agreement(group))


def _twins(group: Group) -> Text:
    """Says which twins there are, which stand in no table of what should be equal."""
    names = [link(group.label(run), run.path) for run in group.twins]
    return text(
        "Not in the table, because their initial weights are moved by one unit in the last place "
        "on purpose: ",
        *joined(names),
        ". ",
        *_allowed(group),
        code("ranparity compare"),
        " holds any runs against such twins.",
    )


def _held_against_twins(group: Group) -> Parting | None:
    """The runs against their twins, where there are both and steps that all of them made."""
    held = parting.of_group(group) if len(group.finished) > 1 else None
    return held if held and held.allowed else None


def _allowed(group: Group) -> Text:
    """How far the runs part, held against the twins."""
    held = _held_against_twins(group)
    if held is None:
        return ()
    told = (
        f"The losses of two runs are at most {held.ratio:.3g} times as far apart as "
        f"{plural(len(held.off), 'twin')} had come from its run until then, where the ladder "
        f"allows {FACTOR:g} of {TWINS} twins of each"
    )
    return text(told, f", and first beyond that at step {held.beyond}. " if held.beyond else ". ")


def _held(group: Group, name: str) -> Figure | None:
    held = _held_against_twins(group)
    return parting_curves.draw(name, held, "any two runs") if held else None


def _images(task: Task) -> str:
    """The images in numbers, and where they were asked for if their name does not say it."""
    images = f"{count(task.train)} images for training, {count(task.test)} for testing"
    return f"{images}{'' if task.source == task.data else f', from {task.source}'}."


def _agreement(group: Group) -> Text:
    """A sentence on what was equal."""
    if not group.finished:
        return ()
    if len(group.finished) == 1:
        return text("Only one run has a result, so there is nothing to compare it with.")
    names = listed([group.label(run) for run in group.finished])
    faults = list(inequalities(group))
    if faults:
        found = joined([part for fault in faults for part in fault])
        return text(f"Between {names}: ", *found, ".")
    return text(
        f"On {names} the initial weights are equal, and so is each of the "
        f"{count(len(group.same_steps()))} batches that all of them saw."
    )


def inequalities(group: Group) -> Iterator[Text]:
    """What should be equal in all runs of a task and is not."""
    if len({run.data_digest for run in group.finished}) > 1:
        yield text("the data are not equal")
    if len({run.initial_weights_digest for run in group.finished}) > 1:
        yield text("the initial weights are not equal")
    first = first_other_batch(group)
    if first is not None:
        yield text(f"the batches are not equal from step {first} on")


def required(group: Group) -> float | None:
    """The accuracy that a run of this task must reach, if one is stated."""
    return REQUIRED_ACCURACY.get(group.task.data) if group.task else None


def _untrained(evidence: Evidence) -> list[str]:
    return [name for name in evidence.backends if name not in evidence.trained]


def problems(evidence: Evidence) -> Iterator[Text]:
    """Says, one by one, what of the trainings failed, differs or is missing."""
    for failed in evidence.failed:
        name, reason = code(failed.backend or failed.id), code(failed.reason)
        yield text("Training on ", name, ": FAILED: ", reason, *_source(failed))
    for group in groups(evidence):
        for run in group.finished:
            yield from _too_low(group, run)
        for fault in inequalities(group):
            yield text(f"Training, {group.title}: ", *fault, ".")
    for backend in _untrained(evidence):
        if backend in evidence.checks:
            yield text("Training on ", code(backend), ": not run.")
    if not evidence.finished and not evidence.failed and not evidence.checks:
        yield text("Training: not run on any backend.")


def _too_low(group: Group, run: FinishedRun) -> Iterator[Text]:
    least = required(group)
    if least is not None and run.test_accuracy < least:
        reached = f": {percent(run.test_accuracy)} of the test images, under {percent(least, 0)}"
        yield text("Training on ", code(group.label(run)), reached, *_source(run))


def _source(run: Run) -> Text:
    return text(" (", link(run.path, run.path), ")")
