"""A live Keras model in Caffe's terms, read off its layers, weights and traced shapes.

Nothing here comes from a config or from a prototxt: attributes are those that the layers
compute with, parameter shapes are those of the weights, and blob shapes come from running the
model symbolically on the backend.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import keras

from ranparity.caffe.description import Described, Description
from ranparity.caffe.prototxt import Input, Shape
from ranparity.caffe.shapes import Attribute, Facts, by
from ranparity.errors import InputError
from ranparity.models import layers
from ranparity.models.building import deep, functional

Reader = Callable[[Any], tuple[dict[str, Attribute], dict[str, Shape], dict[str, Shape]]]
READERS: dict[type, tuple[str, Reader]] = {}
IMPORTED = (layers.Operation, layers.Dropout)  # what the nets of the zoo have none of


def reads(layer: type, type_: str) -> Callable[[Reader], Reader]:
    """Registers what reads a Keras layer: attributes, parameters, statistics."""

    def register(function: Reader) -> Reader:
        READERS[layer] = (type_, function)
        return function

    return register


def read(layer: Any) -> tuple[str, Any]:
    """A layer's type in Caffe; and its attributes, parameters and statistics."""
    if isinstance(layer, layers.Operation):
        return layer.type, (dict(layer.attributes), layer.parameters, layer.statistics)
    if isinstance(layer, layers.Dropout):
        return "Dropout", ({"dropout_ratio": layer.rate}, {}, {})
    type_, reader = READERS[type(layer)]
    return type_, reader(layer)


def describe(model: keras.Model, batch: int = 1) -> Description:
    """Describes a model made of this project's layers.

    Args:
        model: A functional model of fixed height and width.
        batch: The batch size that its shapes are traced with.

    Raises:
        InputError: A layer that has no counterpart in Caffe.
    """
    ordered = caffe_layers(model)
    names = _names(model, ordered)
    first = _is_channels_first(ordered)
    given = [(batch, *tensor.shape[1:]) for tensor in model.inputs]
    shapes, fault = _traced(model, ordered, batch)
    losses = _losses(model)
    return Description(
        model.name,
        tuple(
            Input(tensor.name, _nchw(shape, first))
            for tensor, shape in zip(model.inputs, given, strict=True)
        ),
        tuple(
            _described(layer, _inputs(layer, names), made, _loss_weight(layer, losses), first)
            for layer, made in zip(ordered, shapes, strict=True)
        ),
        tuple(name for tensor in model.outputs for name in _outputs(tensor, losses, names)),
        fault,
    )


def _names(model: keras.Model, ordered: list[Any]) -> dict[int, str]:
    """The name of each tensor: its layer's, with a number where a layer makes several."""
    names = {id(tensor): tensor.name for tensor in model.inputs}
    for layer in ordered:
        tensors = keras.tree.flatten(layer.output)
        names |= {id(t): name for t, name in zip(tensors, tops(layer, len(tensors)), strict=True)}
    return names


def tops(layer: Any, count: int) -> tuple[str, ...]:
    """The names of a layer's outputs, of which there are so many."""
    if known := getattr(layer, "caffe_tops", ()):
        return tuple(known)
    if count == 1:
        return (layer.caffe_name,)
    return tuple(f"{layer.caffe_name}_{number}" for number in range(1, count + 1))


def _inputs(layer: Any, names: dict[int, str]) -> list[str]:
    """What a layer reads in Caffe: a parameter that it is given is a weight there."""
    if isinstance(layer, layers.Parameter):
        return []
    inputs = keras.tree.flatten(layer.input)
    if isinstance(layer, layers.SharedInnerProduct):
        inputs = inputs[:1]
    return [names[id(tensor)] for tensor in inputs]


def _losses(model: keras.Model) -> list[Any]:
    """The layers that have no counterpart in Caffe because a `loss_weight` says what they do."""
    return [layer for layer in model.layers if isinstance(layer, layers.WithLoss)]


def _outputs(tensor: Any, losses: list[Any], names: dict[int, str]) -> list[str]:
    """The names of what a net gives: a tensor, and the losses that go with it."""
    for layer in losses:
        if tensor is layer.output:
            x, loss = layer.input
            return [*_outputs(x, losses, names), *_outputs(loss, losses, names)]
    return [names[id(tensor)]]


def _loss_weight(layer: Any, losses: list[Any]) -> dict[str, Attribute]:
    """The weight that a layer's output has in the loss, where it has one."""
    for joined in losses:
        if joined.input[1] is layer.output:
            return {"loss_weight": f"{joined.weight:.9g}"}
    return {}


def caffe_layers(model: keras.Model) -> list[Any]:
    """The model's layers in Caffe's order, without its inputs.

    Raises:
        InputError: A layer that has no counterpart in Caffe.
    """
    passed = (keras.layers.InputLayer, layers.WithLoss)
    found = [layer for layer in model.layers if not isinstance(layer, passed)]
    known = ", ".join(sorted(layer.__name__ for layer in READERS))
    for layer in found:
        if not isinstance(layer, (*READERS, *IMPORTED)):
            raise InputError(
                f"model {model.name}: layer {layer.name!r} ({type(layer).__name__}) has no "
                f"counterpart in Caffe; expected one of {known}"
            )
    return sorted(found, key=lambda layer: layer.caffe_order)


