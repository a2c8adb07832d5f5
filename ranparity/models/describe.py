"""A live Keras model in Caffe's terms, read off its layers, weights and traced shapes.

Nothing here comes from a config or from a prototxt: attributes are those that the layers
compute with, parameter shapes are those of the weights, and blob shapes come from running the
model symbolically on the backend.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras

from ranparity.caffe.description import Described, Description
from ranparity.caffe.prototxt import Input, Shape
from ranparity.caffe.shapes import Attribute, Facts, by
from ranparity.errors import InputError
from ranparity.models import layers

Reader = Callable[[Any], tuple[dict[str, Attribute], dict[str, Shape], dict[str, Shape]]]
READERS: dict[type, tuple[str, Reader]] = {}


def reads(layer: type, type_: str) -> Callable[[Reader], Reader]:
    """Registers what reads a Keras layer: attributes, parameters, statistics."""

    def register(function: Reader) -> Reader:
        READERS[layer] = (type_, function)
        return function

    return register


def describe(model: keras.Model, batch: int = 1) -> Description:
    """Describes a model made of this project's layers.

    Args:
        model: A functional model of fixed height and width.
        batch: The batch size that its shapes are traced with.

    Raises:
        InputError: A layer that has no counterpart in Caffe.
    """
    ordered = caffe_layers(model)
    names = {id(layer.output): layer.caffe_name for layer in ordered}
    names |= {id(tensor): tensor.name for tensor in model.inputs}
    first = _is_channels_first(ordered)
    given = [(batch, *tensor.shape[1:]) for tensor in model.inputs]
    shapes, fault = _traced(model, ordered, batch)
    return Description(
        model.name,
        tuple(
            Input(tensor.name, _nchw(shape, first))
            for tensor, shape in zip(model.inputs, given, strict=True)
        ),
        tuple(
            _described(
                layer,
                [names[id(t)] for t in keras.tree.flatten(layer.input)],
                _nchw(shape, first),
                first,
            )
            for layer, shape in zip(ordered, shapes, strict=True)
        ),
        tuple(names[id(tensor)] for tensor in model.outputs),
        fault,
    )


def caffe_layers(model: keras.Model) -> list[Any]:
    """The model's layers in Caffe's order, without its inputs.

    Raises:
        InputError: A layer that has no counterpart in Caffe.
    """
    found = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    known = ", ".join(sorted(layer.__name__ for layer in READERS))
    for layer in found:
        if type(layer) not in READERS:
            raise InputError(
                f"model {model.name}: layer {layer.name!r} ({type(layer).__name__}) has no "
                f"counterpart in Caffe; expected one of {known}"
            )
    return sorted(found, key=lambda layer: layer.caffe_order)


def _described(layer: Any, inputs: list[str], shape: Shape, first: bool) -> Described:
    type_, read = READERS[type(layer)]
    attributes, parameters, statistics = read(layer)
    if getattr(layer, "activation", None) not in (None, keras.activations.linear):
        attributes["activation"] = layer.activation.__name__
    if isinstance(layer, layers.BN) and layer.axis % 4 != (1 if first else 3):
        attributes["axis"] = layer.axis
    weights = [weight for name, weight in parameters.items() if name == "weight"]
    positions = math.prod(shape[2:])
    return Described(
        layer.caffe_name,
        type_,
        tuple(inputs),
        (layer.caffe_name,),
        Facts(
            (shape,),
            parameters,
            statistics,
            positions * sum(map(math.prod, weights)),
            attributes,
        ),
    )


def _is_channels_first(ordered: list[Any]) -> bool:
    """Whether the model's maps are NCHW; its layers that can be told so must agree."""
    formats = {layer.data_format for layer in ordered if hasattr(layer, "data_format")}
    if len(formats) > 1:
        raise InputError(f"expected layers of one data format, found {sorted(formats)}")
    return formats == {"channels_first"}


