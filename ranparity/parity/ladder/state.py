"""A net in the middle of its training, from the tape: nothing is zero that could hide a fault."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ranparity.data import batches
from ranparity.data.tape import Tape

Array = NDArray[np.float32]
SLOTS = {"velocity": 1e-3, "first_moment": 1e-3, "second_moment": 1e-6}  # their size
SHIFT = 0.1  # standard deviation of what begins at 0


def weights(tape: Tape, start: Mapping[str, Array]) -> dict[str, Array]:
    """Give variables by name: kernels as a run begins with them, all else moved.

    Args:
        tape: Where the numbers come from.
        start: What a run begins with.
    """
    return {name: _moved(tape, name, value) for name, value in start.items()}


def _moved(tape: Tape, name: str, value: Array) -> Array:
    part, count = name.rpartition("/")[2], math.prod(value.shape)
    purpose = f"ladder/{name}"
    is_factor = part in ("gamma", "slope") or (part == "weight" and value.ndim < 2)
    if is_factor or part in ("moving_variance", "variance"):
        low, high = (0.5, 1.5) if is_factor else (0.5, 2.0)
        drawn = low + (high - low) * tape.uniforms(purpose, count)
    elif part in ("beta", "moving_mean", "mean", "shift") or (part == "bias" and not value.any()):
        drawn = SHIFT * tape.normals(purpose, count)
    else:
        return value
    return drawn.astype(np.float32).reshape(value.shape)


def slots(tape: Tape, empty: Mapping[str, Array]) -> dict[str, Array]:
    """Give what an update rule has kept, by NAME/SLOT; second moments are positive."""
    found = {}
    for name, value in empty.items():
        drawn = tape.normals(f"ladder/{name}", math.prod(value.shape))
        slot = name.rpartition("/")[2]
        if slot == "second_moment":
            drawn = drawn**2 + 1
        found[name] = (SLOTS[slot] * drawn).astype(np.float32).reshape(value.shape)
    return found


def images(tape: Tape, shape: tuple[int, ...], step: int = 0) -> Array:
    """Give normal pixels, NHWC."""
    drawn = tape.normals("ladder images", math.prod(shape), step=step)
    return drawn.astype(np.float32).reshape(shape)


def targets(tape: Tape, count: int, classes: int, step: int = 0) -> Array:
    """Give the probabilities of classes, one-hot, (N, classes)."""
    drawn = tape.integers("ladder targets", count, classes, step=step)
    return batches.one_hot(drawn, classes)
