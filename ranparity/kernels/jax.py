"""JAX's own forms: padding inside the operation."""

from __future__ import annotations

import jax
import numpy as np
from jax import lax

from ranparity.kernels.plain import Pads, Pair


def convolution(
    x: jax.Array,
    weight: jax.Array,
    *,
    stride: Pair,
    pad: Pair,
    dilation: Pair,
    group: int,
    data_format: str,
) -> jax.Array:
    """See `plain.convolution`; the zeros are not written out."""
    maps = "NHWC" if data_format == "channels_last" else "NCHW"
    return lax.conv_general_dilated(
        x,
        weight,
        window_strides=stride,
        padding=((pad[0], pad[0]), (pad[1], pad[1])),
        rhs_dilation=dilation,
        dimension_numbers=(maps, "HWIO", maps),
        feature_group_count=group,
    )


def max_pool(
    x: jax.Array, *, kernel: Pair, stride: Pair, pads: Pads, data_format: str
) -> jax.Array:
    """See `plain.max_pool`; padding is minus infinity inside the window's reduction.

    A window that is all padding gives float's lowest number, as the plain form does.
    """
    lowest = float(np.finfo(x.dtype).min)
    both = data_format == "channels_last"
    window = (1, *kernel, 1) if both else (1, 1, *kernel)
    strides = (1, *stride, 1) if both else (1, 1, *stride)
    padding = ((0, 0), *pads, (0, 0)) if both else ((0, 0), (0, 0), *pads)
    y = lax.reduce_window(x, -np.inf, lax.max, window, strides, padding)
    covered = all(before < k and after < k for (before, after), k in zip(pads, kernel, strict=True))
    return y if covered else jax.numpy.maximum(y, lowest)
