"""The logs of a run: a row a step, and a row an epoch.

Steps and epochs count from 1. A step's loss is that of its batch before the update, and what is
minimised but for the decay: the cross-entropy and what the network itself adds, such as DRA-Net's
regulariser. A test's loss is the cross-entropy alone. Numbers are written so that reading them
gives the same bits.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from ranparity.errors import InputError

TIMES = ("seconds", "seconds_waiting")  # in which equal runs differ


@dataclass(frozen=True)
class Step:
    """A line of `steps.jsonl`: `seconds` is what it took, `seconds_waiting` of it for its batch.

    Where the loss is scaled, `loss_scale` is what it was multiplied by on the way back, and a step
    that is `skipped` was left out, for its gradients were no finite numbers; both are None, and not
    in the line, where it is not scaled.
    """

    step: int
    stage: str
    epoch: int
    loss: float
    learning_rate: float
    batch_digest: str
    seconds: float
    seconds_waiting: float
    loss_scale: float | None = None
    skipped: bool | None = None


@dataclass(frozen=True)
class Epoch:
    """A row of `epochs.csv`: an epoch of a stage, tested after the run's step number `step`.

    `train_loss` is the mean of the epoch's steps, accuracies are in [0, 1], `seconds` is what its
    steps and its test took.
    """

    stage: str
    epoch: int
    step: int
    train_loss: float
    test_loss: float
    test_accuracy: float
    test_top5_accuracy: float
    seconds: float


def timeless(row: Step | Epoch) -> dict[str, Any]:
    """Give a step or an epoch without what it took, the one thing that two equal runs differ in."""
    return {key: value for key, value in _told(row).items() if key not in TIMES}


def _told(row: Step | Epoch) -> dict[str, Any]:
    """Give a row without what it has nothing of."""
    return {key: value for key, value in asdict(row).items() if value is not None}


def step_line(step: Step) -> str:
    """Give the line of a step, with its end."""
    return json.dumps(_told(step), allow_nan=False) + "\n"


def read_step(line: str, where: str) -> Step:
    """Read the line of a step.

    Raises:
        InputError: It is none; the message begins with `where`.
    """
    try:
        return Step(**json.loads(line))
    except (ValueError, TypeError):
        raise InputError(f"{where}: expected a step, found {line[:60]!r}") from None


def epoch_table(epochs: Sequence[Epoch]) -> str:
    """Give the table of epochs as CSV."""
    text = io.StringIO()
    rows = csv.DictWriter(text, [field.name for field in fields(Epoch)], lineterminator="\n")
    rows.writeheader()
    rows.writerows(asdict(epoch) for epoch in epochs)
    return text.getvalue()


def read_epochs(text: str, where: str) -> list[Epoch]:
    """Read the table of epochs.

    Raises:
        InputError: A row is none; the message begins with `where`.
    """
    return [_epoch(row, where) for row in csv.DictReader(text.splitlines())]


def _epoch(row: dict[str, str], where: str) -> Epoch:
    try:
        stage, epoch, step = row["stage"], int(row["epoch"]), int(row["step"])
        numbers = [float(row[field.name]) for field in fields(Epoch)[3:]]
    except (ValueError, TypeError, KeyError):
        raise InputError(f"{where}: expected an epoch, found {row}") from None
    return Epoch(stage, epoch, step, *numbers)
