"""The run directory: what a run was, what it did at every step, and what came out.

    run.json             model, recipe, data, digests, environment, result and status
    steps.jsonl          a line a step; see `Step`
    epochs.csv           a row an epoch; see `Epoch`
    normalisation.npz    what is taken from every image and divided by
    final.weights.h5     the weights in Keras's format, which every backend can load
    checkpoints          from which the run can go on; see `ranparity.training.checkpoint`
    place.json           where this machine has the data; the one file that is of no use elsewhere

Steps and epochs count from 1; a step's loss is that of its batch before the update. Numbers are
written so that reading them gives the same bits. `steps.jsonl` grows line by line; every other file
is written beside its place and renamed into it, so that it is there whole or not at all. A lock on
`.lock` keeps a second process out; the system lets go of it however the first one ends.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import filelock

from ranparity.data.normalisation import Normalisation
from ranparity.errors import InputError
from ranparity.files import PARTIAL, write_text
from ranparity.training import checkpoint
from ranparity.training.backends import PRECISIONS

RUN = "run.json"
STEPS = "steps.jsonl"
EPOCHS = "epochs.csv"
NORMALISATION = "normalisation.npz"
WEIGHTS = "final.weights.h5"
PLACE = "place.json"
LOCK = ".lock"
SCALARS = "tensorboard"
TIMES = ("seconds", "seconds_waiting")  # in which equal runs differ
ROOM = 1 << 20  # bytes that a weights file may have beside the weights


@dataclass(frozen=True)
class Step:
    """A line of `steps.jsonl`: `seconds` is what it took, `seconds_waiting` of it for its batch."""

    step: int
    stage: str
    epoch: int
    loss: float
    learning_rate: float
    batch_digest: str
    seconds: float
    seconds_waiting: float


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
        for name in (RUN, STEPS, EPOCHS, NORMALISATION, WEIGHTS, PLACE):
            (self.folder / name).unlink(missing_ok=True)
        checkpoint.tidy(self.folder)
        checkpoint.drop_after(self.folder, -1)
        shutil.rmtree(self.folder / SCALARS, ignore_errors=True)
        self.run = {**description, "status": "running"}
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
        done = state.step if state else 0
        lines = self._lines()[:done]
        self._replay([self._step(line) for line in lines], self._epochs_written(done))
        if state and self.log_digest != state.log:
            raise InputError(
                f"{self.folder}: expected in {STEPS} and {EPOCHS} what led to the checkpoint of "
                f"step {done}, and they hold something else: the run cannot go on"
            )
        checkpoint.drop_after(self.folder, done)  # damaged, or they would not be passed over
        write_text(self.folder / STEPS, "".join(line + "\n" for line in lines))
        self._write_epochs()
        self.write_json(PLACE, place)
        self.run = {**run, "status": "running"}
        self._write_run()

    @property
    def log_digest(self) -> str:
        """SHA-256 of the steps and epochs so far, without their times."""
        return self._log.hexdigest()

    def add_step(self, step: Step) -> None:
        """Add a line to the log of steps."""
        self._note_step(step)
        with (self.folder / STEPS).open("a", encoding="utf-8") as log:
            log.write(json.dumps(asdict(step), allow_nan=False) + "\n")

    def add_epoch(self, epoch: Epoch) -> None:
        """Add a row to the table of epochs."""
        self._note_epoch(epoch)
        self._write_epochs()

    def add_checkpoint(self, weights: checkpoint.Arrays, slots: checkpoint.Arrays) -> None:
        """Write down what the run needs to go on from here."""
        with (self.folder / STEPS).open("a") as log:  # on the disk before what refers to it
            os.fsync(log.fileno())
        state = checkpoint.State(len(self.steps), self.log_digest)
        checkpoint.write(self.folder, checkpoint.Checkpoint(state, weights, slots))

    def save_weights(self, save: Callable[[str], None], size: int) -> None:
        """Write the weights with a function that takes the path, such as Keras's `save_weights`.

        HDF5 ends the process when a disk is full, so that there is room is found out before.

        Args:
            save: Writes the file.
            size: Bytes of the weights.
        """
        beside = self.folder / f"{PARTIAL}.{WEIGHTS}"  # Keras looks at how the name ends
        try:
            _reserve(beside, size + ROOM)
            save(str(beside))
            beside.replace(self.folder / WEIGHTS)
        finally:
            beside.unlink(missing_ok=True)

    def write_json(self, name: str, content: Any) -> None:
        """Write a file of the run directory."""
        text = json.dumps(content, indent=2, allow_nan=False)
        write_text(self.folder / name, text + "\n")

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

    def _step(self, line: str) -> Step:
        try:
            return Step(**json.loads(line))
        except (ValueError, TypeError):
            raise InputError(
                f"{self.folder / STEPS}: expected a step, found {line[:60]!r}"
            ) from None

    def _epochs_written(self, done: int) -> list[Epoch]:
        """Give the tests up to a step."""
        rows = csv.DictReader(self._text(EPOCHS).splitlines())
        epochs = [self._epoch(row) for row in rows]
        return [epoch for epoch in epochs if epoch.step <= done]

    def _epoch(self, row: dict[str, str]) -> Epoch:
        try:
            stage, epoch, step = row["stage"], int(row["epoch"]), int(row["step"])
            numbers = [float(row[field.name]) for field in fields(Epoch)[3:]]
        except (ValueError, TypeError, KeyError):
            raise InputError(f"{self.folder / EPOCHS}: expected an epoch, found {row}") from None
        return Epoch(stage, epoch, step, *numbers)

    def _text(self, name: str) -> str:
        """Give what a file of the run directory holds."""
        path = self.folder / name
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            raise InputError(f"{path}: expected it in a run that goes on: no such file") from None

    def _write_epochs(self) -> None:
        text = io.StringIO()
        rows = csv.DictWriter(text, [field.name for field in fields(Epoch)], lineterminator="\n")
        rows.writeheader()
        rows.writerows(asdict(epoch) for epoch in self.epochs)
        write_text(self.folder / EPOCHS, text.getvalue())

    def _write_run(self) -> None:
        self.write_json(RUN, self.run)


def timeless(row: Step | Epoch) -> dict[str, Any]:
    """Give a step or an epoch without what it took, the one thing that two equal runs differ in."""
    return {key: value for key, value in asdict(row).items() if key not in TIMES}


def read_run(folder: Path) -> dict[str, Any]:
    """Read a run's `run.json`.

    Raises:
        InputError: There is none, or it is damaged.
    """
    return _read_json(folder / RUN, "a run directory, which holds")


# What a run that goes on is taken from, with its types.
NEEDED: dict[str, type] = {
    "model": str,
    "backend": str,
    "recipe": dict,
    "seed": int,
    "precision": str,
    "data": dict,
    "data.name": str,
    "data.source": str,
    "data.digest": str,
    "data.partial": bool,
    "initial_weights_digest": str,
    "environment": dict,
    "parts": list,
}


def check_run(folder: Path, run: dict[str, Any]) -> None:
    """Raise `InputError` unless a `run.json` has what it takes to go on with the run."""
    for name, kind in NEEDED.items():
        found: Any = run
        for key in name.split("."):
            found = found.get(key)
        if type(found) is not kind:
            raise InputError(
                f"{folder / RUN}: expected {name} of type {kind.__name__}. Received: {found!r}"
            )
    if run["precision"] not in PRECISIONS:
        raise InputError(
            f"{folder / RUN}: expected as precision one of {', '.join(PRECISIONS)}. "
            f"Received: {run['precision']!r}"
        )


def read_place(folder: Path) -> dict[str, Any]:
    """Read where the machine has the data of a run; nothing if the run comes from elsewhere.

    Raises:
        InputError: The file is damaged.
    """
    path = folder / PLACE
    place = _read_json(path, "where the data are:") if path.is_file() else {}
    for name, kind in (("data", str), ("checkpoint_every", int)):
        if not isinstance(found := place.get(name), (kind, type(None))):
            raise InputError(
                f"{path}: expected {name} of type {kind.__name__}. Received: {found!r}"
            )
    return place


def _read_json(path: Path, what: str) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"{path.parent}: expected {what} {path.name}: no such file")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of the text or of its encoding
        raise InputError(f"{path}: expected JSON: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object. Received: {type(content).__name__}")
    return content


def check_folder(folder: Path, *, allowed: bool) -> bool:
    """See that a run can be written there, without writing anything.

    Args:
        folder: The run directory.
        allowed: Whether there may be a run already (to replace it, or to go on with it).

    Returns:
        Whether there is one.

    Raises:
        InputError: There is something else, or a run that may not be there, or no permission to
            write.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise InputError(f"--out {folder}: expected a folder, but {existing} is a file")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"--out {folder}: no permission to write in {existing}")
    names = {path.name for path in folder.iterdir()} if existing == folder else set()
    if RUN not in names and not _is_of_a_start(names):
        raise InputError(f"--out {folder}: expected an empty folder or a run, and it is neither")
    if RUN in names and not allowed:
        raise InputError(
            f"--out {folder}: there is a run already: give another folder with --out, "
            "--resume to go on with that run, or --overwrite to replace it"
        )
    return RUN in names


def _is_of_a_start(names: set[str]) -> bool:
    """Whether a folder is empty or holds what a run leaves that was killed as it began.

    With --overwrite that is anything of the run before, but for its `run.json`, which goes first.
    """
    ours = {LOCK, PLACE, STEPS, EPOCHS, NORMALISATION, WEIGHTS, SCALARS, checkpoint.FOLDER}
    others = {name for name in names if PARTIAL not in name} - ours
    return not others and (LOCK in names or not names)


def _reserve(path: Path, size: int) -> None:
    """See that there is room for a file.

    Raises:
        OSError: There is not.
    """
    if hasattr(os, "posix_fallocate"):
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
