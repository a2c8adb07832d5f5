"""The tables of one task: its trainings side by side, and what lies between them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

from ranparity.report.document import Cell, Table, cell, code, columns, link
from ranparity.report.groups import Group
from ranparity.report.runs import FinishedRun
from ranparity.report.words import (
    FAIL,
    FAILED,
    NOT_RUN,
    NOTHING,
    PASS,
    count,
    digest,
    mebibytes,
    percent,
    plural,
    seconds,
)

STEPS = (1, 2, 5, 10, 50, 100)  # whose losses are printed; the records have all
APART = (1, 10, 100)  # of which the largest difference is printed
SHOWN = 4  # parts of a run that are printed
REQUIRED_ACCURACY = {"digits": 0.95}  # on the test images, by the data's name

Here = Callable[[FinishedRun], Cell]
Between = Callable[[Group], Cell] | None


def comparison(group: Group) -> Table:
    """Backends as columns, results as rows, and a last column for what lies between them."""
    table = [_row(group, title, here, between) for title, here, between in _rows(group)]
    labels = [code(group.label(run)) for run in group.runs]
    places = tuple(range(1, len(labels) + 2))
    return Table(columns("", *labels, "Between them", right=places), tuple(table))


def _rows(group: Group) -> list[tuple[str, Here, Between]]:
    """The rows that have something to show: title, a run's cell, and the cell between."""
    made = max((len(run.steps) for run in group.finished), default=0)
    parts = any(len(run.parts) > 1 for run in group.finished)
    stopped = any(run.stopped_early for run in group.finished)
    known = any(run.beside_steps is not None for run in group.finished)
    return [
        ("Result", _verdict, None),
        ("Data", lambda run: cell(digest(run.data_digest)), _equal_data),
        ("Initial weights", lambda run: cell(digest(run.initial_weights_digest)), _equal_weights),
        ("Batches (tape)", lambda run: cell(digest(run.tape_digest)), _equal_batches),
        *((f"Loss, step {n}", _loss(n), _loss_distance(n)) for n in STEPS if n <= max(made, 1)),
        ("Test accuracy", lambda run: cell(percent(run.test_accuracy)), _accuracy_distance),
        ("Test accuracy, top 5", lambda run: cell(percent(run.test_top5_accuracy)), None),
        ("Test loss", lambda run: cell(f"{run.test_loss:.4f}"), None),
        ("Final weights", lambda run: cell(digest(run.final_weights_digest)), None),
        ("Final optimizer slots", lambda run: cell(digest(run.final_slots_digest)), None),
        ("Steps", lambda run: cell(count(len(run.steps))), None),
        *([("Parts", _parts, None)] if parts else []),
        *([("Stopped early", lambda run: cell(_yes(run.stopped_early)), None)] if stopped else []),
        ("Whole training", lambda run: cell(seconds(run.seconds)), None),
        ("First step", _first_step, None),
        ("A step (median)", lambda run: cell(seconds(run.seconds_per_step)), None),
        ("Waiting for batches", lambda run: cell(seconds(run.seconds_waiting)), None),
        *([("The loop beside steps", _beside, None)] if known else []),
        ("Peak memory", _memory, None),
        ("Record", lambda run: cell(link(run.id, run.path)), None),
    ]


def _row(group: Group, title: str, here: Here, between: Between) -> tuple[Cell, ...]:
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


def _parts(run: FinishedRun) -> Cell:
    """What each process did: `2: steps 1-40 torch, 41-176 jax`."""
    if len(run.parts) == 1:
        return cell("one")
    spans = [f"{first}-{last} {backend}" for first, last, backend in run.spans]
    more = f" and {len(spans) - SHOWN} more" if len(spans) > SHOWN else ""
    return cell(f"{len(run.parts)}: steps {', '.join(spans[:SHOWN])}{more}")


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"


def _memory(run: FinishedRun) -> Cell:
    return cell(NOTHING) if run.peak_memory is None else cell(mebibytes(run.peak_memory))


def _beside(run: FinishedRun) -> Cell:
    return cell(NOTHING) if run.beside_steps is None else cell(percent(run.beside_steps))


def _first_step(run: FinishedRun) -> Cell:
    return cell(seconds(run.steps[0].seconds)) if run.steps else cell(NOTHING)


def _loss(step: int) -> Here:
    def loss(run: FinishedRun) -> Cell:
        if step > len(run.steps):
            return cell(NOT_RUN, tone="absent")
        return cell(f"{run.steps[step - 1].loss:.6f}")

    return loss


def _loss_distance(step: int) -> Callable[[Group], Cell]:
    def distance(group: Group) -> Cell:
        made = group.same_steps()
        if step > len(made):
            return cell(NOTHING)
        losses = [each.loss for each in made[step - 1]]
        return cell(f"{max(losses) - min(losses):.2g} at most")

    return distance


def _accuracy_distance(group: Group) -> Cell:
    if len({run.task.test for run in group.finished}) > 1:
        return cell(NOTHING)
    accuracies = [run.test_accuracy for run in group.finished]
    images = round((max(accuracies) - min(accuracies)) * group.finished[0].task.test)
    return cell(f"{plural(images, 'image')} at most")


def _equal_data(group: Group) -> Cell:
    return equal(len({run.data_digest for run in group.finished}) == 1, "equal", "NOT EQUAL")


def _equal_weights(group: Group) -> Cell:
    same = len({run.initial_weights_digest for run in group.finished}) == 1
    return equal(same, "equal", "NOT EQUAL")


def _equal_batches(group: Group) -> Cell:
    first = first_other_batch(group)
    steps = len(group.same_steps())
    if not steps:
        return cell(NOTHING)
    return equal(first is None, f"all {count(steps)} equal", f"NOT EQUAL from step {first}")


def equal(same: bool, yes: str, no: str) -> Cell:
    """Whether what should be the same is, in words and colour."""
    return cell(f"✓ {yes}", tone="pass") if same else cell(f"✗ {no}", tone="fail")


def first_other_batch(group: Group) -> int | None:
    """The first step, counted from 1, whose batches are not the same bytes in all runs."""
    for place, alike in enumerate(group.same_steps(), start=1):
        if len({step.batch_digest for step in alike}) > 1:
            return place
    return None


def apart(group: Group) -> Table:
    """How far the losses of two runs are apart at most, and which two: a row a step."""
    titles = ("Largest difference of two losses", "Absolute", "Of the larger loss", "Between")
    rows = tuple(_apart_row(group, step) for step in APART)
    return Table(columns(*titles, right=(1, 2)), rows)


def _apart_row(group: Group, step: int) -> tuple[Cell, ...]:
    title, made = cell(f"Step {step}"), group.same_steps()
    if step > len(made):
        return title, cell(NOT_RUN, tone="absent"), cell(NOTHING), cell(NOTHING)
    losses = zip(group.finished, (each.loss for each in made[step - 1]), strict=True)
    (one, a), (other, b) = max(combinations(losses, 2), key=lambda two: abs(two[0][1] - two[1][1]))
    larger = max(abs(a), abs(b))
    share = abs(a - b) / larger if larger else 0.0
    names = (code(group.label(one)), " and ", code(group.label(other)))
    return title, cell(f"{abs(a - b):.2g}"), cell(f"{share:.2g}"), cell(*names)
