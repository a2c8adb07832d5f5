"""A run directory that is being written.

`steps.jsonl` grows line by line; every other file is written beside its place and renamed into it,
so that it is there whole or not at all. A lock on `.lock` keeps a second process out; the system
lets go of it however the first one ends.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import filelock

from ranparity import schema
from ranparity.data.normalisation import Normalisation
from ranparity.errors import InputError
from ranparity.files import PARTIAL, replacing, write_text
from ranparity.training import checkpoint
from ranparity.training.directory import (
    EPOCHS,
    LOCK,
    NORMALISATION,
    PICTURES,
    PLACE,
    RUN,
    SCALARS,
    STEPS,
    WEIGHTS,
    stage_files,
)
from ranparity.training.logs import (
    Epoch,
    Step,
    epoch_table,
    read_epochs,
    read_step,
    step_line,
    timeless,
)

ROOM = 1 << 20  # bytes that a weights file may have beside the weights


class Record:
    """A run directory that is being written, by this process alone until `release`.

    Args:
        folder: Where; it is made if it is not there.

    Raises:
        InputError: Another process is writing it.
        OSError: It cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run: dict[str, Any] = {}
        self.steps: list[Step] = []
        self.epochs: list[Epoch] = []
        self._log = hashlib.sha256()
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(folder / LOCK, timeout=0)
        try:
            self._lock.acquire()
        except filelock.Timeout:
            raise InputError(
                f"{folder}: another process is writing this run: wait for its end, or give "
                "another folder with --out"
            ) from None

    def begin(
        self, description: dict[str, Any], place: dict[str, Any], normalisation: Normalisation
    ) -> None:
        """Begin a new run; what an earlier one has left goes.

        Args:
            description: What is known at the start, for `run.json`.
            place: What is of this machine alone, for `place.json`.
            normalisation: What is taken from every image.
        """
        files = (RUN, STEPS, EPOCHS, NORMALISATION, WEIGHTS, PLACE, *PICTURES)
        for name in (*files, *stage_files(self.folder)):
            (self.folder / name).unlink(missing_ok=True)
        checkpoint.tidy(self.folder)
        checkpoint.drop_after(self.folder, -1)
        shutil.rmtree(self.folder / SCALARS, ignore_errors=True)
        self.run = schema.versioned({**description, "status": "running"})
        self.write_json(PLACE, place)
        normalisation.save(self.folder / NORMALISATION)
        (self.folder / STEPS).touch()
        self._write_epochs()
        self._write_run()  # last: a folder without it has no run in it

    def go_on(
        self, run: dict[str, Any], place: dict[str, Any], state: checkpoint.State | None
    ) -> None:
        """Go back to a checkpoint (None: to the start) and go on from there.

        Args:
            run: What `run.json` holds from now on.
            place: As in `begin`.
            state: Of the checkpoint.

        Raises:
            InputError: The log of the steps is not the one that led to the checkpoint.
        """
        checkpoint.tidy(self.folder)
        done, tested = (state.step, state.epochs) if state else (0, 0)
        lines = self._lines()[:done]
        steps = [read_step(line, str(self.folder / STEPS)) for line in lines]
        epochs = read_epochs(self._text(EPOCHS), str(self.folder / EPOCHS))
        self._replay(steps, epochs[:tested])
        if state and self.log_digest != state.log:
            raise InputError(
                f"{self.folder}: expected in {STEPS} and {EPOCHS} what led to the checkpoint of "
                f"step {done}, and they hold something else: the run cannot go on"
            )
        checkpoint.drop_after(self.folder, done)  # damaged, or they would not be passed over
        write_text(self.folder / STEPS, "".join(line + "\n" for line in lines))
        self._write_epochs()
        self.write_json(PLACE, place)
        self.run = schema.versioned({**run, "status": "running"})
        self._write_run()

    @property
    def log_digest(self) -> str:
        """SHA-256 of the steps and epochs so far, without their times."""
        return self._log.hexdigest()

    def add_step(self, step: Step) -> None:
        """Add a line to the log of steps."""
        self._note_step(step)
        with (self.folder / STEPS).open("a", encoding="utf-8") as log:
            log.write(step_line(step))

    def add_epoch(self, epoch: Epoch) -> None:
        """Add a row to the table of epochs."""
        self._note_epoch(epoch)
        self._write_epochs()

    def add_checkpoint(
        self,
        weights: checkpoint.Arrays,
        slots: checkpoint.Arrays,
        scaling: dict[str, Any] | None = None,
    ) -> None:
        """Write down what the run needs to go on from here; see `checkpoint.Checkpoint`."""
        with (self.folder / STEPS).open("a") as log:  # on the disk before what refers to it
            os.fsync(log.fileno())
        state = checkpoint.State(len(self.steps), len(self.epochs), self.log_digest, scaling)
        checkpoint.write(self.folder, checkpoint.Checkpoint(state, weights, slots))

    def save_weights(self, save: Callable[[str], None], size: int, name: str = WEIGHTS) -> None:
        """Write the weights with a function that takes the path, such as Keras's `save_weights`.

        HDF5 ends the process when a disk is full, so that there is room is found out before.

        Args:
            save: Writes the file.
            size: Bytes of the weights.
            name: Of the file.
        """
        beside = self.folder / f"{PARTIAL}.{name}"  # Keras looks at how the name ends
        try:
            _reserve(beside, size + ROOM)
            save(str(beside))
            beside.replace(self.folder / name)
        finally:
            beside.unlink(missing_ok=True)

    def begin_stage(self, place: int, **facts: Any) -> None:
        """Write down what a stage begins with, and of those before it no more than there is.

        Args:
            place: Which, counted from 0. What is there of it and of those after it goes.
            facts: What is known at its start.
        """
        self.run["stages"] = [*self.run.get("stages", [])[:place], facts]
        self._write_lasting()

    def end_stage(self, **results: Any) -> None:
        """Write down the results of the stage that has begun last."""
        self.run["stages"][-1].update(results)
        self._write_lasting()

    def write_json(self, name: str, content: Any) -> None:
        """Write a file of the run directory."""
        write_text(self.folder / name, _text(content))

    def close(self, status: str, **results: Any) -> None:
        """Write down how the run ended, and its results."""
        self.run.update(results, status=status)
        self._write_run()

    def release(self) -> None:
        """Let another process write the run; a folder in which none has begun is left as it was."""
        if {path.name for path in self.folder.iterdir()} == {LOCK}:
            shutil.rmtree(self.folder)
        self._lock.release()

    def _note_step(self, step: Step) -> None:
        self.steps.append(step)
        self._note(step)

    def _note_epoch(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)
        self._note(epoch)

    def _note(self, row: Step | Epoch) -> None:
        self._log.update(json.dumps(timeless(row)).encode() + b"\n")

    def _replay(self, steps: Sequence[Step], epochs: Sequence[Epoch]) -> None:
        """Take rows in as they were added: a test's after its step."""
        self.steps, self.epochs = [], []
        self._log = hashlib.sha256()
        tested = {epoch.step: epoch for epoch in epochs}
        for step in steps:
            self._note_step(step)
            if step.step in tested:
                self._note_epoch(tested[step.step])

    def _lines(self) -> list[str]:
        """Give the whole lines of the log; a process that was killed may have left half a one."""
        return self._text(STEPS).split("\n")[:-1]

    def _text(self, name: str) -> str:
        """Give what a file of the run directory holds."""
        path = self.folder / name
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            raise InputError(f"{path}: expected it in a run that goes on: no such file") from None

    def _write_epochs(self) -> None:
        write_text(self.folder / EPOCHS, epoch_table(self.epochs))

    def _write_run(self) -> None:
        self.write_json(RUN, self.run)

    def _write_lasting(self) -> None:
        """Write the run to the disk, before any checkpoint that needs what it says of a stage."""
        with replacing(self.folder / RUN, lasting=True) as file:
            file.write(_text(self.run).encode())


def _text(content: Any) -> str:
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def _reserve(path: Path, size: int) -> None:
    """See that there is room for a file.

    Raises:
        OSError: There is not.
    """
    if hasattr(os, "posix_fallocate"):
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