def _described(
    layer: Any, inputs: list[str], made: list[Shape], common: dict[str, Attribute], first: bool
) -> Described:
    type_, (attributes, parameters, statistics) = read(layer)
    attributes |= common
    if getattr(layer, "activation", None) not in (None, keras.activations.linear):
        attributes["activation"] = layer.activation.__name__
    if isinstance(layer, layers.BN) and layer.axis % 4 != (1 if first else 3):
        attributes["axis"] = layer.axis
    weights = [weight for name, weight in parameters.items() if name == "weight"]
    shapes = tuple(_nchw(shape, first) for shape in made)
    positions = math.prod(shapes[0][2:])
    return Described(
        layer.caffe_name,
        type_,
        tuple(inputs),
        tops(layer, len(shapes)),
        Facts(
            shapes,
            parameters,
            statistics,
            positions * sum(map(math.prod, weights)),
            attributes,
            _shared(layer),
        ),
    )


def _shared(layer: Any) -> dict[str, str]:
    """The name of a parameter that a layer shares with others: its `Parameter` layer's."""
    if isinstance(layer, layers.Parameter):
        return {"parameter": layer.caffe_name}
    if isinstance(layer, layers.SharedInnerProduct):
        return {"weight": _parameter_of(layer).caffe_name}
    return {}


def _parameter_of(layer: Any) -> Any:
    """The `Parameter` layer whose blob a layer multiplies by."""
    return layer.input[1]._keras_history.operation


def _is_channels_first(ordered: list[Any]) -> bool:
    """Whether the model's maps are NCHW; its layers that can be told so must agree."""
    formats = {layer.data_format for layer in ordered if hasattr(layer, "data_format")}
    if len(formats) > 1:
        raise InputError(f"expected layers of one data format, found {sorted(formats)}")
    return formats == {"channels_first"}


def _traced(model: keras.Model, ordered: list[Any], batch: int) -> tuple[list[list[Shape]], str]:
    """The shapes of each layer's outputs, traced on the backend, in the model's axis order.

    Where the model does not run, the shapes that the layers stated when it was built, and why.
    """
    outputs = [keras.tree.flatten(layer.output) for layer in ordered]
    probe = functional(model.inputs, list(itertools.chain.from_iterable(outputs)))
    given = [keras.KerasTensor((batch, *t.shape[1:]), t.dtype) for t in model.inputs]
    try:
        with deep():
            traced = iter(keras.tree.flatten(_Traced(probe)(given)))
        return [_shapes(list(itertools.islice(traced, len(made)))) for made in outputs], ""
    except Exception as error:  # each backend has its own
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        fault = f"does not run: {' '.join(lines[:2])}"
        return [_shapes(layer.output, batch) for layer in ordered], fault


def _shapes(made: Any, batch: int | None = None) -> list[Shape]:
    """The shapes of a layer's outputs; an unknown first axis is the batch."""
    shapes = [tuple(tensor.shape) for tensor in keras.tree.flatten(made)]
    return [tuple(int(side or batch or 0) for side in shape) for shape in shapes]


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
        factors = layer.coeff or [1.0] * len(layer.input)
        attributes["coeff"] = " ".join(f"{factor:.9g}" for factor in factors)
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


@reads(layers.Normalize, "Normalize")
def _normalize(layer: Any) -> Any:
    attributes = {"across_spatial": False, "channel_shared": True, "eps": layer.eps}
    return attributes, {}, {"scale": tuple(layer.scale.shape)}


@reads(layers.MVN, "MVN")
def _mvn(layer: Any) -> Any:
    return {"normalize_variance": True, "across_channels": False, "eps": layer.eps}, {}, {}


@reads(layers.Flatten, "Flatten")
def _flatten(layer: Any) -> Any:
    return {"axis": 1, "end_axis": len(layer.input.shape) - 1}, {}, {}


@reads(layers.Power, "Power")
def _power(layer: Any) -> Any:
    return {"power": layer.power, "scale": 1.0, "shift": 0.0}, {}, {}


@reads(layers.Slice, "Slice")
def _slice(layer: Any) -> Any:
    return {"axis": layer.axis}, {}, {}


@reads(layers.Concat, "Concat")
def _concat(layer: Any) -> Any:
    return {"axis": layer.axis}, {}, {}


@reads(layers.Reduction, "Reduction")
def _reduction(layer: Any) -> Any:
    return {"operation": layer.operation, "axis": layer.axis, "coeff": 1.0}, {}, {}


@reads(layers.Parameter, "Parameter")
def _parameter(layer: Any) -> Any:
    return {}, {"parameter": tuple(layer.parameter.shape)}, {}


@reads(layers.SharedInnerProduct, "InnerProduct")
def _shared_inner_product(layer: Any) -> Any:
    weight = tuple(_parameter_of(layer).parameter.shape)
    attributes = {"num_output": weight[1], "bias_term": False, "axis": 1, "transpose": True}
    return attributes, {"weight": weight}, {}
