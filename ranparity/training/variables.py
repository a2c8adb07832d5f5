"""The variables of a Keras model by the tape's names, without importing Keras."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.data import initial
from ranparity.data.tape import Tape
from ranparity.errors import InputError

Model = Any  # a keras.Model
Variable = Any  # a keras.Variable
State = Mapping[str, NDArray[Any]]


def named(model: Model) -> dict[str, Variable]:
    """Give every variable of a model by its name, in the model's order.

    A name is the layer's Caffe name (its attribute `caffe_name`), "/", and the variable's own name,
    such as `kernel`; of a layer without one its Keras name, "/", and the variable's path within it,
    such as `kernel` or `query/kernel`.

    Raises:
        InputError: Two variables have one name.
    """
    found: dict[str, Variable] = {}
    for layer in model.layers:
        for variable in layer.variables:
            name = _name(layer, variable)
            if name in found:
                raise InputError(f"model {model.name}: two variables are called {name}")
            found[name] = variable
    return found


def _name(layer: Any, variable: Variable) -> str:
    if hasattr(layer, "caffe_name"):
        return f"{layer.caffe_name}/{variable.name}"
    path = variable.path.split("/")  # with layers within the layer, and models around it
    own = path[len(path) - path[::-1].index(layer.name) :] if layer.name in path else path
    return "/".join((layer.name, *own))


def by_layer(model: Model) -> dict[str, list[str]]:
    """Give the names of each layer's variables, in its order, by the layer's Keras name."""
    return {
        layer.name: [_name(layer, variable) for variable in layer.variables]
        for layer in model.layers
        if layer.variables
    }


def names(model: Model, variables: Iterable[Variable]) -> list[str]:
    """Give the names of some variables of a model, in their order."""
    name_of = {id(variable): name for name, variable in named(model).items()}
    return [name_of[id(variable)] for variable in variables]


def zeros(model: Model) -> dict[str, NDArray[Any]]:
    """Give zeros for every variable by name: arrays that take no room, and cannot be written."""
    return {
        name: np.broadcast_to(np.zeros((), np.dtype(variable.dtype)), tuple(variable.shape))
        for name, variable in named(model).items()
    }


def initialise(model: Model, tape: Tape) -> dict[str, NDArray[np.float32]]:
    """Set every variable of a model to its value on the tape, and give those values by name."""
    variables, bounds = named(model), _bounds(model)
    values = {
        name: initial.weight(tape, name, tuple(variable.shape), bounds.get(name))
        for name, variable in variables.items()
    }
    assign(variables, values)
    return values


def _bounds(model: Model) -> dict[str, float]:
    """Give what bounds the initial weights of the layers that start uniformly, by variable."""
    return {
        _name(layer, variable): layer.bound
        for layer in model.layers
        if getattr(layer, "bound", None) is not None
        for variable in layer.variables
    }


def assign(variables: Mapping[str, Variable], values: State) -> None:
    """Set variables to the values of the same names.

    Raises:
        InputError: A value is missing, unknown or of another shape.
    """
    check(variables, values)
    for name, variable in variables.items():
        variable.assign(values[name])


def check(variables: Mapping[str, Variable], values: State) -> None:
    """Raise `InputError` unless there is a value of the right shape for every variable."""
    if odd := sorted(set(variables) ^ set(values)):
        raise InputError(f"weights: expected the names of the model. Not in both: {', '.join(odd)}")
    for name, variable in variables.items():
        if tuple(variable.shape) != values[name].shape:
            raise InputError(
                f"weights of {name}: expected shape {tuple(variable.shape)}. "
                f"Received: {values[name].shape}"
            )
