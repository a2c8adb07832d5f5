"""Layers that take maps (NCHW): windows, pools, resizing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ranparity.caffe.arbiter.base import Call, Made, Sums, Tensor, layer
from ranparity.caffe.graph import Node
from ranparity.caffe.prototxt import Shape
from ranparity.caffe.shapes import Facts, Pair, RuleError, window


def _convolution_sums(node: Node, facts: Facts, bottoms: Sequence[Shape]) -> Sums:
    del bottoms
    param = node.message.convolution_param
    outputs, inputs, *kernel = facts.parameters["weight"]
    stride = window(param, "stride", 1, 1)
    places = facts.tops[0][0] * math.prod(facts.tops[0][2:])
    back = outputs / param.group * math.prod(kernel) / math.prod(stride)
    return Sums(
        top=inputs * math.prod(kernel),
        bottom=max(1.0, back),
        weights=dict.fromkeys(facts.parameters, places),
    )


@layer("Convolution", _convolution_sums)
def convolution(call: Call) -> Made:
    """Cross-correlation; weight OIHW (BVLC/caffe, src/caffe/layers/base_conv_layer.cpp)."""
    from torch.nn.functional import conv2d

    param = call.node.message.convolution_param
    y = conv2d(
        call.bottoms[0],
        call.weights["weight"],
        call.weights.get("bias"),
        stride=window(param, "stride", 1, 1),
        padding=window(param, "pad", 0, 0),
        dilation=window(param, "dilation", 1, 1),
        groups=param.group,
    )
    return Made((y,))


def _pooling_sums(node: Node, facts: Facts, bottoms: Sequence[Shape]) -> Sums:
    """A pool's element counts its window's, its gradient the windows that cover it."""
    kernel, stride, _ = _windows(node, bottoms[0][2:])
    covering = max(1.0, math.prod(kernel) / math.prod(stride))
    is_average = facts.attributes["pool"] == "AVE"
    return Sums(top=math.prod(kernel) if is_average else 1, bottom=covering)


@layer("Pooling", _pooling_sums)
def pooling(call: Call) -> Made:
    """The largest or the mean of each window, clipped to the map and its padding.

    MAX ignores padding. AVE counts it up to `pad` past the map
    (BVLC/caffe, src/caffe/layers/pooling_layer.cpp, Forward_cpu).
    """
    (x,) = call.bottoms
    kernel, stride, pad = _windows(call.node, x.shape[2:])
    size = call.facts.tops[0][2:]
    if call.facts.attributes["pool"] == "MAX":
        return _largest(call, padded_for_max(call.node, call.facts, x), kernel, stride)
    if call.facts.attributes["pool"] == "AVE":
        from torch.nn.functional import avg_pool2d

        padded = _padded(x, kernel, stride, pad, size, 0.0)
        total = avg_pool2d(padded, kernel, stride, divisor_override=1)
        return Made((total[..., : size[0], : size[1]] / _divisors(x, kernel, stride, pad, size),))
    raise RuleError(f"expected pool MAX or AVE, found {call.facts.attributes['pool']}")


def padded_for_max(node: Node, facts: Facts, x: Tensor) -> Tensor:
    """A map as a max pool indexes it: with so much around it that every window is whole.

    Around is what Caffe begins with: a window past the map keeps it.
    """
    import torch

    kernel, stride, pad = _windows(node, x.shape[2:])
    lowest = torch.finfo(x.dtype).min
    return _padded(x, kernel, stride, pad, facts.tops[0][2:], lowest)


def _windows(node: Node, size: Sequence[int]) -> tuple[Pair, Pair, Pair]:
    """Kernel, stride and pad, each of height and width."""
    param = node.message.pooling_param
    if param.global_pooling:
        return (size[0], size[1]), (1, 1), (0, 0)
    return (
        window(param, "kernel_size", None, 1),
        window(param, "stride", 1, 1),
        window(param, "pad", 0, 0),
    )


def _padded(
    x: Tensor, kernel: Pair, stride: Pair, pad: Pair, size: Sequence[int], value: float
) -> Tensor:
    """A map with so much around it that every window is whole."""
    from torch.nn.functional import pad as around

    top, left = pad
    bottom, right = (
        max(0, (size[axis] - 1) * stride[axis] + kernel[axis] - x.shape[2 + axis] - pad[axis])
        for axis in (0, 1)
    )
    return around(x, (left, right, top, bottom), value=value)


def _largest(call: Call, padded: Tensor, kernel: Pair, stride: Pair) -> Made:
    """The largest element of each window, or the one that was decided on."""
    from torch.nn.functional import max_pool2d

    index = call.decision
    height, width = call.facts.tops[0][2:]
    if index is None:
        _, index = max_pool2d(padded.detach(), kernel, stride, return_indices=True)
        index = index[..., :height, :width]
    flat = padded.flatten(2).gather(2, index.flatten(2))
    return Made((flat.reshape(index.shape),), decision=index)


def _divisors(x: Tensor, kernel: Pair, stride: Pair, pad: Pair, size: Sequence[int]) -> Tensor:
    """Elements of each window, those of the padding on the far side included."""
    import torch

    sides = []
    for axis in (0, 1):
        start = torch.arange(size[axis]) * stride[axis] - pad[axis]
        end = torch.clamp(start + kernel[axis], max=x.shape[2 + axis] + pad[axis])
        sides.append((end - start).to(x.dtype))
    return torch.outer(*sides)


def _interp_sums(node: Node, facts: Facts, bottoms: Sequence[Shape]) -> Sums:
    del node
    grown = math.prod(facts.tops[0][2:]) / math.prod(bottoms[0][2:])
    return Sums(top=4, bottom=max(1.0, 4 * grown))


@layer("Interp", _interp_sums)
def interp(call: Call) -> Made:
    """Align-corners bilinear resizing; what pads below 0 say is cropped first.

    Source: the authors' fork, src/caffe/util/interp.cpp.
    """
    from torch.nn.functional import interpolate

    param, x = call.node.message.interp_param, call.bottoms[0]
    first, last = -param.pad_beg, param.pad_end
    x = x[..., first : x.shape[2] + last, first : x.shape[3] + last]
    size: Any = call.facts.tops[0][2:]
    return Made((interpolate(x, size, mode="bilinear", align_corners=True),))


def resizing(size: int, out: int) -> Tensor:
    """Weights of so many pixels of a line for others, (out, size): what `interp` does to it."""
    import torch
    from torch.nn.functional import interpolate

    lines = torch.eye(size, dtype=torch.float64)[None]
    return interpolate(lines, size=out, mode="linear", align_corners=True)[0].T
