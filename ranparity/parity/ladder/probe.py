"""Nets whose every blob can be read: in inference mode, and in the very step that trains."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from ranparity.models.building import deep, functional
from ranparity.models.describe import tops
from ranparity.training.update import Arithmetic, Tensor, Tensors, Update, Updated
from ranparity.training.variables import Model

GRADIENT = "gradient"
TAPPED = "blob of "
FACTORS = "factors"
Blobs = list[tuple[str, tuple[int | None, ...]]]


class Tap(keras.layers.Layer):
    """Passes a tensor on and keeps it in a variable, which a step of training gives back.

    Args:
        blob: The tensor's name in Caffe.
        batch: Images in a batch: a variable's shape is fixed.
        **kwargs: What every Keras layer takes.
    """

    def __init__(self, blob: str, batch: int, **kwargs: Any) -> None:
        super().__init__(trainable=False, **kwargs)
        self.caffe_name = TAPPED + blob
        self._batch = batch

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the variable."""
        shape = tuple(self._batch if side is None else side for side in input_shape)
        self.kept = self.add_weight(
            shape=shape,
            initializer="zeros",
            trainable=False,
            name="kept",
            autocast=False,  # or Keras 3.15 on torch would assign to a copy in the narrow type
        )

    def call(self, inputs: Any) -> Any:
        """Give the tensor as it is."""
        self.kept.assign(inputs)
        return inputs

    def compute_output_spec(self, inputs: Any) -> Any:
        """Give the shape without a trace, which would take a batch of another size."""
        return keras.KerasTensor(inputs.shape, inputs.dtype)


class Mark(keras.layers.Layer):
    """Passes a tensor on as it is, and has its name.

    Args:
        name: Of the tensor.
        **kwargs: What every Keras layer takes.
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name=layer_name(f"mark-{name}"), autocast=False, **kwargs)
        self.caffe_name = name

    def call(self, inputs: Any) -> Any:
        """Give the tensor."""
        return inputs


class Factors(keras.layers.Layer):
    """Multiplies a tensor, or the gradient through it, by factors that a variable holds.

    Args:
        name: Of the layer.
        batch: Images in a batch: a variable's shape is fixed.
        gradient: Whether it is the gradient that is multiplied.
    """

    def __init__(self, name: str, batch: int, *, gradient: bool) -> None:
        super().__init__(name=layer_name(name), trainable=False)
        self._batch, self._gradient = batch, gradient

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the variable."""
        shape = tuple(self._batch if side is None else side for side in input_shape)
        self.factors = self.add_weight(
            shape=shape, initializer="ones", trainable=False, name=FACTORS
        )

    def call(self, inputs: Any) -> Any:
        """Give the tensor, multiplied or as it is."""
        moved = inputs * self.factors
        if self._gradient:
            return ops.stop_gradient(inputs - moved) + moved
        return inputs + ops.stop_gradient(moved - inputs)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Give the shape without a trace, which would take a batch of another size."""
        return keras.KerasTensor(inputs.shape, inputs.dtype)


@dataclass(frozen=True)
class Recording(Update):
    """An update rule that keeps each gradient beside what it keeps anyway.

    Attributes:
        inner: The rule.
    """

    inner: Update

    @property
    def slots(self) -> tuple[str, ...]:
        """Those of the rule, and the gradient."""
        return (*self.inner.slots, GRADIENT)

    def __call__(
        self,
        weight: Tensor,
        gradient: Tensor,
        slots: Tensors,
        scalars: Tensors,
        arithmetic: Arithmetic,
    ) -> Updated:
        """Update as the rule does."""
        moved, kept = self.inner(weight, gradient, slots[:-1], scalars, arithmetic)
        return moved, (*kept, gradient)


def recording(update: Update) -> Recording:
    """Give an update rule that keeps gradients too."""
    return Recording(update.rule, update.momentum, update.weight_decay, update)


def kept(variable: str) -> str:
    """Give the name of the blob that a variable of a `tapped` model keeps; empty for none.

    Args:
        variable: Its name.
    """
    if not variable.startswith(TAPPED):
        return ""
    return variable.removeprefix(TAPPED).rpartition("/")[0]


def layer_name(name: str) -> str:
    """Give a name as a layer of any backend can have it."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)


def tapped(model: Model, batch: int) -> Model:
    """Give a model of the same layers and variables with a tap behind each layer.

    Args:
        model: Of layers that have a `caffe_name`; those without pass on unseen.
        batch: Images in a batch.
    """

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        made = layer(*args, **kwargs)
        if not hasattr(layer, "caffe_name"):
            return made
        found = keras.tree.flatten(made)
        names = tops(layer, len(found))
        taps = [
            Tap(name, batch, name=layer_name(f"tap-{name}"), dtype=layer.dtype_policy)(x)
            for name, x in zip(names, found, strict=True)
        ]
        return taps if isinstance(made, list | tuple) else taps[0]

    with deep():
        return keras.models.clone_model(
            model, call_function=call, clone_function=lambda layer: layer
        )


def flat(model: Model) -> tuple[Model, Blobs]:
    """Give a model whose output is all blobs in one row, and their names and shapes in order.

    Args:
        model: As `tapped` takes it.
    """
    found = list(_blobs(model))
    rows = [ops.reshape(tensor, (-1,)) for _, tensor in found]
    row = ops.concatenate(rows, axis=0)
    return functional(model.inputs, row), [(name, tuple(x.shape)) for name, x in found]


def _blobs(model: Model) -> Iterator[tuple[str, Any]]:
    for layer in model.layers:
        if not hasattr(layer, "caffe_name"):
            continue
        found = keras.tree.flatten(layer.output)
        yield from zip(tops(layer, len(found)), found, strict=True)


def parted(row: NDArray[Any], blobs: Blobs, batch: int) -> Iterator[tuple[str, NDArray[Any]]]:
    """Give each blob of what the model of `flat` gives, by name."""
    start = 0
    for name, given in blobs:
        shape = tuple(batch if side is None else side for side in given)
        size = math.prod(shape)
        yield name, np.reshape(row[start : start + size], shape)
        start += size
