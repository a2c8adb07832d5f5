"""The operations in plain `keras.ops`, true to float64 on every backend.

Some of Keras's own operations compute in float32 under a float64 policy (on torch and JAX the
mean, the variance and matmul among them); sums, einsums and convolutions do not, so these are
what everything here is made of. The torch backend's `moments` also loses small variances of
large means, by E[x^2] - E[x]^2; here the deviations are squared.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from ranparity.kernels import replicas

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]


def convolution(
    x: Any, weight: Any, *, stride: Pair, pad: Pair, dilation: Pair, group: int, data_format: str
) -> Any:
    """Cross-correlation with symmetric zero padding.

    Args:
        x: Maps, NHWC or NCHW by `data_format`.
        weight: HWIO, with I the input channels of one group.
        stride: Height and width step, in pixels.
        pad: Zeros on each side, height and width, in pixels.
        dilation: Distance of the kernel's taps, in pixels.
        group: Number of groups, told by the framework from the channels of `x` and `weight`.
        data_format: `channels_last` or `channels_first`.
    """
    del group
    both = ((pad[0], pad[0]), (pad[1], pad[1]))
    apart = max(stride) > 1 and max(dilation) > 1  # which Keras refuses on TensorFlow
    y = ops.conv(
        padded(x, both, 0.0, data_format),
        weight,
        strides=(1, 1) if apart else stride,
        padding="valid",
        dilation_rate=dilation,
        data_format=data_format,
    )
    rows, columns = (slice(None, None, step if apart else 1) for step in stride)
    return y[:, rows, columns] if data_format == "channels_last" else y[:, :, rows, columns]


def tanh(x: Any) -> Any:
    """The hyperbolic tangent of each element."""
    return ops.tanh(x)


def relu(x: Any) -> Any:
    """The larger of each element and 0."""
    return ops.relu(x)


def leaves_out(weight: Any, stride: Pair, pad: Pair) -> bool:
    """Whether a convolution is a product for each pixel that it reads, and passes others over.

    Backends take these pixels first then. oneDNN left to do so writes outside its memory on the
    way back, of channels_last maps of fewer channels than a vector holds and an odd batch, and the
    process dies: on PyTorch 2.13, and on TensorFlow 2.21 where it does the gradients.
    (oneDNN, issue 6035.)
    """
    return tuple(weight.shape[:2]) == (1, 1) and not any(pad) and max(stride) > 1


def deconvolution(
    x: Any, weight: Any, *, stride: Pair, pad: Pair, dilation: Pair, group: int, data_format: str
) -> Any:
    """The gradient of a cross-correlation by its input: Caffe's Deconvolution, without bias.

    Zeros between the pixels, and a convolution with the kernel turned around.

    Args:
        x: Maps, NHWC or NCHW by `data_format`.
        weight: As Caffe has it, `[in, out/group, kh, kw]`.
        stride: Of the convolution: the output's pixels for one of the input's.
        pad: What the convolution's map has around it: as much is cut off here, on each side.
        dilation: Distance of the kernel's taps, in pixels.
        group: Number of groups.
        data_format: `channels_last` or `channels_first`.
    """
    inputs, outputs, *kernel = weight.shape
    parted = ops.reshape(weight, (group, inputs // group, outputs, *kernel))
    turned = ops.flip(ops.transpose(parted, (3, 4, 1, 0, 2)), axis=(0, 1))
    for axis, step in zip(axes_of_map(data_format), stride, strict=True):
        x = _spread(x, axis, step)
    around = tuple(d * (k - 1) - p for d, k, p in zip(dilation, kernel, pad, strict=True))
    for axis, cut in zip(axes_of_map(data_format), around, strict=True):
        if cut < 0:
            x = x[(slice(None),) * axis + (slice(-cut, cut),)]
    return convolution(
        x,
        ops.reshape(turned, (*kernel, inputs // group, group * outputs)),
        stride=(1, 1),
        pad=(max(0, around[0]), max(0, around[1])),
        dilation=dilation,
        group=group,
        data_format=data_format,
    )


def _spread(x: Any, axis: int, step: int) -> Any:
    """Maps with `step - 1` zeros between the pixels of an axis."""
    if step == 1:
        return x
    shape, size = list(x.shape), int(x.shape[axis])
    pads = [(0, 0)] * 5
    pads[axis + 1] = (0, step - 1)
    apart = ops.pad(ops.expand_dims(x, axis + 1), pads)
    shape[0], shape[axis] = -1, size * step
    return ops.reshape(apart, shape)[(slice(None),) * axis + (slice(0, (size - 1) * step + 1),)]


def max_pool(x: Any, *, kernel: Pair, stride: Pair, pads: Pads, data_format: str) -> Any:
    """Maximum over windows of maps with `pads` pixels before and after, which never win."""
    return ops.max_pool(
        padded(x, pads, lowest(keras.backend.standardize_dtype(x.dtype)), data_format),
        kernel,
        strides=stride,
        padding="valid",
        data_format=data_format,
    )


def lowest(dtype: str) -> float:
    """The lowest finite number of a type; NumPy has no bfloat16: 8 bits, float32's exponents."""
    return -(2 - 2.0**-7) * 2.0**127 if dtype == "bfloat16" else float(np.finfo(dtype).min)


