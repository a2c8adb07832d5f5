"""Twins of a run: the same run, begun one unit in the last place off; and what they allow.

Training amplifies every rounding, so two right runs part with the steps. How far is measured with
twins: of a run, each of whose trained weights begins at its neighbour in its precision, up or down
by the tape. Two runs pass while they are no further apart than the twins of both have been from
their runs so far, times one factor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.caffe.arbiter.noise import UNIT_ROUNDOFF
from ranparity.data.tape import Tape
from ranparity.training import precisions

FACTOR = 30.0
"""Fixed at three times the largest ratio, 8.7, of the first half of the clean comparisons of the
ladder's level 5."""
Array = NDArray[Any]
Curve = Sequence[float]  # a distance by step


def twin(
    tape: Tape, start: Mapping[str, Array], number: int, precision: str = "float32"
) -> dict[str, Array]:
    """Give variables each of which is its neighbour in its precision, up or down by the tape.

    Args:
        tape: Where the signs come from.
        start: Variables by name.
        number: Which of the twins it is, from 1.
        precision: Of the run. In a mixed one variables are kept in more than they are computed
            with, and move by a unit in the last place of the latter.
    """
    found = {}
    for name, value in start.items():
        signs = tape.integers(f"ladder twin/{name}", value.size, 2, step=number - 1)
        towards = np.where(signs.reshape(value.shape) == 1, np.inf, -np.inf).astype(value.dtype)
        found[name] = _neighbour(value, towards, precision)
    return found


def _neighbour(value: Array, towards: Array, precision: str) -> Array:
    """Numbers one unit in the last place away.

    What is 0 has units as small as one likes, and moves by one of its type.
    """
    near = np.nextafter(value, towards)
    if precision not in precisions.MIXED:
        return near
    _, exponents = np.frexp(value)  # of fractions from 1/2 on, whose unit is the unit roundoff
    unit = np.ldexp(np.full_like(value, UNIT_ROUNDOFF[precision]), exponents)
    return np.asarray(np.where(value == 0, near, value + np.copysign(unit, towards)), value.dtype)


def so_far(curves: Sequence[Array]) -> list[float]:
    """Give what twins allow without the factor: the largest of all their distances so far.

    Args:
        curves: The distances of each twin from its run by step, one at least, all of one length.
    """
    return [float(x) for x in np.maximum.accumulate(np.max(np.stack(curves), axis=0))]


def resolution(values: Sequence[float], precision: str) -> Array:
    """Give a unit in the last place of each number: what two of them differ by, if they differ.

    Losses are such numbers. A twin's first ones may be its run's to the last bit, which tells that
    they are nearer than this, not that they are at no distance.
    """
    coarser = np.finfo(precisions.kept(precision)).eps / np.finfo(np.float64).eps
    return np.spacing(np.abs(np.asarray(values, np.float64))) * coarser


def ratios(distances: Curve, allowed: Curve) -> list[float]:
    """Give the distances between two runs, where there are any, over what `so_far` has."""
    return [
        found / most if most else float("inf") * found
        for found, most in zip(distances, allowed, strict=False)
        if found
    ]


def first_beyond(distances: Curve, allowed: Curve) -> int | None:
    """Give the first place at which runs are further apart than their twins allow; None if none.

    Args:
        distances: Between the runs.
        allowed: What `so_far` has.
    """
    for place, (found, most) in enumerate(zip(distances, allowed, strict=False)):
        if found > FACTOR * most:
            return place
    return None
