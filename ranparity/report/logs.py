"""What a training wrote down as it went, steps.jsonl and epochs.csv, read with care."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from ranparity.report.reading import Fields, MalformedError, parse_record

STEPS, EPOCHS = "steps.jsonl", "epochs.csv"
NUMBERS = {  # of a row, and what they are
    "epoch": int,
    "step": int,
    "test_loss": float,
    "test_accuracy": float,
    "test_top5_accuracy": float,
}


@dataclass(frozen=True)
class Step:
    """A line of steps.jsonl."""

    stage: str
    loss: float
    batch_digest: str
    seconds: float


@dataclass(frozen=True)
class Epoch:
    """A row of epochs.csv; epochs count from 1 in each stage, `step` is the run's."""

    stage: str
    epoch: int
    step: int
    test_loss: float
    test_accuracy: float
    test_top5_accuracy: float


def read_steps(content: bytes | None, stages: Sequence[str]) -> tuple[Step, ...]:
    """Reads steps.jsonl.

    Args:
        content: The file; None if it is not there.
        stages: The recipe's, in order.

    Raises:
        MalformedError: It is not there, damaged, or no run of these stages; says where.
    """
    lines = _there(content, STEPS).splitlines()
    steps = [_step(place, line) for place, line in enumerate(lines, start=1)]
    _refuse_stages([step.stage for step in steps], stages, f"{STEPS} line")
    return tuple(steps)


def read_epochs(content: bytes | None, steps: Sequence[Step]) -> tuple[Epoch, ...]:
    """Reads epochs.csv.

    Args:
        content: The file; None if it is not there.
        steps: Those that the epochs are made of.

    Raises:
        MalformedError: It is not there, damaged, or not of these steps; says where.
    """
    try:
        lines = _there(content, EPOCHS).decode("utf-8", "replace").splitlines()
        rows = list(csv.DictReader(lines))
    except csv.Error as error:
        raise MalformedError(f"{EPOCHS}: {error}") from None
    epochs = [_epoch(place, row) for place, row in enumerate(rows, start=1)]
    for fault in _disorder(epochs, steps):
        raise MalformedError(fault)
    return tuple(epochs)


def same_steps(runs: Iterable[Sequence[Step]]) -> list[tuple[Step, ...]]:
    """Gives the steps that all runs made, in order: for each, that of every run.

    They end where one run is in another stage than the others, because it stopped early.
    """
    rows = zip(*runs, strict=False)
    return list(takewhile(lambda row: len({step.stage for step in row}) == 1, rows))


def _there(content: bytes | None, file: str) -> bytes:
    if content is None:
        raise MalformedError(f"{file}: no such file in the record")
    return content


def _step(place: int, line: bytes) -> Step:
    where = f"{STEPS} line {place}"
    fields = parse_record(line, where)
    if fields.integer("step") != place:
        raise MalformedError(f"{where}: expected step {place}, found step {fields.integer('step')}")
    return Step(
        fields.text("stage"),
        fields.number("loss"),
        fields.text("batch_digest"),
        fields.number("seconds"),
    )


def _refuse_stages(found: Sequence[str], stages: Sequence[str], where: str) -> None:
    """Raises where a stage is none of the recipe's, or comes after one that it precedes."""
    earlier = 0
    for place, stage in enumerate(found, start=1):
        if stage not in stages[earlier:]:
            expected = " or ".join(stages[earlier:])
            raise MalformedError(f"{where} {place}: expected stage {expected}, found {stage}")
        earlier = stages.index(stage)


def _epoch(place: int, row: Mapping[str, str | None]) -> Epoch:
    where = f"{EPOCHS} row {place}"
    values: dict[str, Any] = {"stage": row.get("stage")}
    for key, kind in NUMBERS.items():
        try:
            values[key] = kind(row.get(key) or "")
        except ValueError:
            raise MalformedError(f'{where}: expected a number as "{key}"') from None
    fields = Fields(values, where)
    return Epoch(
        fields.text("stage"),
        fields.count("epoch"),
        fields.count("step"),
        fields.number("test_loss"),
        fields.share("test_accuracy"),
        fields.share("test_top5_accuracy"),
    )


def _disorder(epochs: Sequence[Epoch], steps: Sequence[Step]) -> Iterator[str]:
    """Says where epochs do not follow one another, or do not end where a step of theirs does."""
    stage, number, step = "", 0, 0
    for place, epoch in enumerate(epochs, start=1):
        where = f"{EPOCHS} row {place}"
        due = number + 1 if epoch.stage == stage else 1
        if epoch.epoch != due:
            yield f"{where}: expected epoch {due}, found epoch {epoch.epoch}"
        if not step < epoch.step <= len(steps):
            yield f"{where}: expected a step of {step + 1} to {len(steps)}, found {epoch.step}"
        elif steps[epoch.step - 1].stage != epoch.stage:
            found = steps[epoch.step - 1].stage
            yield f"{where}: expected stage {found} as step {epoch.step} has, found {epoch.stage}"
        stage, number, step = epoch.stage, epoch.epoch, epoch.step
