"""The report on trainings: the same bytes in, and what came out, backend beside backend."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ranparity.report import curves
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
    joined,
    link,
    text,
)
from ranparity.report.records import Evidence
from ranparity.report.runs import FailedRun, FinishedRun, Run, Task
from ranparity.report.words import (
    FAIL,
    FAILED,
    NOT_RUN,
    NOTHING,
    PASS,
    count,
    digest,
    listed,
    percent,
    plural,
    seconds,
)

NAME_LENGTH = 100
STEPS = (1, 2, 5, 10, 50)  # whose losses are printed; the records have all
REQUIRED_ACCURACY = {"digits": 0.95}  # on the test images, by the data's name


@dataclass(frozen=True)
class Group:
    """Runs of one task, which can be compared.

    Attributes:
        task: What they train; None where only failed runs speak of it.
        finished: Those with a result.
        failed: Those without.
    """

    task: Task | None
    finished: tuple[FinishedRun, ...]
    failed: tuple[FailedRun, ...]

    @property
    def title(self) -> str:
        """What is trained, in words."""
        if self.task is None:
            known = (f"{run.model} on {run.data}" for run in self.failed if run.model and run.data)
            return next(known, "Training")
        recipe = self.finished[0].recipe_name
        return f"{self.task.model} on {self.task.data}, recipe {recipe}, seed {self.task.seed}"

    @property
    def name(self) -> str:
        """A name for its files, whatever its records call themselves."""
        if self.task is None:
            return "failed"
        words = f"{self.task.model}-{self.task.data}-seed{self.task.seed}"
        return re.sub(r"[^A-Za-z0-9]+", "-", words).strip("-")[:NAME_LENGTH]

    @property
    def runs(self) -> tuple[Run, ...]:
        """All of them."""
        return (*self.finished, *self.failed)

    def label(self, run: Run) -> str:
        """A run's backend, with its folder's name where the backend does not tell it apart."""
        alike = [other for other in self.runs if other.backend == run.backend]
        if not run.backend:
            return run.id
        return run.backend if len(alike) == 1 else f"{run.backend} ({run.id})"


def groups(evidence: Evidence) -> list[Group]:
    """Sorts runs by task; a failed run goes with the first task of its model and data."""
    tasks = list(dict.fromkeys(run.task for run in evidence.finished))
    homes: dict[Task | None, list[FailedRun]] = {task: [] for task in tasks}
    for run in evidence.failed:
        alike = (task for task in tasks if (run.model or task.model) == task.model)
        fitting = (task for task in alike if (run.data or task.data) == task.data)
        homes.setdefault(next(fitting, None), []).append(run)
    return [
        Group(task, tuple(run for run in evidence.finished if run.task == task), tuple(failed))
        for task, failed in homes.items()
    ]


def section(evidence: Evidence) -> Section:
    """For each task: what was equal, a table backend beside backend, and the curves."""
    blocks: list[Block] = [Paragraph(INTRODUCTION)]
    for number, group in enumerate(groups(evidence)):
        blocks += _group_blocks(group, number)
    absent = [code(name) for name in _untrained(evidence)]
    if absent:
        blocks.append(Paragraph(text("No training on ", *joined(absent), ": not run."), "absent"))
    return Section("training", "Training: one net on every backend", tuple(blocks))


INTRODUCTION = text(
    "The same network is trained from scratch on each backend, one process each. Initial weights, "
    "the order of the images and everything else random are drawn outside the frameworks, from "
    "the seed alone; this stream is the tape. Equal digests (SHA-256) prove that two backends "
    "began with the same weights and saw the same batches, byte for byte. From there on float32 "
    "rounds differently in each framework, and training amplifies it, so the losses agree closely "
    "at first and part with the steps. Whether they part no further than rounding explains is the "
    "subject of higher levels, which this report does not include."
)


def _group_blocks(group: Group, number: int) -> Iterator[Block]:
    yield Paragraph(_description(group))
    if group.finished or group.failed:
        yield comparison(group)
    if group.finished:
        name = f"figures/{group.name}" + (f"-{number + 1}" if number else "")
        yield curves.draw(name, {group.label(run): run for run in group.finished}, required(group))
    reasons = [
        text(FAILED, " on ", code(group.label(run)), ": ", code(run.reason), *_source(run))
        for run in group.failed
    ]
    if reasons:
        yield Bullets(tuple(reasons))


def _description(group: Group) -> Text:
    if not group.finished:
        return text(f"{group.title}: no run has ended well.")
    run = group.finished[0]
    images = f"{count(run.train)} images for training, {count(run.test)} for testing"
    return text(f"{group.title}; {images}.", *_agreement(group))


def _agreement(group: Group) -> Text:
    """A sentence on what was equal."""
    if len(group.finished) < 2:
        return text(" Only one run has a result, so there is nothing to compare it with.")
    names = listed([group.label(run) for run in group.finished])
    faults = list(inequalities(group))
    if faults:
        return text(
            f" Between {names}: ", *joined([part for fault in faults for part in fault]), "."
        )
    steps = min(len(run.steps) for run in group.finished)
    return text(
        f" On {names} the initial weights are equal, and so is each of the {count(steps)} batches; "
        f"their losses differ by {_distance(group, 1):.2g} at most in the first step and by "
        f"{_distance(group, min(50, steps)):.2g} in step {min(50, steps)}."
    )


def comparison(group: Group) -> Table:
    """Backends as columns, results as rows, and a last column for what lies between them."""
    rows = [
        ("Result", _verdict, None),
        ("Data", lambda run: cell(digest(run.data_digest)), _equal_data),
        ("Initial weights", lambda run: cell(digest(run.initial_weights_digest)), _equal_weights),
        ("Batches (tape)", lambda run: cell(digest(run.tape_digest)), _equal_batches),
        *((f"Loss, step {step}", _loss(step), _loss_distance(step)) for step in STEPS),
        ("Test accuracy", lambda run: cell(percent(run.test_accuracy)), _accuracy_distance),
        ("Test loss", lambda run: cell(f"{run.test_loss:.4f}"), None),
        ("Steps", lambda run: cell(count(len(run.steps))), None),
        ("Whole training", lambda run: cell(seconds(run.seconds)), None),
        ("First step", _first_step, None),
        ("A step (median)", lambda run: cell(seconds(run.seconds_per_step)), None),
        ("Record", lambda run: cell(link(run.id, run.path)), None),
    ]
    table = [_row(group, title, here, between) for title, here, between in rows]
    labels = [code(group.label(run)) for run in group.runs]
    places = tuple(range(1, len(labels) + 2))
    return Table(columns("", *labels, "Between them", right=places), tuple(table))


def _row(
    group: Group,
    title: str,
    here: Callable[[FinishedRun], Cell],
    between: Callable[[Group], Cell] | None,
) -> tuple[Cell, ...]:
    several = len(group.finished) > 1
    failed = cell(FAILED, tone="fail") if title == "Result" else cell(NOTHING)
    links = [cell(link(run.id, run.path)) if title == "Record" else failed for run in group.failed]
    last = between(group) if between and several else cell()
    return cell(title), *(here(run) for run in group.finished), *links, last


def _verdict(run: FinishedRun) -> Cell:
    required = REQUIRED_ACCURACY.get(run.task.data)
    if required is None:
        return cell("finished")
    if run.test_accuracy < required:
        return cell(FAIL, f" under {percent(required, 0)}", tone="fail")
    return cell(PASS, f" at least {percent(required, 0)}", tone="pass")


def _first_step(run: FinishedRun) -> Cell:
    return cell(seconds(run.steps[0].seconds)) if run.steps else cell(NOTHING)


def _loss(step: int) -> Callable[[FinishedRun], Cell]:
    def loss(run: FinishedRun) -> Cell:
        if step > len(run.steps):
            return cell(NOT_RUN, tone="absent")
        return cell(f"{run.steps[step - 1].loss:.6f}")

    return loss


def _loss_distance(step: int) -> Callable[[Group], Cell]:
    def distance(group: Group) -> Cell:
        if step > min(len(run.steps) for run in group.finished):
            return cell(NOTHING)
        return cell(f"{_distance(group, step):.2g} at most")

    return distance


def _distance(group: Group, step: int) -> float:
    """The largest difference of two runs' losses in a step, counted from 1."""
    losses = [run.steps[step - 1].loss for run in group.finished]
    return max(losses) - min(losses)


