"""Rules of layers that take maps (NCHW): windows, pools, resizing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from ranparity.caffe import caffe_pb2
from ranparity.caffe.graph import Node
from ranparity.caffe.prototxt import Shape
from ranparity.caffe.rules.base import (
    Facts,
    Pair,
    RuleError,
    at_least,
    by,
    convolution_output_size,
    expect_bottoms,
    one_map,
    pooling_output_size,
    rule,
    window,
)


@rule("Convolution")
def convolution(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Cross-correlation with symmetric padding; weight OIHW, `[out, in/group, kh, kw]`.

    Source: BVLC/caffe, src/caffe/layers/base_conv_layer.cpp, LayerSetUp and Reshape.
    """
    param = node.message.convolution_param
    batch, channels, *size = one_map(node, bottoms)
    if param.axis not in (1, -3):
        raise RuleError(f"expected the channel axis 1, found axis {param.axis}")
    outputs = at_least(param.num_output, 1, "a num_output")
    group = at_least(param.group, 1, "a group")
    kernel = window(param, "kernel_size", None, 1)
    stride = window(param, "stride", 1, 1)
    pad = window(param, "pad", 0, 0)
    dilation = window(param, "dilation", 1, 1)
    if channels % group or outputs % group:
        raise RuleError(
            f"expected input and output channels divisible by group {group}, "
            f"found {channels} in and {outputs} out"
        )
    weight = (outputs, channels // group, *kernel)
    map_ = tuple(map(convolution_output_size, size, kernel, stride, pad, dilation))
    return Facts(
        tops=((batch, outputs, *map_),),
        parameters={"weight": weight} | ({"bias": (outputs,)} if param.bias_term else {}),
        macs=math.prod(map_) * math.prod(weight),
        attributes={
            "num_output": outputs,
            "kernel": by(kernel),
            "stride": by(stride),
            "pad": by(pad),
            "dilation": by(dilation),
            "group": group,
            "bias_term": param.bias_term,
        },
    )


@rule("Pooling")
def pooling(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """MAX or AVE over windows; `global_pooling` takes the whole map as its window.

    Source: BVLC/caffe, src/caffe/layers/pooling_layer.cpp, LayerSetUp and Reshape.
    """
    param = node.message.pooling_param
    batch, channels, *size = one_map(node, bottoms)
    if param.global_pooling:
        if (
            param.HasField("kernel_size")
            or param.HasField("kernel_h")
            or param.HasField("kernel_w")
        ):
            raise RuleError("expected global_pooling or a kernel size, found both")
        kernel: Pair = (size[0], size[1])
    else:
        kernel = window(param, "kernel_size", None, 1)
    stride, pad = window(param, "stride", 1, 1), window(param, "pad", 0, 0)
    if param.global_pooling and (stride, pad) != ((1, 1), (0, 0)):
        raise RuleError("expected stride 1 and pad 0 with global_pooling")
    if pad[0] >= kernel[0] or pad[1] >= kernel[1]:
        raise RuleError(f"expected a pad smaller than the kernel {by(kernel)}, found {by(pad)}")
    ceil = param.round_mode == caffe_pb2.PoolingParameter.CEIL
    map_ = (
        pooling_output_size(*axis, ceil=ceil, clip=any(pad))
        for axis in zip(size, kernel, stride, pad, strict=True)
    )
    return Facts(
        tops=((batch, channels, *map_),),
        attributes={
            "pool": caffe_pb2.PoolingParameter.PoolMethod.Name(param.pool),
            "kernel": by(kernel),
            "stride": by(stride),
            "pad": by(pad),
            "round_mode": caffe_pb2.PoolingParameter.RoundMode.Name(param.round_mode),
        },
    )


@rule("Interp")
def interp(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Align-corners bilinear resizing; a second bottom gives the size, and only the size.

    Without it the size is `height` and `width`, or the map's own, shrunk and then zoomed.
    Source: the authors' fork, src/caffe/layers/interp.cpp and src/caffe/util/interp.cpp; both
    factors together as in yjxiong/caffe, src/caffe/layers/interp_layer.cpp.
    """
    expect_bottoms(node, bottoms, 1, 2)
    if any(len(shape) != 4 for shape in bottoms):
        raise RuleError(f"expected bottoms of four axes (NCHW), found {list(map(list, bottoms))}")
    param = node.message.interp_param
    if param.pad_beg > 0 or param.pad_end > 0:
        raise RuleError("expected pad_beg and pad_end of at most 0: they crop")
    cropped = [at_least(s + param.pad_beg + param.pad_end, 1, "a map") for s in bottoms[0][2:]]
    size, source = _interp_size(param, cropped, bottoms)
    return Facts(
        tops=((*bottoms[0][:2], *size),),
        attributes={
            "kind": "align-corners bilinear",
            "size_from": source,
            "crop": f"{param.pad_beg} {param.pad_end}",
        },
    )


def _interp_size(
    param: caffe_pb2.InterpParameter, cropped: Sequence[int], bottoms: Sequence[Shape]
) -> tuple[Shape, str]:
    """The output's height and width and where they come from, which must be one place."""
    fixed = param.HasField("height") or param.HasField("width")
    factors = param.HasField("shrink_factor") or param.HasField("zoom_factor")
    ways = (len(bottoms) == 2, fixed, factors)
    if sum(ways) != 1:
        names = ("a second bottom", "height and width", "shrink_factor or zoom_factor")
        found = " and ".join(itertools.compress(names, ways)) or "none of them"
        raise RuleError(f"expected its size from one of {', '.join(names)}; found {found}")
    if fixed:
        size = tuple(at_least(s, 1, "a height and width") for s in (param.height, param.width))
        return size, "height and width"
    if factors:
        shrink = at_least(param.shrink_factor, 1, "a shrink_factor")
        zoom = at_least(param.zoom_factor, 1, "a zoom_factor")
        shrunk = ((s - 1) // shrink + 1 for s in cropped)
        return tuple(s + (s - 1) * (zoom - 1) for s in shrunk), f"shrink {shrink}, zoom {zoom}"
    return tuple(bottoms[1][2:]), "second bottom"