def _traced(model: keras.Model, ordered: list[Any], batch: int) -> tuple[list[Shape], str]:
    """The shape of each layer's output, traced on the backend, in the model's axis order.

    Where the model does not run, the shapes that the layers stated when it was built, and why.
    """
    probe = keras.Model(model.inputs, [layer.output for layer in ordered])
    given = [keras.KerasTensor((batch, *t.shape[1:]), t.dtype) for t in model.inputs]
    try:
        return [tuple(made.shape) for made in _Traced(probe)(given)], ""
    except Exception as error:  # each backend has its own
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        fault = f"does not run: {' '.join(lines[:2])}"
        return [(batch, *layer.output.shape[1:]) for layer in ordered], fault


class _Traced(keras.layers.Layer):
    """A model as one layer that states no output shapes, so that Keras has to trace it."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self.model = model

    def call(self, inputs: list[Any]) -> Any:
        """What the model gives for its inputs."""
        return self.model(inputs, training=False)


def _nchw(shape: Shape, first: bool) -> Shape:
    if first or len(shape) != 4:
        return tuple(shape)
    batch, height, width, channels = shape
    return batch, channels, height, width


def _kernel_and_bias(layer: Any, weight: Shape) -> dict[str, Shape]:
    bias = {"bias": tuple(layer.bias.shape)} if layer.bias is not None else {}
    return {"weight": weight} | bias


@reads(layers.Convolution, "Convolution")
def _convolution(layer: Any) -> Any:
    height, width, inputs, outputs = layer.kernel.shape
    attributes = {
        "num_output": layer.filters,
        "kernel": by(layer.kernel_size),
        "stride": by(layer.strides),
        "pad": by(layer.pad),
        "dilation": by(layer.dilation_rate),
        "group": layer.groups,
        "bias_term": layer.use_bias,
    }
    return attributes, _kernel_and_bias(layer, (outputs, inputs, height, width)), {}


@reads(layers.CaffePool, "Pooling")
def _pool(layer: Any) -> Any:
    attributes = {
        "pool": layer.pool,
        "kernel": by(layer.kernel_size),
        "stride": by(layer.strides),
        "pad": by(layer.pad),
        "round_mode": layer.round_mode,
    }
    return attributes, {}, {}


@reads(layers.BN, "BN")
def _bn(layer: Any) -> Any:
    attributes = {"eps": layer.epsilon, "momentum": layer.momentum}
    trained = {"slope": tuple(layer.gamma.shape), "bias": tuple(layer.beta.shape)}
    kept = {
        "mean": tuple(layer.moving_mean.shape),
        "variance": tuple(layer.moving_variance.shape),
    }
    return attributes, trained, kept


@reads(layers.ReLU, "ReLU")
def _relu(layer: Any) -> Any:
    return {"negative_slope": float(layer.negative_slope)}, {}, {}


@reads(layers.Sigmoid, "Sigmoid")
def _sigmoid(layer: Any) -> Any:
    del layer
    return {}, {}, {}


@reads(layers.Eltwise, "Eltwise")
def _eltwise(layer: Any) -> Any:
    attributes = {"operation": layer.operation}
    if layer.operation == "SUM":
        attributes["coeff"] = " ".join("1" for _ in layer.input)
    return attributes, {}, {}


@reads(layers.Interp, "Interp")
def _interp(layer: Any) -> Any:
    del layer
    attributes = {"kind": "align-corners bilinear", "size_from": "second bottom", "crop": "0 0"}
    return attributes, {}, {}


@reads(layers.InnerProduct, "InnerProduct")
def _inner_product(layer: Any) -> Any:
    inputs, outputs = layer.kernel.shape
    attributes = {
        "num_output": layer.units,
        "bias_term": layer.use_bias,
        "axis": 1,
        "transpose": False,
    }
    return attributes, _kernel_and_bias(layer, (outputs, inputs)), {}


@reads(layers.Softmax, "Softmax")
def _softmax(layer: Any) -> Any:
    return {"axis": layer.axis % len(layer.input.shape)}, {}, {}
