"""The run directory: what a run was, what it did at every step, and what came out.

    run.json           model, recipe, data, digests, environment, result and status
    steps.jsonl        a line a step: step, epoch, loss, learning_rate, batch_digest, seconds
    epochs.csv         a row an epoch: epoch, train_loss, test_loss, test_accuracy, seconds
    final.weights.h5   the weights in Keras's format, which every backend can load

Steps and epochs count from 1; a step's loss is that of its batch before the update. Numbers are
written so that reading them gives the same bits. `steps.jsonl` grows line by line; every other file
is written beside its place and renamed into it, so that it is there whole or not at all.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ranparity.errors import InputError
from ranparity.files import write_text

RUN = "run.json"
STEPS = "steps.jsonl"
EPOCHS = "epochs.csv"
WEIGHTS = "final.weights.h5"


@dataclass(frozen=True)
class Step:
    """A line of `steps.jsonl`; `seconds` is what the step took, its batch included."""

    step: int
    epoch: int
    loss: float
    learning_rate: float
    batch_digest: str
    seconds: float


@dataclass(frozen=True)
class Epoch:
    """A row of `epochs.csv`; `train_loss` is the mean of the epoch's steps."""

    epoch: int
    train_loss: float
    test_loss: float
    test_accuracy: float
    seconds: float


class Record:
    """A run directory that is being written.

    Args:
        folder: Where; it is made if it is not there.
        description: What is known at the start, for `run.json`.

    Raises:
        InputError: The folder cannot be written.
    """

    def __init__(self, folder: Path, description: dict[str, Any]) -> None:
        self.folder = folder
        self.run = {**description, "status": "running"}
        self._epochs: list[Epoch] = []
        self._steps: list[Step] = []
        folder.mkdir(parents=True, exist_ok=True)
        for name in (RUN, STEPS, EPOCHS, WEIGHTS):
            (folder / name).unlink(missing_ok=True)
        self._write_run()
        (folder / STEPS).touch()
        self.add_epochs()

    @property
    def steps(self) -> list[Step]:
        """The steps so far."""
        return self._steps

    @property
    def epochs(self) -> list[Epoch]:
        """The epochs so far."""
        return self._epochs

    def add_step(self, step: Step) -> None:
        """Add a line to the log of steps."""
        self._steps.append(step)
        with (self.folder / STEPS).open("a", encoding="utf-8") as log:
            log.write(json.dumps(asdict(step), allow_nan=False) + "\n")

    def add_epochs(self, *epochs: Epoch) -> None:
        """Add rows to the table of epochs."""
        self._epochs.extend(epochs)
        text = io.StringIO()
        rows = csv.DictWriter(text, [field.name for field in fields(Epoch)], lineterminator="\n")
        rows.writeheader()
        rows.writerows(asdict(epoch) for epoch in self._epochs)
        write_text(self.folder / EPOCHS, text.getvalue())

    def save_weights(self, save: Callable[[str], None]) -> None:
        """Write the weights with a function that takes the path, such as Keras's `save_weights`."""
        beside = self.folder / f"partial.{WEIGHTS}"
        save(str(beside))
        beside.replace(self.folder / WEIGHTS)

    def close(self, status: str, **results: Any) -> None:
        """Write down how the run ended, and its results."""
        self.run.update(results, status=status)
        self._write_run()

    def _write_run(self) -> None:
        text = json.dumps(self.run, indent=2, allow_nan=False)
        write_text(self.folder / RUN, text + "\n")


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """See that a run can be written there, without writing anything.

    Raises:
        InputError: There is something else, or an earlier run that is not to be overwritten, or no
            permission to write.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise InputError(f"--out {folder}: expected a folder, but {existing} is a file")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"--out {folder}: no permission to write in {existing}")
    names = {path.name for path in folder.iterdir()} if existing == folder else set()
    if names and RUN not in names:
        raise InputError(f"--out {folder}: expected an empty folder or a run, and it is neither")
    if names and not overwrite:
        raise InputError(
            f"--out {folder}: there is a run already: give another folder with --out, "
            "or --overwrite to replace that run"
        )