def sum_pool(x: Any, *, kernel: Pair, stride: Pair, pads: Pads, data_format: str) -> Any:
    """Sum over windows of maps with `pads` zeros before and after."""
    height, width = axes_of_map(data_format)
    if x.shape[height] == kernel[0] and x.shape[width] == kernel[1] and not any(map(any, pads)):
        return ops.sum(x, axis=(height, width), keepdims=True)
    average = ops.average_pool(
        padded(x, pads, 0.0, data_format),
        kernel,
        strides=stride,
        padding="valid",
        data_format=data_format,
    )
    return average * math.prod(kernel)


def interpolation(x: Any, height: Any, width: Any, *, data_format: str) -> Any:
    """Maps with rows and columns that are sums of theirs.

    Args:
        x: Maps, NHWC or NCHW by `data_format`.
        height: The part of each row of `x` in each of the result's, (rows, H).
        width: The same of columns, (columns, W).
        data_format: `channels_last` or `channels_first`.
    """
    if data_format == "channels_last":
        rows = ops.einsum("oh,nhwc->nowc", height, x)
        return ops.einsum("pw,nowc->nopc", width, rows)
    rows = ops.einsum("oh,nchw->ncow", height, x)
    return ops.einsum("pw,ncow->ncop", width, rows)


def moving_average(old: Any, new: Any, momentum: float) -> Any:
    """`momentum * old + (1 - momentum) * new`, in the type of `old`."""
    return old * momentum + ops.cast(new, old.dtype) * (1 - momentum)


def batch_normalization(
    x: Any, gamma: Any, beta: Any, *, epsilon: float, axis: int
) -> tuple[Any, Any, Any]:
    """Normalises with the batch's own mean and biased variance; returns them too, each (C,).

    The batch is that of all replicas, where there are several.
    """
    reduced = tuple(a for a in range(len(x.shape)) if a != axis % len(x.shape))
    count = math.prod(x.shape[a] for a in reduced) if None not in x.shape else None
    size = count if count is not None else ops.size(x) / x.shape[axis]
    size = ops.cast(size, x.dtype)
    mean = replicas.mean(ops.sum(x, axis=reduced, keepdims=True) / size)
    centred = x - mean
    squares = ops.sum(ops.square(centred), axis=reduced, keepdims=True)
    variance = replicas.mean(squares / size)
    shape = [1] * len(x.shape)
    shape[axis] = -1
    scale = ops.reshape(gamma, shape) * ops.rsqrt(variance + epsilon)
    normalised = centred * scale + ops.reshape(beta, shape)
    return normalised, ops.reshape(mean, (-1,)), ops.reshape(variance, (-1,))


def affine_normalization(
    x: Any, mean: Any, variance: Any, gamma: Any, beta: Any, *, epsilon: float, axis: int
) -> Any:
    """Normalises with a given mean and variance, each (C,), as at test time."""
    shape = [1] * len(x.shape)
    shape[axis] = -1
    scale = gamma * ops.rsqrt(variance + epsilon)
    return x * ops.reshape(scale, shape) + ops.reshape(beta - mean * scale, shape)


def axes_of_map(data_format: str) -> Pair:
    """The axes of height and width."""
    return (1, 2) if data_format == "channels_last" else (2, 3)


def padded(x: Any, pads: Pads, value: float, data_format: str) -> Any:
    """Maps with `pads` pixels of a value before and after their height and width."""
    if not any(map(any, pads)):
        return x
    every: list[Pair] = [(0, 0)] * 4
    for axis, pad in zip(axes_of_map(data_format), pads, strict=True):
        every[axis] = pad
    return ops.pad(x, every, constant_values=value)
