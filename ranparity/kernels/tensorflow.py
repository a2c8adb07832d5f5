"""TensorFlow's own forms: padding inside the operation."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from ranparity.kernels import plain
from ranparity.kernels.plain import Pair


def convolution(
    x: Any, weight: Any, *, stride: Pair, pad: Pair, dilation: Pair, group: int, data_format: str
) -> Any:
    """See `plain.convolution`; the zeros are not written out.

    TensorFlow convolves NCHW on a GPU only, so it is transposed; and a CPU has no gradient of
    groups outside XLA, which the plain form turns to.
    """
    if data_format == "channels_first":
        x = tf.transpose(x, (0, 2, 3, 1))
    if group > 1:
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
        padding = [[0, 0], [pad[0], pad[0]], [pad[1], pad[1]], [0, 0]]
        y = tf.nn.conv2d(x, weight, stride, padding, dilations=dilation)
    return tf.transpose(y, (0, 3, 1, 2)) if data_format == "channels_first" else y


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
