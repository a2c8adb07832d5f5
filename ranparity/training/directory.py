"""The run directory: what is in it, and whether one can be read or written.

run.json             model, recipe, data, digests, environment, result and status
steps.jsonl          a line a step; see `ranparity.training.logs.Step`
epochs.csv           a row an epoch; see `ranparity.training.logs.Epoch`
normalisation.npz    what is taken from every image and divided by
final.weights.h5     the weights in Keras's format, which every backend can load
STAGE.weights.h5     those at the end of an earlier stage
masks.json           what `ranparity masks` finds in a finished run, with masks.png
features.json        what `ranparity features` finds, with features.png
checkpoints          from which the run can go on; see `ranparity.training.checkpoint`
tensorboard          numbers for TensorBoard, if they are asked for
place.json           where this machine has the data and the weights that the run was given to start
                     from, and what it was to compute on; the one file that is of no use elsewhere
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ranparity import schema
from ranparity.errors import InputError
from ranparity.files import PARTIAL
from ranparity.training.backends import DEVICES, PRECISIONS

RUN = "run.json"
STEPS = "steps.jsonl"
EPOCHS = "epochs.csv"
NORMALISATION = "normalisation.npz"
SUFFIX = ".weights.h5"  # by which Keras knows its weights
WEIGHTS = f"final{SUFFIX}"
PLACE = "place.json"
LOCK = ".lock"
SCALARS = "tensorboard"
CHECKPOINTS = "checkpoints"
MASKS, MASKS_PICTURE = "masks.json", "masks.png"
FEATURES, FEATURES_PICTURE = "features.json", "features.png"
PICTURES = (MASKS, MASKS_PICTURE, FEATURES, FEATURES_PICTURE)


def weights_of(stage: str) -> str:
    """Give the name of the file with the weights at the end of a stage that is not the last."""
    return f"{stage}{SUFFIX}"


def stage_files(folder: Path) -> list[str]:
    """Give the names of the weights files that the run in a folder has of its earlier stages."""
    try:
        stages = json.loads((folder / RUN).read_text(encoding="utf-8"))["recipe"]["stages"]
        names = [weights_of(str(stage["name"])) for stage in stages[:-1]]
    except (OSError, ValueError, KeyError, TypeError):  # no run, or a damaged one
        return []
    return [name for name in names if Path(name).name == name]


def read_run(folder: Path) -> dict[str, Any]:
    """Read a run's `run.json`.

    Raises:
        InputError: There is none, or it is damaged or of another version.
    """
    run = _read_json(folder / RUN, "a run directory, which holds")
    if reason := schema.refusal(run):
        raise InputError(f"{folder / RUN}: {reason}")
    return run


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
    "data.normalisation": dict,
    "data.normalisation.digest": str,
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
    _check_manner(folder, run)
    if run["precision"] not in PRECISIONS:
        raise InputError(
            f"{folder / RUN}: expected as precision one of {', '.join(PRECISIONS)}. "
            f"Received: {run['precision']!r}"
        )


def _check_manner(folder: Path, run: dict[str, Any]) -> None:
    """Raise `InputError` where what a `run.json` says of how steps are computed cannot be."""
    for name in ("remat", "tf32"):
        if type(found := run.get(name, False)) is not bool:
            raise InputError(f"{folder / RUN}: expected {name} of type bool. Received: {found!r}")
    if type(found := parts_of(run)) is not int or found < 1:
        raise InputError(
            f"{folder / RUN}: expected accumulate.parts to be a whole number, 1 or more. "
            f"Received: {found!r}"
        )
    if type(found := run.get("twin", 0)) is not int or found < 0:
        raise InputError(
            f"{folder / RUN}: expected twin to be a whole number, 0 or more. Received: {found!r}"
        )


def parts_of(run: dict[str, Any]) -> Any:
    """Give into how many parts steps divide their batches, by a `run.json`; 1 if it is silent."""
    said = run.get("accumulate", {"parts": 1})
    return said.get("parts") if isinstance(said, dict) else None


def read_place(folder: Path) -> dict[str, Any]:
    """Read where the machine has the data of a run; nothing if the run comes from elsewhere.

    Raises:
        InputError: The file is damaged.
    """
    path = folder / PLACE
    place = _read_json(path, "where the data are:") if path.is_file() else {}
    kinds = {"data": str, "checkpoint_every": int, "weights": str, "device": str}
    for name, kind in kinds.items():
        if not isinstance(found := place.get(name), (kind, type(None))):
            raise InputError(
                f"{path}: expected {name} of type {kind.__name__}. Received: {found!r}"
            )
    if place.get("device") not in (None, *DEVICES):
        raise InputError(
            f"{path}: expected as device one of {', '.join(DEVICES)}. Received: {place['device']!r}"
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
    ours = {LOCK, PLACE, STEPS, EPOCHS, NORMALISATION, WEIGHTS, SCALARS, CHECKPOINTS, *PICTURES}
    others = {name for name in names if PARTIAL not in name and not name.endswith(SUFFIX)} - ours
    return not others and (LOCK in names or not names)
