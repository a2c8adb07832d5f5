"""Any Keras model as the ladder runs it: what a function of the user's gives, its tensors named.

Tensors go by Keras's names: of a layer that is called again, NAME:2 and so on. A model within the
model is one layer.
"""

from __future__ import annotations

import importlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from ranparity.data.tape import Tape
from ranparity.errors import InputError
from ranparity.models.building import deep, functional
from ranparity.parity.ladder import feed, probe, state
from ranparity.parity.ladder.case import SEPARATOR, Case
from ranparity.training import recipe, variables
from ranparity.training.variables import Model

Array = NDArray[np.float32]
Arrays = Mapping[str, NDArray[Any]]
Each = Callable[[str, Any, tuple[Any, ...], dict[str, Any]], Any]
RECIPE = "digits"
"""Whose update rule and learning rate a model is trained with that brings none."""
TOKENS = 10  # that are drawn where nothing says how many there are
SEED_STATE = "seed_generator_state"  # what Keras calls the variable of a layer's generator
RATES = ("rate", "dropout", "recurrent_dropout", "stddev")


class Imported:
    """A model that a function gives.

    Args:
        case: What is asked of it; its model is MODULE:FUNCTION.

    Raises:
        InputError: It cannot be built, or its numbers cannot be the same everywhere.
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        self.stage = recipe.named(RECIPE).stages[-1]
        keras.utils.set_random_seed(case.seed)
        self._model = _row(_checked(built(case.model), case.model))
        (given,) = self._model.inputs
        self._shape = tuple(given.shape[1:])
        self._tokens = None if is_float(given) else _tokens(self._model)

    def trained(self) -> Model:
        """Give the model; what it gives is taken for logits, all in one row."""
        return self._model

    def readable(self, trained: Model) -> Model:
        """Give the same layers, each with a mark behind it that has its name."""
        return through(trained, _marked)

    def inferred(self) -> Model:
        """Give the model, readable."""
        return self.readable(self._model)

    def start(self, trained: Model, tape: Tape, given: Arrays) -> dict[str, NDArray[Any]]:
        """Give what the model has been built with by the first of the backends."""
        del tape
        known = variables.named(trained)
        if not given:
            return {name: ops.convert_to_numpy(each.value) for name, each in known.items()}
        variables.assign(known, given)
        return {name: np.asarray(given[name]) for name in known}

    def moved(self, tape: Tape, start: Arrays) -> dict[str, NDArray[Any]]:
        """Give variables with those moved that are as new: all zeros, or all ones."""
        return {name: _moved(tape, name, value) for name, value in start.items()}

    def batch(self, tape: Tape) -> tuple[Array, Array]:
        """Give normal numbers, or tokens."""
        return self._batch(tape, 0)

    def feed(self) -> tuple[feed.Feed, str]:
        """Give normal numbers, or tokens, for each step."""
        tape = Tape(self._case.seed)
        words = "numbers of the tape" if self._tokens is None else "tokens of the tape"
        return (lambda step: self._batch(tape, step + 1)), words

    def arranged(self, images: Array) -> Array:
        """Give inputs as they are."""
        return images

    def prototxt(self) -> str:
        """Give nothing: Caffe does not know the model."""
        return ""

    def _batch(self, tape: Tape, step: int) -> tuple[Array, Array]:
        count, classes = self._case.batch_size, int(self._model.output_shape[-1])
        targets = state.targets(tape, count, classes, step)
        if self._tokens is None:
            return state.images(tape, (count, *self._shape), step), targets
        drawn = tape.integers(
            "ladder tokens", count * math.prod(self._shape), self._tokens, step=step
        )
        return drawn.reshape(count, *self._shape).astype(np.float32), targets


def built(name: str) -> Any:
    """Give what MODULE:FUNCTION returns.

    Raises:
        InputError: There is no such function, or it fails.
    """
    module, _, function = name.partition(SEPARATOR)
    try:
        make = getattr(importlib.import_module(module), function)
    except Exception as error:  # of any kind: the module is anyone's
        raise InputError(
            f"{name}: expected MODULE:FUNCTION that can be imported from here or from an installed "
            f"package. {_said(error)}"
        ) from error
    try:
        return make()
    except Exception as error:
        raise InputError(
            f"{name}: expected a function without arguments that returns a Keras model. On "
            f"{keras.backend.backend()} it failed. {_said(error)}"
        ) from error


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _checked(model: Any, name: str) -> Model:
    """Give the model as a functional one, if the ladder can run it."""
    if not isinstance(model, keras.Model):
        raise InputError(f"{name}: expected a Keras model. Received: {type(model).__name__}")
    if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise InputError(
            f"{name}: expected a functional or Sequential model with its input shape. Received: "
            f"{type(model).__name__}, whose layers cannot be seen: give keras.Model(x, model(x)) "
            "with x a keras.Input, and it counts as one layer"
        )
    if len(model.inputs) != 1:
        raise InputError(f"{name}: expected one input. Received: {len(model.inputs)}")
    (given,) = model.inputs
    if None in given.shape[1:]:
        raise InputError(
            f"{name}: expected an input of a fixed shape. Received: {tuple(given.shape)}: give "
            "keras.Input all sides but the batch"
        )
    if not model.trainable_weights:
        raise InputError(f"{name}: expected weights that are trained. Received: none")
    _check_layers(model, name)
    return functional(model.inputs[0], model.outputs, model.name)


def _check_layers(model: Model, name: str) -> None:
    """Raise `InputError` unless each layer's numbers can be the same everywhere."""
    for layer in random_layers(model):
        raise InputError(
            f"{name}: layer {layer.name} ({type(layer).__name__}) draws random numbers, which are "
            "others on each backend: build the model without it, or with its rate 0"
        )
    wanted = keras.config.floatx()
    for layer in _all_layers(model):
        if layer.compute_dtype not in (None, wanted):
            raise InputError(
                f"{name}: layer {layer.name} ({type(layer).__name__}) computes in "
                f"{layer.compute_dtype} by a dtype of its own, where {wanted} is asked for: build "
                "it without one"
            )


