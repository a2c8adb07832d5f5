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

    Groups and NCHW, which TensorFlow does not train on a CPU, take the plain form.
    """
    if group > 1 or data_format == "channels_first":
        return plain.convolution(
            x,
            weight,
            stride=stride,
            pad=pad,
            dilation=dilation,
            group=group,
            data_format=data_format,
        )
    padding = [[0, 0], [pad[0], pad[0]], [pad[1], pad[1]], [0, 0]]
    return tf.nn.conv2d(x, weight, stride, padding, dilations=dilation)