def _accuracy_distance(group: Group) -> Cell:
    accuracies = [run.test_accuracy for run in group.finished]
    images = round((max(accuracies) - min(accuracies)) * group.finished[0].test)
    return cell(f"{plural(images, 'image')} at most")


def _equal_data(group: Group) -> Cell:
    return _equal(len({run.data_digest for run in group.finished}) == 1, "equal", "NOT EQUAL")


def _equal_weights(group: Group) -> Cell:
    same = len({run.initial_weights_digest for run in group.finished}) == 1
    return _equal(same, "equal", "NOT EQUAL")


def _equal_batches(group: Group) -> Cell:
    first = first_other_batch(group)
    steps = min(len(run.steps) for run in group.finished)
    return _equal(first is None, f"all {count(steps)} equal", f"NOT EQUAL from step {first}")


def _equal(same: bool, yes: str, no: str) -> Cell:
    return cell(f"✓ {yes}", tone="pass") if same else cell(f"✗ {no}", tone="fail")


def first_other_batch(group: Group) -> int | None:
    """The first step, counted from 1, whose batches are not the same bytes in all runs."""
    steps = zip(*(run.steps for run in group.finished), strict=False)
    for place, alike in enumerate(steps, start=1):
        if len({step.batch_digest for step in alike}) > 1:
            return place
    return None


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
