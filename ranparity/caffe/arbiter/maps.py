"""Layers that take maps (NCHW): windows, pools, resizing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ranparity.caffe.arbiter.base import Call, Made, Sums, Tensor, layer
from ranparity.caffe.graph import Node
from ranparity.caffe.prototxt import Shape
from ranparity.caffe.rules.base import sides
from ranparity.caffe.shapes import Facts, Pair, RuleError, window


def _sides(facts: Facts, name: str) -> Pair:
    """A pair of a layer's attributes, such as `3x3`."""
    height, width = sides(facts.attributes[name])
    return height, width


def _convolution_sums(node: Node, facts: Facts, bottoms: Sequence[Shape]) -> Sums:
    del node, bottoms
    outputs, inputs, *kernel = facts.parameters["weight"]
    stride, group = _sides(facts, "stride"), int(facts.attributes["group"])
    places = facts.tops[0][0] * math.prod(facts.tops[0][2:])
    back = outputs / group * math.prod(kernel) / math.prod(stride)
    return Sums(
        top=inputs * math.prod(kernel),
        bottom=max(1.0, back),
        weights=dict.fromkeys(facts.parameters, places),
    )


@layer("Convolution", _convolution_sums)
@layer("ConvolutionDepthwise", _convolution_sums)
@layer("DepthwiseConvolution", _convolution_sums)
def convolution(call: Call) -> Made:
    """Cross-correlation; weight OIHW (BVLC/caffe, src/caffe/layers/base_conv_layer.cpp)."""
    from torch.nn.functional import conv2d

    return _convolved(conv2d, call)


def _convolved(operation: Callable[..., Tensor], call: Call) -> Made:
    """What one of PyTorch's convolutions makes of a layer."""
    facts = call.facts
    y = operation(
        call.bottoms[0],
        call.weights["weight"],
        call.weights.get("bias"),
        stride=_sides(facts, "stride"),
        padding=_sides(facts, "pad"),
        dilation=_sides(facts, "dilation"),
        groups=int(facts.attributes["group"]),
    )
    return Made((y,))


def _deconvolution_sums(node: Node, facts: Facts, bottoms: Sequence[Shape]) -> Sums:
    del node
    inputs, outputs, *kernel = facts.parameters["weight"]
    stride, group = _sides(facts, "stride"), int(facts.attributes["group"])
    terms = {"weight": math.prod(bottoms[0]) / inputs, "bias": math.prod(facts.tops[0][::2])}
    return Sums(
        top=max(1.0, inputs / group * math.prod(kernel) / math.prod(stride)),
        bottom=outputs * math.prod(kernel),
        weights={name: terms[name] for name in facts.parameters},
    )


@layer("Deconvolution", _deconvolution_sums)
def deconvolution(call: Call) -> Made:
    """A convolution's gradient by its input (BVLC/caffe, src/caffe/layers/deconv_layer.cpp)."""
    from torch.nn.functional import conv_transpose2d

    return _convolved(conv_transpose2d, call)


def _lrn_sums(node: Node, facts: Facts, bottoms: Sequence[Shape]) -> Sums:
    del node, bottoms
    return Sums(bottom=int(facts.attributes["local_size"]))


@layer("LRN", _lrn_sums)
def lrn(call: Call) -> Made:
    """`x / (k + alpha / n sum x^2) ^ beta` over n channels; over n x n places k is 1.

    Places are averaged as AVE pools do, so at an edge by fewer. Source: BVLC/caffe,
    src/caffe/layers/lrn_layer.cpp.
    """
    from torch.nn.functional import avg_pool2d
    from torch.nn.functional import pad as around

    (x,), attributes = call.bottoms, call.facts.attributes
    length, half = int(attributes["local_size"]), int(attributes["local_size"]) // 2
    alpha, beta = float(attributes["alpha"]), float(attributes["beta"])
    if attributes["norm_region"] == "ACROSS_CHANNELS":
        squares = around(x**2, (0, 0, 0, 0, half, half))
        sums = sum(squares.narrow(1, place, x.shape[1]) for place in range(length))
        sums = call.rounded(sums, "sums", length)
        return Made((x / (float(attributes["k"]) + alpha / length * sums) ** beta,))
    windows: tuple[Pair, Pair, Pair] = (length, length), (1, 1), (half, half)
    total = avg_pool2d(around(x**2, (half,) * 4), length, 1, divisor_override=1)
    mean = total / _divisors(x, *windows, x.shape[2:])
    mean = call.rounded(mean, "mean", length**2)
    return Made((x / (1 + alpha * mean) ** beta,))


@layer("Upsample")
def upsample(call: Call) -> Made:
    """Each element at the place that a max pool's second top remembers; all else is 0.

    Source: alexgkendall/caffe-segnet, src/caffe/layers/upsample_layer.cpp, Forward_cpu.
    """
    x, mask = call.bottoms
    made = x.new_zeros((*x.shape[:2], math.prod(call.facts.tops[0][2:])))
    places = mask.detach().long().flatten(2)
    if places.numel() and int(places.max()) >= made.shape[2]:
        raise RuleError(f"expected places below {made.shape[2]}, found {int(places.max())}")
    return Made((made.scatter(2, places, x.flatten(2)).reshape(call.facts.tops[0]),))


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
    flat = padded.flatten(2).gather(2, index.flatten(2)).reshape(index.shape)
    tops = (flat, _in_map(call, padded, index))[: len(call.facts.tops)]
    return Made(tops, decision=index)


def _in_map(call: Call, padded: Tensor, index: Tensor) -> Tensor:
    """Indices of a padded map as those of the map itself, as Caffe's second top has them."""
    (x,) = call.bottoms
    _, _, (top, left) = _windows(call.node, x.shape[2:])
    rows, columns = index // padded.shape[3] - top, index % padded.shape[3] - left
    return (rows * x.shape[3] + columns).to(x.dtype)


def _divisors(x: Tensor, kernel: Pair, stride: Pair, pad: Pair, size: Sequence[int]) -> Tensor:
    """Elements of each window, those of the padding on the far side included."""
    import torch

    counts = []
    for axis in (0, 1):
        start = torch.arange(size[axis]) * stride[axis] - pad[axis]
        end = torch.clamp(start + kernel[axis], max=x.shape[2 + axis] + pad[axis])
        counts.append((end - start).to(x.dtype))
    return torch.outer(*counts)


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
