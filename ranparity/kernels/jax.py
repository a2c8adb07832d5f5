"""JAX's own forms: padding inside the operation, and what XLA computes faster on a CPU."""

from __future__ import annotations

import functools
import math

import jax
import numpy as np
from jax import lax

from ranparity.kernels import plain
from ranparity.kernels.plain import Pads, Pair, axes_of_map


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
    """See `plain.convolution`; the zeros are not written out.

    A 1x1 convolution of NHWC maps is one matrix product, whose gradients XLA computes several
    times as fast on a CPU; and the weight's gradient of a larger one is computed in parts there.
    """
    plain_product = weight.shape[:2] == (1, 1) and group == 1 and pad == (0, 0)
    if plain_product and data_format == "channels_last":
        kept = x[:, :: stride[0], :: stride[1]]
        product = kept.reshape(-1, kept.shape[3]) @ weight[0, 0]
        return product.reshape(*kept.shape[:3], weight.shape[3])
    if group == 1 and data_format == "channels_last" and jax.default_backend() == "cpu":
        return _convolved_in_parts(x, weight, stride, pad, dilation)
    return _convolved(x, weight, stride, pad, dilation, group, data_format)


_PIXELS = 4096  # of a gradient's maps that XLA takes at once as fast as in parts
_PART = 2 << 20  # bytes of both maps in a part: what a processor's own cache holds


def _convolved(
    x: jax.Array,
    weight: jax.Array,
    stride: Pair,
    pad: Pair,
    dilation: Pair,
    group: int = 1,
    data_format: str = "channels_last",
) -> jax.Array:
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


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _convolved_in_parts(
    x: jax.Array, weight: jax.Array, stride: Pair, pad: Pair, dilation: Pair
) -> jax.Array:
    """A convolution of NHWC maps, the gradient of whose weight is computed in parts."""
    return _convolved(x, weight, stride, pad, dilation)


