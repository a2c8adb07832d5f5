"""A Keras model to a prototxt, in Caffe's names and order. Never reads a prototxt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from google.protobuf import text_format

from ranparity.caffe import caffe_pb2
from ranparity.caffe.description import Described
from ranparity.models.describe import caffe_layers, describe
from ranparity.models.entry import Release

Writer = Callable[[Any, Described, Release], None]
WRITERS: dict[str, Writer] = {}


def writes(type_: str) -> Callable[[Writer], Writer]:
    """Registers what fills a layer message from a description."""

    def register(function: Writer) -> Writer:
        WRITERS[type_] = function
        return function

    return register


def to_prototxt(model: keras.Model, title: str, release: Release | None = None) -> str:
    """Writes a model as prototxt text.

    Args:
        model: A model of this project's layers.
        title: The net's name, unless the release has another.
        release: What a published file says beside the structure.

    Raises:
        InputError: A layer that has no counterpart in Caffe.
    """
    release = release or Release()
    description = describe(model)
    net = caffe_pb2.NetParameter(name=release.net_name or title)
    for given in description.inputs:
        net.input.append(given.name)
        net.input_shape.add(dim=given.shape)
    blobs = {given.name: given.name for given in description.inputs}
    bounds = {layer.caffe_name: getattr(layer, "bound", 0.0) for layer in caffe_layers(model)}
    readers = _reader_counts(description.layers)
    for layer in description.layers:
        message = net.layer.add(name=layer.name, type=layer.type)
        message.bottom.extend(blobs[name] for name in layer.inputs)
        in_place = layer.type == "ReLU" and readers[layer.inputs[0]] == 1
        for name in layer.outputs:
            blobs[name] = blobs[layer.inputs[0]] if in_place else name
        message.top.extend(blobs[name] for name in layer.outputs)
        _write_common(message, layer)
        if layer.type in WRITERS:
            WRITERS[layer.type](message, layer, release)
        if bound := bounds[layer.name]:
            _uniform_fillers(message.inner_product_param, bound)
    return text_format.MessageToString(net)


def _write_common(message: Any, layer: Described) -> None:
    """Writes what a layer of any type may say: names of shared parameters, a loss's weight."""
    for name in layer.facts.parameters if layer.facts.shared else ():
        message.param.add(name=layer.facts.shared.get(name, ""))
    if weight := layer.facts.attributes.get("loss_weight"):
        message.loss_weight.append(float(weight))


def _reader_counts(layers: tuple[Described, ...]) -> dict[str, int]:
    """How many layers read each tensor: a ReLU may work in place only as the one reader."""
    counts: dict[str, int] = {}
    for layer in layers:
        for name in layer.inputs:
            counts[name] = counts.get(name, 0) + 1
    return counts


def _window(param: Any, attributes: Any, **defaults: int) -> None:
    """Writes kernel, stride, pad and dilation that are not at Caffe's default."""
    _side_by_side(param, "kernel", attributes["kernel"], "kernel_size")
    for name, default in defaults.items():
        if attributes[name] != f"{default}x{default}":
            _side_by_side(param, name, attributes[name], name)


def _side_by_side(param: Any, name: str, text: str, field: str) -> None:
    """One number where height and width are equal, otherwise `_h` and `_w`."""
    height, width = map(int, text.split("x"))
    if height != width:
        setattr(param, f"{name}_h", height)
        setattr(param, f"{name}_w", width)
    elif param.DESCRIPTOR.fields_by_name[field].is_repeated:
        getattr(param, field).append(height)
    else:
        setattr(param, field, height)


def _weight_filler(param: Any, release: Release) -> None:
    """Says how a net of our own starts; the published files, frozen, leave it out."""
    if not release.frozen:
        param.weight_filler.type = "msra"


def _uniform_fillers(param: Any, bound: float) -> None:
    for filler in (param.weight_filler, param.bias_filler):
        filler.CopyFrom(caffe_pb2.FillerParameter(type="uniform", min=-bound, max=bound))