def _all_layers(model: Model) -> list[Any]:
    """The layers of a model and those within them, which Keras gives by no public name."""
    return list(model._flatten_layers(include_self=False))


def random_layers(model: Model) -> Iterator[Any]:
    """Give the layers of a model that draw random numbers in training."""
    for layer in _all_layers(model):
        own = [variable for variable in layer.variables if variable.name == SEED_STATE]
        rates = [getattr(layer, name, None) for name in RATES]
        known = [rate for rate in rates if isinstance(rate, int | float)]
        if own and (not known or any(known)):
            yield layer


def _row(model: Model) -> Model:
    """Give a model whose outputs are logits in one row: (N, classes), 2 classes or more."""
    rows = [x if len(x.shape) == 2 else keras.layers.Flatten()(x) for x in model.outputs]
    row = rows[0] if len(rows) == 1 else keras.layers.Concatenate()(rows)
    if row.shape[-1] == 1:
        row = ops.pad(row, ((0, 0), (0, 1)))  # softmax with a 0 beside it is the sigmoid
    return model if row is model.outputs[0] else functional(model.inputs[0], row, model.name)


def _tokens(model: Model) -> int:
    """How many tokens there are: as many as all embeddings know."""
    layers = _all_layers(model)
    known = [layer.input_dim for layer in layers if isinstance(layer, keras.layers.Embedding)]
    return min(known, default=TOKENS)


def _moved(tape: Tape, name: str, value: NDArray[Any]) -> NDArray[Any]:
    if value.dtype.kind != "f" or not value.size or np.any(value != value.flat[0]):
        return value
    purpose = f"ladder/{name}"
    if value.flat[0] == 0:
        drawn = state.SHIFT * tape.normals(purpose, value.size)
    elif value.flat[0] == 1:
        drawn = 0.5 + tape.uniforms(purpose, value.size)
    else:
        return value
    return drawn.astype(value.dtype).reshape(value.shape)


def _marked(name: str, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    made = layer(*args, **kwargs)
    found = keras.tree.flatten(made)
    marked = [
        probe.Mark(each, dtype=x.dtype)(x) if is_float(x) else x
        for each, x in zip(blob_names(name, len(found)), found, strict=True)
    ]
    return keras.tree.pack_sequence_as(made, marked)


def is_float(x: Any) -> bool:
    """Whether a tensor's elements are rounded."""
    return "float" in str(x.dtype)


def blob_names(name: str, count: int) -> list[str]:
    """Give the names of a layer's outputs, of which there are so many."""
    return [name] if count == 1 else [f"{name}_{number}" for number in range(1, count + 1)]


def through(model: Model, each: Each) -> Model:
    """Give a model of the same layers, each called by a function.

    Args:
        model: A functional model.
        each: Takes a name for the call, the layer (or operation), and what it is called with; gives
            what goes on.
    """
    counted: Counter[str] = Counter()

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        counted[layer.name] += 1
        times = counted[layer.name]
        name = layer.name if times == 1 else f"{layer.name}:{times}"
        return each(name, layer, args, kwargs)

    with deep():
        return keras.models.clone_model(
            model, call_function=call, clone_function=lambda layer: layer
        )
