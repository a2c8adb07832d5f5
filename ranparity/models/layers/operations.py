"""What the types of `Operation` compute, in `keras.ops`; the arbiter has their sources."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from ranparity.caffe.rules.base import sides
from ranparity.errors import InputError
from ranparity.kernels import kernel
from ranparity.kernels.plain import Pair
from ranparity.models.layers.base import CaffeLayer
from ranparity.models.layers.maps import interpolation_matrix, window_lengths
from ranparity.models.layers.operation import Operation, Tensor, operation

Tops = list[Tensor]
FIRST = "channels_first"


def _base(layer: Operation) -> float:
    """The natural logarithm of a base; -1 stands for e."""
    base = layer.number("base")
    return 1.0 if base == -1 else math.log(base)


def _shifted(layer: Operation, x: Tensor) -> Tensor:
    return layer.number("shift") + layer.number("scale") * x


@keras.saving.register_keras_serializable(package="ranparity")
class Dropout(CaffeLayer, keras.layers.Dropout):
    """In training some elements are 0 and the others grow by 1 / (1 - rate), as in Caffe."""


CURVES: Mapping[str, Callable[[Operation, Tensor], Tensor]] = {
    "AbsVal": lambda _, x: ops.abs(x),
    "BNLL": lambda _, x: ops.softplus(x),
    "Clip": lambda layer, x: ops.clip(x, layer.number("min"), layer.number("max")),
    "ELU": lambda layer, x: ops.elu(x, layer.number("alpha")),
    "Exp": lambda layer, x: ops.exp(_shifted(layer, x) * _base(layer)),
    "Log": lambda layer, x: ops.log(_shifted(layer, x)) / _base(layer),
    "Power": lambda layer, x: ops.power(_shifted(layer, x), layer.number("power")),
    "ReLU6": lambda _, x: ops.clip(x, 0.0, 6.0),
    "Swish": lambda layer, x: x * ops.sigmoid(layer.number("beta") * x),
    "TanH": lambda _, x: kernel("tanh")(x),
    "Threshold": lambda layer, x: ops.cast(x > layer.number("threshold"), x.dtype),
}


@operation(*CURVES)
def curve(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """Each element's own function."""
    del training
    return [CURVES[layer.type](layer, inputs[0])]


