"""Caffe's layers in plain NumPy loops, written from the rules and sharing nothing with the kit.

All take and give NHWC in float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def convolution(x: Array, weight: Array, bias: Array, arguments: dict[str, Any]) -> Array:
    """Cross-correlation with zeros around; weight HWIO."""
    (kh, kw, per_group, outputs), group = weight.shape, arguments["groups"]
    (sh, sw), (ph, pw) = pair(arguments["strides"]), pair(arguments["pad"])
    dilation = arguments["dilation_rate"]
    padded = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    rows = (padded.shape[1] - dilation * (kh - 1) - 1) // sh + 1
    columns = (padded.shape[2] - dilation * (kw - 1) - 1) // sw + 1
    y = np.zeros((x.shape[0], rows, columns, outputs))
    for o in range(outputs):
        first = o // (outputs // group) * per_group
        for i, j in np.ndindex(rows, columns):
            top, left = i * sh, j * sw
            window = padded[
                :,
                top : top + dilation * (kh - 1) + 1 : dilation,
                left : left + dilation * (kw - 1) + 1 : dilation,
                first : first + per_group,
            ]
            y[:, i, j, o] = (window * weight[..., o]).sum(axis=(1, 2, 3)) + bias[o]
    return y


def pool_size(size: int, kernel: int, stride: int, pad: int, mode: str) -> int:
    """Caffe's size, in exact arithmetic with fractions."""
    exact = (size + 2 * pad - kernel) / stride
    out = (math.ceil(exact) if mode == "CEIL" else math.floor(exact)) + 1
    return out - 1 if pad and (out - 1) * stride >= size + pad else out


def pool(x: Array, arguments: dict[str, Any]) -> Array:
    """The loops of Caffe's pooling: windows clipped to the map, divisors to map and padding."""
    kernel, stride, pad = (arguments[name] for name in ("kernel_size", "strides", "pad"))
    height, width = x.shape[1:3]
    rows, columns = (
        pool_size(size, kernel, stride, pad, arguments["round_mode"]) for size in (height, width)
    )
    y = np.full((x.shape[0], rows, columns, x.shape[3]), np.finfo(np.float64).min)
    for i, j in np.ndindex(rows, columns):
        top, left = i * stride - pad, j * stride - pad
        bottom, right = min(top + kernel, height + pad), min(left + kernel, width + pad)
        count = (bottom - top) * (right - left)
        window = x[:, max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
        if arguments["pool"] == "AVE":
            y[:, i, j] = window.sum(axis=(1, 2)) / count
        elif window.size:
            y[:, i, j] = window.max(axis=(1, 2))
    return y


def interp(x: Array, reference: Array) -> Array:
    """The loops of the fork's interp: corners stay corners."""
    (height, width), (rows, columns) = x.shape[1:3], reference.shape[1:3]
    y = np.zeros((x.shape[0], rows, columns, x.shape[3]))
    for i, j in np.ndindex(rows, columns):
        h = i * (height - 1) / (rows - 1) if rows > 1 else 0.0
        w = j * (width - 1) / (columns - 1) if columns > 1 else 0.0
        h0, w0 = min(int(h), height - 1), min(int(w), width - 1)
        h1, w1 = min(h0 + 1, height - 1), min(w0 + 1, width - 1)
        low, high = h - h0, w - w0
        y[:, i, j] = (1 - low) * ((1 - high) * x[:, h0, w0] + high * x[:, h0, w1]) + low * (
            (1 - high) * x[:, h1, w0] + high * x[:, h1, w1]
        )
    return y


def batch_norm(x: Array, mean: Array, variance: Array, gamma: Array, beta: Array) -> Array:
    return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def normalize(x: Array, eps: float, scale: Array) -> Array:
    """Each position's channels, divided by their length."""
    return np.asarray(x / np.sqrt((x**2).sum(axis=-1, keepdims=True) + eps) * scale)


def mvn(x: Array, eps: float) -> Array:
    """Each channel's map, less its mean and divided by its deviation."""
    y = np.zeros_like(x)
    for image, channel in np.ndindex(x.shape[0], x.shape[3]):
        plane = x[image, :, :, channel]
        y[image, :, :, channel] = (plane - plane.mean()) / (plane.std() + eps)
    return y


def mvn_gradient(x: Array, upstream: Array, eps: float) -> Array:
    """What an upstream gradient is before the layer, as Caffe's Backward_cpu works it out."""
    y, gradient = mvn(x, eps), np.zeros_like(x)
    for image, channel in np.ndindex(x.shape[0], x.shape[3]):
        at = (image, slice(None), slice(None), channel)
        centred = upstream[at] - upstream[at].mean() - y[at] * (upstream[at] * y[at]).mean()
        gradient[at] = centred / (x[at].std() + eps)
    return gradient


def reduction(x: Array, operation: str, axis: int) -> Array:
    """The axes from one on, as one, reduced."""
    flat = x.reshape(*x.shape[:axis], -1)
    if operation == "MEAN":
        return np.asarray(flat.mean(axis=-1))
    return np.asarray((flat**2 if operation == "SUMSQ" else flat).sum(axis=-1))
