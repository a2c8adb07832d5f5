"""Checkpoints: all that a run needs to go on, in one file that proves itself.

    checkpoints/step-00000176.npz    NumPy arrays, never pickled:
        weights/NAME                 every variable of the model, BN statistics included
        slots/NAME/SLOT              what the update rule keeps of each trainable variable
        state                        JSON, UTF-8: step, epochs, log; of a scaled loss its scaling
        digest                       SHA-256 of all of the above, by name

A file is written beside its place, brought to the disk and renamed, so a run that is killed leaves
it whole or leaves it out. The two newest are kept: one that was damaged later, which its digest
shows, is passed over for the one before it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.data import digest
from ranparity.files import PARTIAL, replacing
from ranparity.training.directory import CHECKPOINTS

KEPT = 2
_NAME = re.compile(r"step-(\d+)\.npz")
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class State:
    """Where a run is.

    Attributes:
        step: Number of steps done, from the start of the run.
        epochs: Number of epochs tested; a test comes after its step, and may not have come yet.
        log: Digest of what the record holds of these (`Record.log_digest`).
        scaling: Where the scale of the loss is, as `Scaling.to_json` gives it; None where it is not
            scaled.
    """

    step: int
    epochs: int
    log: str
    scaling: dict[str, Any] | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A run between two steps.

    Attributes:
        state: Where it is.
        weights: Every variable of the model by name.
        slots: What the update rule keeps, by variable and slot.
    """

    state: State
    weights: Arrays
    slots: Arrays


def write(run: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint of a run, and drop those that are no longer kept.

    Args:
        run: The run directory.
        checkpoint: What to write.

    Raises:
        OSError: It cannot be written; the checkpoints before it are untouched.
    """
    folder = run / CHECKPOINTS
    folder.mkdir(exist_ok=True)
    path = folder / f"step-{checkpoint.state.step:08d}.npz"
    arrays = _arrays(checkpoint)
    arrays["digest"] = _encoded(digest.of_named_arrays(arrays))
    with replacing(path, lasting=True) as file:
        np.savez(file, allow_pickle=False, **arrays)
    for old in _paths(run)[KEPT:]:
        old.unlink()
    return path


def newest(run: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """Give the newest checkpoint of a run that is whole, or None if there is none.

    Args:
        run: The run directory.
        warn: Is told of each damaged one that is passed over.
    """
    for path in _paths(run):
        try:
            return read(path)
        except Exception as error:  # a damaged archive raises what it likes
            warn(f"{path}: damaged ({error}): going on from the one before it")
    return None


def read(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        Exception: It is damaged; which one depends on where.
    """
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    written = bytes(arrays.pop("digest")).decode()
    found = digest.of_named_arrays(arrays)
    if found != written:
        raise ValueError(f"expected the digest {written[:12]}, found {found[:12]}")
    state = State(**json.loads(bytes(arrays["state"])))
    return Checkpoint(state, _part(arrays, "weights/"), _part(arrays, "slots/"))


def drop_after(run: Path, step: int) -> None:
    """Remove the checkpoints of a run that were made after a step."""
    for path in _paths(run):
        if _step_of(path) > step:
            path.unlink()


def tidy(run: Path) -> None:
    """Remove what a killed process has left half written in a run directory."""
    for pattern in (f".*{PARTIAL}", f"{PARTIAL}.*", f"{CHECKPOINTS}/.*{PARTIAL}"):
        for path in run.glob(pattern):
            path.unlink()


def _arrays(checkpoint: Checkpoint) -> dict[str, NDArray[Any]]:
    """Give the arrays of a checkpoint by their names in the file, without the digest."""
    return {
        **{f"weights/{name}": array for name, array in checkpoint.weights.items()},
        **{f"slots/{name}": array for name, array in checkpoint.slots.items()},
        "state": _encoded(json.dumps(_told(checkpoint.state))),
    }


def _told(state: State) -> dict[str, Any]:
    """Give a state as data that JSON can hold, without what it has nothing of."""
    return {name: value for name, value in asdict(state).items() if value is not None}


def _part(arrays: Arrays, prefix: str) -> dict[str, NDArray[Any]]:
    """Give the arrays whose name begins so, by the rest of the name."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _encoded(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _paths(run: Path) -> list[Path]:
    """Give the checkpoints of a run, the newest first."""
    named = [path for path in (run / CHECKPOINTS).glob("*.npz") if _NAME.fullmatch(path.name)]
    return sorted(named, key=_step_of, reverse=True)


def _step_of(path: Path) -> int:
    """Give the step that a checkpoint's name says."""
    return int(path.stem.partition("-")[2])