def _convolved_and_kept(
    x: jax.Array, weight: jax.Array, stride: Pair, pad: Pair, dilation: Pair
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _convolved(x, weight, stride, pad, dilation), (x, weight)


def _convolution_gradients(
    stride: Pair, pad: Pair, dilation: Pair, kept: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, weight = kept
    (of_x,) = jax.linear_transpose(lambda maps: _convolved(maps, weight, stride, pad, dilation), x)(
        gradient
    )
    kernel = (weight.shape[0], weight.shape[1])
    return of_x, _weight_gradient(x, gradient, kernel, stride, pad, dilation)


_convolved_in_parts.defvjp(_convolved_and_kept, _convolution_gradients)


def _weight_gradient(
    x: jax.Array, gradient: jax.Array, kernel: Pair, stride: Pair, pad: Pair, dilation: Pair
) -> jax.Array:
    """The gradient of a convolution's weight, HWIO: a sum over some of the gradient's rows each.

    It is itself a convolution, of `x` with the gradient as its kernel. XLA takes a kernel of so
    many pixels at a third of the speed of parts of it that a processor's cache holds with what
    they read.
    """
    height, rows = x.shape[1], gradient.shape[1]
    parts = 1
    if math.prod(gradient.shape[:3]) > _PIXELS:
        parts = min(rows, -(-(x.nbytes + gradient.nbytes) // _PART))
    span = (gradient.shape[2] - 1) * stride[1] + (kernel[1] - 1) * dilation[1] + 1
    across = (pad[1], span - pad[1] - x.shape[2])
    wide = jax.numpy.promote_types(x.dtype, "float32")  # or parts would be added up in bfloat16
    total = jax.numpy.zeros((*kernel, x.shape[3], gradient.shape[3]), wide)
    for number in range(parts):
        first, end = rows * number // parts, rows * (number + 1) // parts
        above = first * stride[0] - pad[0]
        below = (end - 1) * stride[0] + (kernel[0] - 1) * dilation[0] + 1 - pad[0]
        start, stop = max(above, 0), min(below, height)
        if start >= stop:  # it reads zeros alone
            continue
        total += lax.conv_general_dilated(
            x[:, start:stop],
            gradient[:, first:end],
            window_strides=dilation,
            padding=((start - above, below - stop), across),
            rhs_dilation=stride,
            dimension_numbers=lax.ConvDimensionNumbers((3, 0, 1, 2), (3, 0, 1, 2), (2, 3, 0, 1)),
            preferred_element_type=None if x.dtype == wide else wide,
        )
    return total if x.dtype == wide else total.astype(x.dtype)


def deconvolution(
    x: jax.Array,
    weight: jax.Array,
    *,
    stride: Pair,
    pad: Pair,
    dilation: Pair,
    group: int,
    data_format: str,
) -> jax.Array:
    """See `plain.deconvolution`; the zeros are not written out."""
    inputs, outputs, *kernel = weight.shape
    parted = weight.reshape(group, inputs // group, outputs, *kernel)
    turned = parted.transpose(3, 4, 1, 0, 2)[::-1, ::-1]
    around = [d * (k - 1) - p for d, k, p in zip(dilation, kernel, pad, strict=True)]
    maps = "NHWC" if data_format == "channels_last" else "NCHW"
    return lax.conv_general_dilated(
        x,
        turned.reshape(*kernel, inputs // group, group * outputs),
        window_strides=(1, 1),
        padding=[(each, each) for each in around],
        lhs_dilation=stride,
        rhs_dilation=dilation,
        dimension_numbers=(maps, "HWIO", maps),
        feature_group_count=group,
    )


@functools.partial(jax.jit, static_argnames=("epsilon", "axis"))
def batch_normalization(
    x: jax.Array, gamma: jax.Array, beta: jax.Array, *, epsilon: float, axis: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """See `plain.batch_normalization`; a function of its own, traced once for maps of one shape."""
    found: tuple[jax.Array, jax.Array, jax.Array] = plain.batch_normalization(
        x, gamma, beta, epsilon=epsilon, axis=axis
    )
    return found


@functools.partial(jax.jit, static_argnames=("epsilon", "axis"))
def affine_normalization(
    x: jax.Array,
    mean: jax.Array,
    variance: jax.Array,
    gamma: jax.Array,
    beta: jax.Array,
    *,
    epsilon: float,
    axis: int,
) -> jax.Array:
    """See `plain.affine_normalization`; traced as `batch_normalization` is."""
    found: jax.Array = plain.affine_normalization(
        x, mean, variance, gamma, beta, epsilon=epsilon, axis=axis
    )
    return found


def tanh(x: jax.Array) -> jax.Array:
    """See `plain.tanh`; Keras 3.15 has it in float32."""
    return jax.numpy.tanh(x)


def max_pool(
    x: jax.Array, *, kernel: Pair, stride: Pair, pads: Pads, data_format: str
) -> jax.Array:
    """See `plain.max_pool`; the largest of the window's pixels, taken one after the other.

    As in Caffe the first of equal pixels wins, and gets the gradient. XLA's own reduction over
    windows has a gradient that takes six times as long on a CPU.
    """
    height, width = axes_of_map(data_format)
    lowest = plain.lowest(str(x.dtype))
    padding: list[Pair] = [(0, 0)] * 4
    padding[height], padding[width] = pads
    padded = jax.numpy.pad(x, padding, constant_values=lowest)

    def pixel(*place: int) -> jax.Array:
        """The pixel at one place of every window."""
        kept = [slice(None)] * 4
        for axis, start, size, step in zip((height, width), place, kernel, stride, strict=True):
            kept[axis] = slice(start, padded.shape[axis] - size + start + 1, step)
        return padded[tuple(kept)]

    return functools.reduce(
        lambda largest, other: jax.numpy.where(other > largest, other, largest),
        (pixel(*place) for place in np.ndindex(kernel)),
    )
