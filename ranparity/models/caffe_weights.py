"""A Keras model's variables as Caffe's parameters: names and layouts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.errors import InputError

OWN = ("weight", "slope", "shift", "mean", "variance", "factor")  # of an `Operation`
NAMES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "slope",
    "beta": "bias",
    "moving_mean": "mean",
    "moving_variance": "variance",
    "parameter": "parameter",
    "scale": "scale",
    **{name: name for name in OWN},
}
"""Of a variable in Keras, its name in Caffe."""


def named(values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Give values by LAYER/PARAMETER, each as `laid_out` has it.

    Args:
        values: By LAYER/VARIABLE, as `ranparity.training.variables` names them.

    Raises:
        InputError: A variable that Caffe has no name for.
    """
    return {name_of(name): laid_out(name, value) for name, value in values.items()}


def name_of(variable: str) -> str:
    """Give the Caffe name of a variable, LAYER/PARAMETER."""
    layer, _, part = variable.rpartition("/")
    if part not in NAMES:
        known = ", ".join(NAMES)
        raise InputError(f"variable {variable}: expected one of {known}, which Caffe has names for")
    return f"{layer}/{NAMES[part]}"


def laid_out(variable: str, value: NDArray[Any]) -> NDArray[Any]:
    """Give a variable's value, gradient or slot in Caffe's layout.

    Kernels are HWIO in Keras and OIHW in Caffe, those of products (in, out) and (out, in); all else
    is the same.
    """
    if not variable.endswith("/kernel"):
        return value
    return np.transpose(value, (3, 2, 0, 1) if value.ndim == 4 else (1, 0))


def variables_named(
    names: Iterable[str], numbers: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Give numbers by LAYER/PARAMETER as values of variables, in Keras's layouts.

    Args:
        names: Of the variables, LAYER/VARIABLE.
        numbers: In Caffe's layouts.
    """
    found = {}
    for name in names:
        value = numbers[name_of(name)]
        kernel = name.endswith("/kernel")
        turned = (
            np.transpose(value, (2, 3, 1, 0) if value.ndim == 4 else (1, 0)) if kernel else value
        )
        found[name] = np.asarray(turned, order="C")
    return found


def slots_named(values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Give what an update rule keeps, from LAYER/VARIABLE/SLOT, by LAYER/PARAMETER/SLOT."""
    found = {}
    for name, value in values.items():
        variable, _, slot = name.rpartition("/")
        found[f"{name_of(variable)}/{slot}"] = laid_out(variable, value)
    return found
