"""TensorFlow's own forms: padding inside the operation, and the fused batch normalisation."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from ranparity.kernels import plain
from ranparity.kernels.plain import Pair


def convolution(
    x: Any, weight: Any, *, stride: Pair, pad: Pair, dilation: Pair, group: int, data_format: str
) -> Any:
    """See `plain.convolution`; the zeros are not written out where `SAME` puts as many.

    Pads that are told one by one would never be written out, but TensorFlow 2.21 leaves the
    gradients of such a convolution to kernels that take twice the time of oneDNN's. TensorFlow
    convolves NCHW on a GPU only, so it is transposed; and a CPU has no gradients of groups outside
    XLA, nor of dilations in float64: the plain form has ways around both. A 1x1 convolution with a
    stride reads what it needs first: see `plain.leaves_out`.
    """
    if data_format == "channels_first":
        x = tf.transpose(x, (0, 2, 3, 1))
    if group > 1 or max(dilation) > 1:
        y = plain.convolution(
            x,
            weight,
            stride=stride,
            pad=pad,
            dilation=dilation,
            group=group,
            data_format="channels_last",
        )
    else:
        if plain.leaves_out(weight, stride, pad):
            x, stride = x[:, :: stride[0], :: stride[1]], (1, 1)
        padding = "SAME" if _is_same(x, weight, stride, pad) else "VALID"
        if padding == "VALID":
            x = plain.padded(x, ((pad[0], pad[0]), (pad[1], pad[1])), 0.0, "channels_last")
        y = tf.nn.conv2d(x, weight, stride, padding)
    return tf.transpose(y, (0, 3, 1, 2)) if data_format == "channels_first" else y


def _is_same(x: Any, weight: Any, stride: Pair, pad: Pair) -> bool:
    """Whether TensorFlow's `SAME` puts these zeros around NHWC maps, after a side as before it."""

    def is_same(side: int | None, kernel: int, step: int, zeros: int) -> bool:
        if step == 1:
            return kernel - 1 == 2 * zeros
        return side is not None and (-(-side // step) - 1) * step + kernel - side == 2 * zeros

    sides = zip(x.shape[1:3], weight.shape[:2], stride, pad, strict=True)
    return any(pad) and all(is_same(*side) for side in sides)


def deconvolution(
    x: Any, weight: Any, *, stride: Pair, pad: Pair, dilation: Pair, group: int, data_format: str
) -> Any:
    """See `plain.deconvolution`, which groups and dilations are left to."""
    if group > 1 or max(dilation) > 1:
        return plain.deconvolution(
            x,
            weight,
            stride=stride,
            pad=pad,
            dilation=dilation,
            group=group,
            data_format=data_format,
        )
    if data_format == "channels_first":
        x = tf.transpose(x, (0, 2, 3, 1))
    sizes = (
        step * (size - 1) + kernel - 2 * cut
        for step, size, kernel, cut in zip(stride, x.shape[1:3], weight.shape[2:], pad, strict=True)
    )
    shape = tf.stack([tf.shape(x)[0], *sizes, weight.shape[1]])
    padding = [[0, 0], [pad[0], pad[0]], [pad[1], pad[1]], [0, 0]]
    kernel = tf.transpose(weight, (2, 3, 1, 0))
    y = tf.nn.conv2d_transpose(x, kernel, shape, stride, padding)
    return tf.transpose(y, (0, 3, 1, 2)) if data_format == "channels_first" else y


def interpolation(x: Any, height: Any, width: Any, *, data_format: str) -> Any:
    """See `plain.interpolation`; products of matrices as they lie in memory, nothing is moved."""
    if data_format == "channels_first":
        return tf.matmul(tf.matmul(height, x), width, transpose_b=True)
    _, rows, columns, channels = x.shape
    made = tf.matmul(height, tf.reshape(x, (-1, rows, columns * channels)))
    made = tf.matmul(width, tf.reshape(made, (-1, columns, channels)))
    return tf.reshape(made, (-1, height.shape[0], width.shape[0], channels))


def batch_normalization(
    x: Any, gamma: Any, beta: Any, *, epsilon: float, axis: int
) -> tuple[Any, Any, Any]:
    """See `plain.batch_normalization`; the mean and the variance have no gradients here.

    The operation itself, because what `tf.nn.fused_batch_norm` makes of epsilon has changed with
    TensorFlow's versions. Its variance is the unbiased one, which is scaled back.
    """
    if not _is_fusable(x, axis):
        return plain.batch_normalization(x, gamma, beta, epsilon=epsilon, axis=axis)
    places = x.shape[:3]
    known = None not in places
    count = math.prod(places) if known else tf.cast(tf.size(x) / x.shape[3], x.dtype)
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=gamma, offset=beta, mean=[], variance=[], epsilon=epsilon, is_training=True
    )
    return y, mean, variance * ((count - 1) / count)


def affine_normalization(
    x: Any, mean: Any, variance: Any, gamma: Any, beta: Any, *, epsilon: float, axis: int
) -> Any:
    """See `plain.affine_normalization`."""
    if not _is_fusable(x, axis):
        return plain.affine_normalization(
            x, mean, variance, gamma, beta, epsilon=epsilon, axis=axis
        )
    y, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=gamma,
        offset=beta,
        mean=mean,
        variance=variance,
        epsilon=epsilon,
        is_training=False,
    )
    return y


def _is_fusable(x: Any, axis: int) -> bool:
    """Whether TensorFlow has the fused operation: for NHWC maps in float32."""
    return x.dtype == tf.float32 and len(x.shape) == 4 and axis in (3, -1)