@writes("Convolution")
def _convolution(message: Any, layer: Described, release: Release) -> None:
    attributes, param = layer.facts.attributes, message.convolution_param
    if release.param:
        message.param.add(lr_mult=1, decay_mult=1)
    param.num_output = attributes["num_output"]
    param.bias_term = attributes["bias_term"]
    _weight_filler(param, release)
    _window(param, attributes, pad=0, stride=1, dilation=1)
    if attributes["group"] != 1:
        param.group = attributes["group"]


@writes("Pooling")
def _pooling(message: Any, layer: Described, release: Release) -> None:
    del release
    attributes, param = layer.facts.attributes, message.pooling_param
    param.pool = caffe_pb2.PoolingParameter.PoolMethod.Value(str(attributes["pool"]))
    _window(param, attributes, pad=0, stride=1)
    if attributes["round_mode"] != "CEIL":
        param.round_mode = caffe_pb2.PoolingParameter.FLOOR


@writes("BN")
def _bn(message: Any, layer: Described, release: Release) -> None:
    attributes, param = layer.facts.attributes, message.bn_param
    if attributes["eps"] != 1e-5:
        param.eps = attributes["eps"]
    if attributes["momentum"] != 0.9:
        param.momentum = attributes["momentum"]
    if release.frozen:
        param.frozen = True
    else:  # Caffe fills a slope that is not told otherwise with zeros
        param.slope_filler.CopyFrom(caffe_pb2.FillerParameter(type="constant", value=1))


@writes("ReLU")
def _relu(message: Any, layer: Described, release: Release) -> None:
    del release
    if layer.facts.attributes["negative_slope"]:
        message.relu_param.negative_slope = layer.facts.attributes["negative_slope"]


@writes("Eltwise")
def _eltwise(message: Any, layer: Described, release: Release) -> None:
    del release
    operation = str(layer.facts.attributes["operation"])
    message.eltwise_param.operation = caffe_pb2.EltwiseParameter.EltwiseOp.Value(operation)
    factors = [float(text) for text in str(layer.facts.attributes.get("coeff", "")).split()]
    if set(factors) - {1.0}:
        message.eltwise_param.coeff.extend(factors)


@writes("InnerProduct")
def _inner_product(message: Any, layer: Described, release: Release) -> None:
    attributes, param = layer.facts.attributes, message.inner_product_param
    param.num_output = attributes["num_output"]
    if not layer.facts.shared:
        _weight_filler(param, release)
    if not attributes["bias_term"]:
        param.bias_term = False
    if attributes["transpose"]:
        param.transpose = True


@writes("Softmax")
def _softmax(message: Any, layer: Described, release: Release) -> None:
    del release
    if layer.facts.attributes["axis"] != 1:
        message.softmax_param.axis = layer.facts.attributes["axis"]


@writes("Normalize")
def _normalize(message: Any, layer: Described, release: Release) -> None:
    del release
    message.param.add(lr_mult=0, decay_mult=0)  # the scale is a constant
    param = message.norm_param
    param.across_spatial = layer.facts.attributes["across_spatial"]
    param.scale_filler.CopyFrom(caffe_pb2.FillerParameter(type="constant", value=1))
    param.channel_shared = layer.facts.attributes["channel_shared"]
    param.eps = layer.facts.attributes["eps"]


@writes("MVN")
def _mvn(message: Any, layer: Described, release: Release) -> None:
    del release
    message.mvn_param.eps = layer.facts.attributes["eps"]


@writes("Power")
def _power(message: Any, layer: Described, release: Release) -> None:
    del release
    message.power_param.power = layer.facts.attributes["power"]


@writes("Slice")
def _slice(message: Any, layer: Described, release: Release) -> None:
    del release
    message.slice_param.axis = layer.facts.attributes["axis"]


@writes("Concat")
def _concat(message: Any, layer: Described, release: Release) -> None:
    del release
    message.concat_param.axis = layer.facts.attributes["axis"]


@writes("Reduction")
def _reduction(message: Any, layer: Described, release: Release) -> None:
    del release
    operation = str(layer.facts.attributes["operation"])
    message.reduction_param.operation = caffe_pb2.ReductionParameter.ReductionOp.Value(operation)
    message.reduction_param.axis = layer.facts.attributes["axis"]


@writes("Parameter")
def _parameter(message: Any, layer: Described, release: Release) -> None:
    del release
    message.parameter_param.shape.dim.extend(layer.facts.parameters["parameter"])