@operation("PReLU")
def prelu(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """`max(x, 0) + slope min(x, 0)`."""
    del training
    (x,) = inputs
    slope = layer.value("slope", x)
    if not layer.attributes["channel_shared"]:
        slope = layer.along(slope, 1, x)
    return [ops.relu(x) - slope * ops.relu(-x)]


@operation("BN")
def segnets_bn(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """SegNet's: `scale x + shift`."""
    del training
    (x,) = inputs
    scale, shift = (layer.along(layer.value(name, x), 1, x) for name in ("scale", "shift"))
    return [x * scale + shift]


@operation("BatchNorm")
def batch_norm(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """`(x - mean) / sqrt(variance + eps)`; `trainable = False` is Caffe's `use_global_stats`."""
    (given,) = inputs
    x = given if len(given.shape) > 1 else given[:, None]
    axis, eps = layer.axis(1, x), layer.number("eps")
    mean, variance, factor = (layer.value(name, x) for name in ("mean", "variance", "factor"))
    ones, zeros = ops.ones_like(mean), ops.zeros_like(mean)
    if training and layer.trainable:
        y, by_mean, by_variance = kernel("batch_normalization")(
            x, ones, zeros, epsilon=eps, axis=axis
        )
        _move(layer, by_mean, by_variance, ops.size(x) // x.shape[axis])
    else:
        is_empty = factor == 0
        over = ops.where(is_empty, zeros[:1], 1 / ops.where(is_empty, ones[:1], factor))
        y = kernel("affine_normalization")(
            x, mean * over, variance * over, ones, zeros, epsilon=eps, axis=axis
        )
    return [y if len(given.shape) > 1 else y[:, 0]]


def _move(layer: Operation, mean: Tensor, variance: Tensor, count: Any) -> None:
    """Add a batch's moments to what a BatchNorm keeps; its variance is unbiased there."""
    fraction = layer.number("moving_average_fraction")
    number = ops.cast(count, mean.dtype)
    unbiased = variance * number / ops.maximum(number - 1, 1)
    added = {
        "mean": mean,
        "variance": unbiased,
        "factor": ops.ones_like(layer.value("factor", mean)),
    }
    for name, value in added.items():
        kept = layer.blobs[name]
        kept.assign(fraction * kept + ops.cast(value, kept.dtype))


@operation("Scale")
def scale(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """`factor x + bias`, along some axes."""
    del training
    x, axis = inputs[0], int(layer.attributes["axis"])
    y = x * _along(layer, inputs, "weight", axis)
    return [y + layer.along(layer.value("bias", x), axis, x) if "bias" in layer.blobs else y]


@operation("Bias")
def bias(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """`x + bias`, along some axes."""
    del training
    return [inputs[0] + _along(layer, inputs, "bias", int(layer.attributes["axis"]))]


def _along(layer: Operation, inputs: Tops, name: str, axis: int) -> Tensor:
    """The second input, or a variable, to broadcast over the first one."""
    x = inputs[0]
    values = layer.to_caffe(inputs[1]) if len(inputs) == 2 else layer.value(name, x)
    return layer.along(values, axis, x)


@operation("Eltwise")
def largest(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """The largest of the inputs, the first of equal ones."""
    del layer, training
    return [functools.reduce(lambda one, other: ops.where(one >= other, one, other), inputs)]


@operation("Axpy")
def axpy(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """`a x + y`, one a for each channel of each item."""
    del training
    factor, x, y = inputs
    factors = ops.reshape(layer.to_caffe(factor), (-1, factor_count(x, layer)))
    return [layer.along(factors, 0, x) * x + y]


def factor_count(x: Tensor, layer: Operation) -> int:
    """How many channels a blob has."""
    return int(x.shape[layer.axis(1, x)])


@operation("Softmax")
def softmax(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """Softmax over one axis."""
    del training
    (x,) = inputs
    return [ops.softmax(x, axis=layer.axis(int(layer.attributes["axis"]), x))]


@operation("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution")
def convolution(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """One with a stride and a dilation, which Keras's own layer refuses."""
    del training
    (x,) = inputs
    return _convolved(
        "convolution", layer, x, ops.transpose(layer.value("weight", x), (2, 3, 1, 0))
    )


@operation("Deconvolution")
def deconvolution(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """A convolution's gradient by its input."""
    del training
    (x,) = inputs
    return _convolved("deconvolution", layer, x, layer.value("weight", x))


def _convolved(name: str, layer: Operation, x: Tensor, weight: Tensor) -> Tops:
    """What a kernel with windows makes of a map, and the bias if there is one."""
    y = kernel(name)(
        x,
        weight,
        stride=_pair(layer, "stride"),
        pad=_pair(layer, "pad"),
        dilation=_pair(layer, "dilation"),
        group=int(layer.attributes["group"]),
        data_format=layer.data_format,
    )
    return [y + layer.along(layer.value("bias", x), 1, y) if "bias" in layer.blobs else y]


def _pair(layer: Operation, name: str) -> Pair:
    height, width = sides(layer.attributes[name])
    return height, width


@operation("LRN")
def lrn(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """`x / (k + alpha / n sum x^2) ^ beta` over n channels; over n x n places k is 1."""
    del training
    (x,) = inputs
    length, beta = int(layer.attributes["local_size"]), layer.number("beta")
    half = length // 2
    if layer.attributes["norm_region"] == "ACROSS_CHANNELS":
        axis = layer.axis(1, x)
        around = [(half, half) if place == axis else (0, 0) for place in range(4)]
        squares = ops.pad(x * x, around)
        parts = [_part(squares, axis, start, x.shape[axis]) for start in range(length)]
        sums = functools.reduce(ops.add, parts)
        return [x / ops.power(layer.number("k") + layer.number("alpha") / length * sums, beta)]
    sums = kernel("sum_pool")(
        x * x,
        kernel=(length, length),
        stride=(1, 1),
        pads=((half, half), (half, half)),
        data_format=layer.data_format,
    )
    height, width = (
        window_lengths(size, size, length, 1, half) for size in layer.to_caffe(x).shape[2:]
    )
    counts = np.outer(height, width)
    counts = counts if layer.data_format == FIRST else counts[..., None]
    mean = sums / ops.cast(counts, x.dtype)
    return [x / ops.power(1 + layer.number("alpha") * mean, beta)]


def _part(x: Tensor, axis: int, start: int, length: int) -> Tensor:
    """So many elements of an axis from one on."""
    return x[(slice(None),) * axis + (slice(start, start + length),)]


@operation("Pooling")
def max_and_places(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """A max pool and where in its map each largest element was."""
    del training
    x = layer.to_caffe(inputs[0])
    height, width = x.shape[2:]
    window, stride, pad = (_pair(layer, name) for name in ("kernel", "stride", "pad"))
    out = layer.tops[0][2:]
    after = [
        max(0, (out[axis] - 1) * stride[axis] + window[axis] - (height, width)[axis] - pad[axis])
        for axis in (0, 1)
    ]
    lowest = float(np.finfo(keras.backend.standardize_dtype(x.dtype)).min)
    pads = [(0, 0), (0, 0), (pad[0], after[0]), (pad[1], after[1])]
    padded = ops.pad(x, pads, constant_values=lowest)
    rows, columns = (np.arange(out[axis]) * stride[axis] - pad[axis] for axis in (0, 1))
    found = places = None
    for row, column in np.ndindex(window):
        here = padded[
            :,
            :,
            row : row + (out[0] - 1) * stride[0] + 1 : stride[0],
            column : column + (out[1] - 1) * stride[1] + 1 : stride[1],
        ]
        place = ops.cast(np.add.outer((rows + row) * width, columns + column), x.dtype)
        place = ops.zeros_like(here) + place
        if found is None:
            found, places = here, place
            continue
        is_more = here > found
        found, places = ops.where(is_more, here, found), ops.where(is_more, place, places)
    return [layer.to_keras(found), layer.to_keras(places)]


@operation("Upsample")
def upsample(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """Each element at the place that a max pool's second top remembers; all else is 0."""
    del training
    x, mask = (layer.to_caffe(each) for each in inputs)
    channels, *size = layer.tops[0][1:]
    area, count = math.prod(size), math.prod(x.shape[2:])
    planes = ops.reshape(ops.arange(ops.size(x) // count, dtype="int32") * area, (-1, 1))
    places = planes + ops.cast(ops.reshape(mask, (-1, count)), "int32")
    made = ops.scatter(
        ops.reshape(places, (-1, 1)),
        ops.reshape(x, (-1,)),
        (ops.size(x) // count * area,),
    )
    return [layer.to_keras(ops.reshape(made, (-1, channels, *size)))]


@operation("Interp")
def interp(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """Align-corners bilinear resizing; what pads below 0 say is cropped first."""
    del training
    x = layer.to_caffe(inputs[0])
    first, last = map(int, str(layer.attributes["crop"]).split())
    height, width = x.shape[2:]
    x = x[:, :, -first : height + last, -first : width + last]
    by_row, by_column = (
        ops.cast(interpolation_matrix(x.shape[axis], layer.tops[0][axis]), x.dtype)
        for axis in (2, 3)
    )
    return [layer.to_keras(ops.einsum("pw,oh,nchw->ncop", by_column, by_row, x))]


@operation("MVN")
def mvn(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """Less the mean and over `sqrt(variance) + eps`, each of a channel's map or of an image."""
    del training
    (x,) = inputs
    across = (1, 2, 3) if layer.attributes["across_channels"] else (2, 3)
    axes = tuple(layer.axis(axis, x) for axis in across)
    count = math.prod(x.shape[axis] for axis in axes)
    centred = x - ops.sum(x, axis=axes, keepdims=True) / count
    if not layer.attributes["normalize_variance"]:
        return [centred]
    variance = ops.sum(centred * centred, axis=axes, keepdims=True) / count
    flat = variance == 0  # where a root has no derivative
    root = ops.sqrt(ops.where(flat, ops.ones_like(variance), variance))
    deviation = ops.where(flat, ops.zeros_like(root), root)
    return [centred / (deviation + layer.number("eps"))]


@operation("Normalize")
def normalize(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """`scale x / sqrt(sum x^2 + eps)`, the sum over channels or over the image."""
    del training
    (x,) = inputs
    over = (1, 2, 3) if layer.attributes["across_spatial"] else (1,)
    axes = tuple(layer.axis(axis, x) for axis in over)
    length = ops.sqrt(ops.sum(x * x, axis=axes, keepdims=True) + layer.number("eps"))
    factor = layer.value("scale", x)
    if not layer.attributes["channel_shared"]:
        factor = layer.along(factor, 1, x)
    return [x / length * factor]


@operation("InnerProduct")
def inner_product(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """`x W^T + bias` with all axes from one on as one."""
    del training
    x = layer.to_caffe(inputs[0])
    axis = _not_the_batch(layer, "axis")
    weight = layer.value("weight", x)
    letters = "io" if layer.attributes["transpose"] else "oi"
    count = math.prod(x.shape[axis:])
    y = ops.einsum(f"ni,{letters}->no", ops.reshape(x, (-1, count)), weight)
    if "bias" in layer.blobs:
        y = y + layer.value("bias", x)
    return [layer.to_keras(ops.reshape(y, (-1, *layer.tops[0][1:])))]


def _not_the_batch(layer: Operation, name: str) -> int:
    """An axis that is an attribute; not the first one, which is the batch's."""
    axis = int(layer.attributes[name])
    if axis == 0:
        raise InputError(
            f'layer "{layer.caffe_name}" ({layer.type}): expected an {name} of 1 or more, found 0: '
            "a Keras model keeps the items of a batch apart"
        )
    return axis


@operation("Flatten", "Reshape")
def reshape(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """The same elements on other axes."""
    del training
    x = layer.to_caffe(inputs[0])
    return [layer.to_keras(ops.reshape(x, (-1, *layer.tops[0][1:])))]


@operation("Permute")
def permute(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """Axes in another order."""
    del training
    x = layer.to_caffe(inputs[0])
    return [layer.to_keras(ops.transpose(x, tuple(sides(layer.attributes["order"]))))]


@operation("Tile")
def tile(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """An axis several times over."""
    del training
    (x,) = inputs
    copies = [x] * int(layer.attributes["tiles"])
    return [ops.concatenate(copies, axis=layer.axis(int(layer.attributes["axis"]), x))]


@operation("Dropout")
def dropout(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """The identity; what draws elements is a layer of its own."""
    del layer, training
    return inputs


@operation("Split")
def split(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """The same blob several times."""
    del training
    return inputs * len(layer.tops)


@operation("Slice")
def slice_(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """A blob cut along an axis."""
    del training
    (x,), axis = inputs, int(layer.attributes["axis"])
    here, start, made = layer.axis(axis, x), 0, []
    for top in layer.tops:
        made.append(_part(x, here, start, top[axis]))
        start += top[axis]
    return made


@operation("Concat")
def concat(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """Blobs one after another along an axis."""
    del training
    axis = layer.axis(int(layer.attributes["axis"]), inputs[0])
    return [ops.concatenate(inputs, axis=axis)]


@operation("Crop")
def crop(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """A part from an offset on, as large as the second input."""
    del training
    x, first = inputs[0], int(layer.attributes["axis"])
    for axis, offset in enumerate(sides(layer.attributes["offset"]), start=first):
        if axis:  # both have the same batch
            x = _part(x, layer.axis(axis, x), offset, layer.tops[0][axis])
    return [x]


@operation("Reduction")
def reduction(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """Sum, sum of magnitudes or squares, or mean of all axes from one on, times a coefficient."""
    del training
    x, kind = layer.to_caffe(inputs[0]), layer.attributes["operation"]
    axes = tuple(range(int(layer.attributes["axis"]), len(x.shape)))
    made = {"ASUM": ops.abs, "SUMSQ": lambda y: y * y}.get(str(kind), lambda y: y)(x)
    total = ops.sum(made, axis=axes)
    if kind == "MEAN":
        total = total / ops.cast(ops.size(x) // ops.size(total), x.dtype)
    return [layer.to_keras(total * layer.number("coeff"))]


@operation("ArgMax")
def argmax(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """The places of the largest elements, and with `out_max_val` these."""
    del training
    x, count = layer.to_caffe(inputs[0]), int(layer.attributes["top_k"])
    values = bool(layer.attributes["out_max_val"])
    if "axis" in layer.attributes:
        axis = int(layer.attributes["axis"])
        largest_, places = ops.top_k(ops.moveaxis(x, axis, -1), count)
        found = largest_ if values else ops.cast(places, x.dtype)
        return [layer.to_keras(ops.moveaxis(found, -1, axis))]
    largest_, places = ops.top_k(ops.reshape(x, (-1, math.prod(x.shape[1:]))), count)
    found = ops.cast(places, x.dtype)
    if values:
        found = ops.stack((found, largest_), axis=1)
    return [layer.to_keras(ops.reshape(found, (-1, *layer.tops[0][1:])))]


@operation("ShuffleChannel")
def shuffle_channel(layer: Operation, inputs: Tops, training: bool) -> Tops:
    """Channels as (group, rest) and back as (rest, group)."""
    del training
    x, group = layer.to_caffe(inputs[0]), int(layer.attributes["group"])
    channels, *size = x.shape[1:]
    parted = ops.reshape(x, (-1, group, channels // group, *size))
    order = (0, 2, 1, *range(3, len(parted.shape)))
    return [layer.to_keras(ops.reshape(ops.transpose(parted, order), (-1, channels, *size)))]
