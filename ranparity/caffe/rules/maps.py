"""Rules of layers that take maps (NCHW): windows, pools, resizing."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

from ranparity.caffe import caffe_pb2
from ranparity.caffe.graph import Node
from ranparity.caffe.prototxt import Shape
from ranparity.caffe.rules.base import (
    Attribute,
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
    short_float,
    window,
)


@rule("Convolution")
def convolution(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Cross-correlation with symmetric padding; weight OIHW, `[out, in/group, kh, kw]`.

    Source: BVLC/caffe, src/caffe/layers/base_conv_layer.cpp, LayerSetUp and Reshape.
    """
    shape = one_map(node, bottoms)
    return _convolved(shape, _windows(node, shape, node.message.convolution_param.group))


@rule("DepthwiseConvolution")
def depthwise(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """A convolution whose groups its `group` says, as in the plain one.

    Source: yonghenglh6/DepthwiseConvolution, depthwise_conv_layer.cpp.
    """
    return convolution(node, bottoms)


@rule("ConvolutionDepthwise")
def channelwise(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """A convolution of each channel by itself, whatever its `group` says.

    Source: sp2823/caffe, conv_dw_layer.cpp.
    """
    shape = one_map(node, bottoms)
    return _convolved(shape, _windows(node, shape, shape[1]))


@dataclasses.dataclass(frozen=True)
class _Windows:
    """What a convolution, or its reverse, is described by."""

    outputs: int
    group: int
    kernel: Pair
    stride: Pair
    pad: Pair
    dilation: Pair
    bias: bool

    @property
    def attributes(self) -> dict[str, Attribute]:
        return {
            "num_output": self.outputs,
            "kernel": by(self.kernel),
            "stride": by(self.stride),
            "pad": by(self.pad),
            "dilation": by(self.dilation),
            "group": self.group,
            "bias_term": self.bias,
        }

    def parameters(self, weight: Shape) -> dict[str, Shape]:
        return {"weight": weight} | ({"bias": (self.outputs,)} if self.bias else {})


def _windows(node: Node, shape: Shape, group: int) -> _Windows:
    param = node.message.convolution_param
    if param.axis not in (1, -3):
        raise RuleError(f"expected the channel axis 1, found axis {param.axis}")
    outputs = at_least(param.num_output, 1, "a num_output")
    if at_least(group, 1, "a group") and (shape[1] % group or outputs % group):
        raise RuleError(
            f"expected input and output channels divisible by group {group}, "
            f"found {shape[1]} in and {outputs} out"
        )
    return _Windows(
        outputs,
        group,
        window(param, "kernel_size", None, 1),
        window(param, "stride", 1, 1),
        window(param, "pad", 0, 0),
        _dilation(param),
        param.bias_term,
    )


def _dilation(param: caffe_pb2.ConvolutionParameter) -> Pair:
    """A convolution's dilation, which DeepLab's fork calls `hole`; both are an error."""
    holes = param.hole or param.HasField("hole_h") or param.HasField("hole_w")
    if holes and param.dilation:
        raise RuleError("expected dilation or hole, found both")
    return window(param, "hole" if holes else "dilation", 1, 1)


def _convolved(shape: Shape, given: _Windows) -> Facts:
    batch, channels, *size = shape
    weight = (given.outputs, channels // given.group, *given.kernel)
    places = (size, given.kernel, given.stride, given.pad, given.dilation)
    map_ = tuple(map(convolution_output_size, *places))
    return Facts(
        tops=((batch, given.outputs, *map_),),
        parameters=given.parameters(weight),
        macs=math.prod(map_) * math.prod(weight),
        attributes=given.attributes,
    )


@rule("Deconvolution")
def deconvolution(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """A convolution's gradient by its input; weight `[in, out/group, kh, kw]`.

    `out = s (in - 1) + d (k - 1) + 1 - 2p` (BVLC/caffe, src/caffe/layers/deconv_layer.cpp,
    compute_output_shape).
    """
    shape = one_map(node, bottoms)
    batch, channels, *size = shape
    given = _windows(node, shape, node.message.convolution_param.group)
    places = (size, given.kernel, given.stride, given.pad, given.dilation)
    map_ = tuple(
        at_least(stride * (side - 1) + dilation * (kernel - 1) + 1 - 2 * pad, 1, "a map")
        for side, kernel, stride, pad, dilation in zip(*places, strict=True)
    )
    weight = (channels, given.outputs // given.group, *given.kernel)
    return Facts(
        tops=((batch, given.outputs, *map_),),
        parameters=given.parameters(weight),
        macs=math.prod(size) * math.prod(weight),
        attributes=given.attributes,
    )


@rule("LRN")
def lrn(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """`x / (k + alpha / n * sum x^2) ^ beta` over n neighbouring channels, or places.

    Source: BVLC/caffe, src/caffe/layers/lrn_layer.cpp, LayerSetUp.
    """
    param, shape = node.message.lrn_param, one_map(node, bottoms)
    if at_least(param.local_size, 1, "a local_size") % 2 == 0:
        raise RuleError(f"expected an odd local_size, found {param.local_size}")
    return Facts(
        tops=(shape,),
        attributes={
            "local_size": param.local_size,
            "alpha": short_float(param.alpha),
            "beta": short_float(param.beta),
            "k": short_float(param.k),
            "norm_region": caffe_pb2.LRNParameter.NormRegion.Name(param.norm_region),
        },
    )


@rule("Upsample")
def upsample(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """A max pool undone: each element at the place that the pool's second top remembers.

    Source: alexgkendall/caffe-segnet, src/caffe/layers/upsample_layer.cpp, LayerSetUp and Reshape.
    """
    expect_bottoms(node, bottoms, 2, 2)
    param, (shape, mask) = node.message.upsample_param, bottoms
    if len(shape) != 4 or shape != mask:
        raise RuleError(f"expected a map and its mask alike, found {by(shape)} and {by(mask)}")
    if param.HasField("upsample_h") != param.HasField("upsample_w"):
        raise RuleError("expected both upsample_h and upsample_w, found one of them")
    if param.HasField("upsample_h"):
        size: Shape = (param.upsample_h, param.upsample_w)
    else:
        both = param.HasField("scale_h") and param.HasField("scale_w")
        factors = (param.scale_h, param.scale_w) if both else (param.scale, param.scale)
        pads = (param.pad_out_h, param.pad_out_w)
        if any(pads) and factors != (2, 2):
            raise RuleError(f"expected pad_out with scale 2 only, found scale {by(factors)}")
        size = tuple(
            side * at_least(factor, 1, "a scale") - int(pad)
            for side, factor, pad in zip(shape[2:], factors, pads, strict=True)
        )
    return Facts(tops=((*shape[:2], *size),), attributes={"size": by(size)})


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
    ceil = _is_ceil(param)
    map_ = tuple(
        pooling_output_size(*axis, ceil=ceil, clip=any(pad))
        for axis in zip(size, kernel, stride, pad, strict=True)
    )
    pool = caffe_pb2.PoolingParameter.PoolMethod.Name(param.pool)
    masks = len(node.outputs) - 1 if pool == "MAX" else 0
    return Facts(
        tops=((batch, channels, *map_),) * (1 + min(1, masks)),  # the second is where they were
        attributes={
            "pool": pool,
            "kernel": by(kernel),
            "stride": by(stride),
            "pad": by(pad),
            "round_mode": "CEIL" if ceil else "FLOOR",
        },
    )


def _is_ceil(param: caffe_pb2.PoolingParameter) -> bool:
    """Whether a pool's size is rounded up: `round_mode`, which some forks call `ceil_mode`."""
    if param.HasField("ceil_mode") and param.HasField("round_mode"):
        raise RuleError("expected round_mode or ceil_mode, found both")
    return param.ceil_mode and param.round_mode == caffe_pb2.PoolingParameter.CEIL


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
