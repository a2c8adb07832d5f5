"""One pure rule per Caffe layer type: attributes, output shapes, parameters and MACs.

To add a layer type, write one function with `@rule("Type")` here and one table in
tests/caffe/test_shapes.py. A rule gets the layer's node and its bottoms' shapes (NCHW where
there are four axes) and returns `Facts`.
"""

from __future__ import annotations

import ctypes
import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ranparity.caffe import caffe_pb2
from ranparity.caffe.graph import Graph, Node
from ranparity.caffe.prototxt import Shape
from ranparity.errors import InputError

Attribute = str | int | float | bool
Pair = tuple[int, int]

MOST_ELEMENTS = 2**31 - 1  # of one blob: Caffe counts them in an int


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a layer's description determines.

    Attributes:
        tops: The shape of each top.
        parameters: Trainable blobs in Caffe's order and layout, name to shape.
        statistics: Blobs that are not trained, name to shape.
        macs: Multiply-accumulates of convolutions and inner products for one item of the batch.
        attributes: What determines the computation beside shapes and order of inputs.
    """

    tops: tuple[Shape, ...]
    parameters: Mapping[str, Shape] = dataclasses.field(default_factory=dict)
    statistics: Mapping[str, Shape] = dataclasses.field(default_factory=dict)
    macs: int = 0
    attributes: Mapping[str, Attribute] = dataclasses.field(default_factory=dict)

    @property
    def parameter_count(self) -> int:
        """Number of trainable elements."""
        return sum(map(math.prod, self.parameters.values()))

    @property
    def statistic_count(self) -> int:
        """Number of elements that are kept but not trained."""
        return sum(map(math.prod, self.statistics.values()))


@dataclasses.dataclass(frozen=True)
class Totals:
    """Sums over a net; blobs are the tensors of the single-assignment graph, inputs included."""

    layers: int
    blobs: int
    trainable_parameters: int
    parameters_with_statistics: int
    macs: int


class RuleError(Exception):
    """A layer that its rule refuses; `infer` adds the layer's name."""


Rule = Callable[[Node, Sequence[Shape]], Facts]
RULES: dict[str, Rule] = {}


def rule(type_: str) -> Callable[[Rule], Rule]:
    """Registers the rule of a layer type."""

    def register(function: Rule) -> Rule:
        RULES[type_] = function
        return function

    return register


def facts(node: Node, bottoms: Sequence[Shape], source: str) -> Facts:
    """Applies the rule of a node's type to the shapes of its bottoms.

    Raises:
        InputError: An unknown type, or a layer that its rule refuses; names the layer.
    """
    where = f'{source}: layer "{node.name}" ({node.type})'
    if node.type not in RULES:
        known = ", ".join(sorted(RULES))
        raise InputError(f"{where}: unknown layer type; expected one of {known}")
    try:
        result = RULES[node.type](node, bottoms)
    except RuleError as error:
        raise InputError(f"{where}: {error}") from None
    if len(result.tops) != len(node.outputs):
        expected = counted(len(result.tops), "top")
        raise InputError(f"{where}: expected {expected}, found {len(node.outputs)}")
    for blob, shape in zip(node.outputs, result.tops, strict=True):
        _check_blob(blob, shape, where)
    return result


def _check_blob(blob: str, shape: Shape, where: str) -> None:
    """Refuses a blob that Caffe could not hold (BVLC/caffe, src/caffe/blob.cpp, Reshape)."""
    if math.prod(shape) > MOST_ELEMENTS:
        raise InputError(
            f'{where}: blob "{blob}" would be {by(shape)}; expected at most '
            f"{MOST_ELEMENTS} elements, as in Caffe"
        )


def infer(graph: Graph) -> list[tuple[Node, Facts]]:
    """Applies the rules along the whole graph.

    Raises:
        InputError: The first layer that its rule refuses.
    """
    shapes = {given.name: given.shape for given in graph.inputs}
    for blob, shape in shapes.items():
        _check_blob(blob, shape, graph.source)
    result = []
    for node in graph.nodes:
        found = facts(node, [shapes[name] for name in node.inputs], graph.source)
        shapes.update(zip(node.outputs, found.tops, strict=True))
        result.append((node, found))
    return result


def totals(inputs: int, layers: Sequence[Facts]) -> Totals:
    """Sums over a net's layers; `inputs` is the number of its input blobs."""
    trainable = sum(found.parameter_count for found in layers)
    return Totals(
        layers=len(layers),
        blobs=inputs + sum(len(found.tops) for found in layers),
        trainable_parameters=trainable,
        parameters_with_statistics=trainable + sum(found.statistic_count for found in layers),
        macs=sum(found.macs for found in layers),
    )


def convolution_output_size(size: int, kernel: int, stride: int, pad: int, dilation: int) -> int:
    """The floor rule: `(in + 2p - (d(k-1)+1)) // s + 1`, in pixels.

    112 pixels, kernel 3, stride 2, pad 1: (112 + 2 - 3) // 2 + 1 = 56
    (BVLC/caffe, src/caffe/layers/conv_layer.cpp, compute_output_shape).

    Raises:
        RuleError: The window is larger than its padded map.
    """
    extent = dilation * (kernel - 1) + 1
    _check_window(extent, size, pad)
    return (size + 2 * pad - extent) // stride + 1


def pooling_output_size(
    size: int, kernel: int, stride: int, pad: int, *, ceil: bool = True, clip: bool | None = None
) -> int:
    """The ceil rule: `ceil((in + 2p - k) / s) + 1`, clipped where there is padding, in pixels.

    112 pixels, kernel 3, stride 2, no pad: ceil(109 / 2) + 1 = 56, whose last window hangs one
    pixel over the edge. With a pad on either axis the last window must start inside the map or
    its first padding, so it is one less where `(out - 1) s >= in + p`
    (BVLC/caffe, src/caffe/layers/pooling_layer.cpp, Reshape).

    Args:
        size: The map's height or width.
        kernel: The window's.
        stride: The step between windows.
        pad: Padding on each side.
        ceil: Whether the division is rounded up (`round_mode: CEIL`, Caffe's default).
        clip: Whether either axis has padding; by default whether this one has.

    Raises:
        RuleError: The window is larger than its padded map.
    """
    _check_window(kernel, size, pad)
    span = size + 2 * pad - kernel
    out = (-(-span // stride) if ceil else span // stride) + 1
    if (pad > 0 if clip is None else clip) and (out - 1) * stride >= size + pad:
        out -= 1
    return out


def _check_window(extent: int, size: int, pad: int) -> None:
    if extent > size + 2 * pad:
        raise RuleError(
            f"a window of {extent} pixels is larger than its map of {size} (padding {pad}); "
            "expected a smaller window or a larger input"
        )


def short_float(value: float) -> float:
    """The shortest decimal of a float32 that a prototxt holds: 1e-05, not 9.99999974e-06."""
    shorter = (float(f"{value:.{digits}g}") for digits in range(1, 10))
    return next((short for short in shorter if ctypes.c_float(short).value == value), value)


def by(sides: Sequence[int]) -> str:
    """Lengths as text, a height and a width for one: `3x3`."""
    return "x".join(map(str, sides))


def counted(count: int, thing: str) -> str:
    """A count and its noun: `1 top`, `2 tops`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _bottoms(node: Node, bottoms: Sequence[Shape], least: int, most: int | None) -> None:
    if len(bottoms) < least or (most is not None and len(bottoms) > most):
        wanted = counted(least, "bottom")
        if least != most:
            wanted = f"{least} to {most} bottoms" if most else f"at least {wanted}"
        found = ", ".join(f'"{name}"' for name in node.inputs) or "none"
        raise RuleError(f"expected {wanted}, found {found}")


def _one_map(node: Node, bottoms: Sequence[Shape]) -> Shape:
    """The shape of the layer's only bottom, which must have four axes (NCHW)."""
    _bottoms(node, bottoms, 1, 1)
    if len(bottoms[0]) != 4:
        raise RuleError(f"expected a bottom of four axes (NCHW), found {list(bottoms[0])}")
    return bottoms[0]


def _at_least(value: int, least: int, what: str) -> int:
    if value < least:
        raise RuleError(f"expected {what} of at least {least}, found {value}")
    return value


def window(param: Any, field: str, default: int | None, least: int) -> Pair:
    """Height and width of a window's `kernel_size`, `stride`, `pad` or `dilation`.

    One field for both (in convolutions it may be repeated, height then width), or `_h` and
    `_w`; both forms together are an error. A convolution's `pad_h` or `pad_w` alone leaves the
    other 0; of all else both are needed
    (BVLC/caffe, src/caffe/layers/base_conv_layer.cpp and pooling_layer.cpp, LayerSetUp).
    """
    short = "kernel" if field == "kernel_size" else field
    names = [
        name for name in (f"{short}_h", f"{short}_w") if name in param.DESCRIPTOR.fields_by_name
    ]
    given = [getattr(param, name) for name in names if param.HasField(name)]
    both = _values(param, field)
    if both and given:
        raise RuleError(f"expected {field} or {short}_h and {short}_w, found both")
    if len(given) == 1:
        if field != "pad" or not isinstance(param, caffe_pb2.ConvolutionParameter):
            raise RuleError(f"expected both {short}_h and {short}_w, found one of them")
        given = [param.pad_h, param.pad_w]
    values = both or given or ([] if default is None else [default])
    if not values:
        raise RuleError(f"expected a {field}, found none")
    if len(values) > 2:
        raise RuleError(f"expected one or two values of {field}, found {len(values)}")
    height, width = (_at_least(value, least, f"a {field}") for value in (values[0], values[-1]))
    return height, width


def _values(param: Any, field: str) -> list[int]:
    """What a message gives for a field, repeated or not; an empty list where it is not given."""
    if param.DESCRIPTOR.fields_by_name[field].is_repeated:
        return list(getattr(param, field))
    return [getattr(param, field)] if param.HasField(field) else []


def _axis(axis: int, shape: Shape) -> int:
    """A canonical axis; negative ones count from the end."""
    if not -len(shape) <= axis < len(shape):
        raise RuleError(f"expected an axis of a blob with {len(shape)} axes, found {axis}")
    return axis % len(shape)


@rule("Convolution")
def convolution(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Cross-correlation with symmetric padding; weight OIHW, `[out, in/group, kh, kw]`.

    Source: BVLC/caffe, src/caffe/layers/base_conv_layer.cpp, LayerSetUp and Reshape.
    """
    param = node.message.convolution_param
    batch, channels, *size = _one_map(node, bottoms)
    if param.axis not in (1, -3):
        raise RuleError(f"expected the channel axis 1, found axis {param.axis}")
    outputs = _at_least(param.num_output, 1, "a num_output")
    group = _at_least(param.group, 1, "a group")
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
    batch, channels, *size = _one_map(node, bottoms)
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


@rule("BN")
def bn(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """The merged batch normalisation of the authors' fork: slope, bias, mean and variance.

    `frozen` says how a release is fine-tuned, not what the layer computes, and is no attribute.
    Source: the fork's src/caffe/layers/bn_layer.cpp.
    """
    _bottoms(node, bottoms, 1, 1)
    param, shape = node.message.bn_param, bottoms[0]
    if len(shape) < 2:
        raise RuleError(f"expected a bottom with a channel axis, found {list(shape)}")
    channel = (shape[1],)
    return Facts(
        tops=(shape,),
        parameters={"slope": channel, "bias": channel},
        statistics={"mean": channel, "variance": channel},
        attributes={"eps": short_float(param.eps), "momentum": short_float(param.momentum)},
    )


@rule("ReLU")
def relu(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """`max(x, 0) + negative_slope * min(x, 0)` (BVLC/caffe, src/caffe/layers/relu_layer.cpp)."""
    _bottoms(node, bottoms, 1, 1)
    slope = short_float(node.message.relu_param.negative_slope)
    return Facts(tops=(bottoms[0],), attributes={"negative_slope": slope})


@rule("Sigmoid")
def sigmoid(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """`1 / (1 + exp(-x))` (BVLC/caffe, src/caffe/layers/sigmoid_layer.cpp)."""
    _bottoms(node, bottoms, 1, 1)
    return Facts(tops=(bottoms[0],))


@rule("Softmax")
def softmax(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Softmax over one axis (BVLC/caffe, src/caffe/layers/softmax_layer.cpp)."""
    _bottoms(node, bottoms, 1, 1)
    axis = _axis(node.message.softmax_param.axis, bottoms[0])
    return Facts(tops=(bottoms[0],), attributes={"axis": axis})


@rule("Eltwise")
def eltwise(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """PROD, SUM (with coefficients) or MAX of equal shapes, without broadcasting.

    Source: BVLC/caffe, src/caffe/layers/eltwise_layer.cpp, LayerSetUp and Reshape.
    """
    _bottoms(node, bottoms, 2, None)
    param = node.message.eltwise_param
    operation = caffe_pb2.EltwiseParameter.EltwiseOp.Name(param.operation)
    if len(set(bottoms)) > 1:
        named = [f"{name} {list(shape)}" for name, shape in zip(node.inputs, bottoms, strict=True)]
        raise RuleError(f"expected bottoms of equal shapes, found {', '.join(named)}")
    if param.coeff and operation != "SUM":
        raise RuleError(f"expected coeff with operation SUM only, found {operation}")
    if param.coeff and len(param.coeff) != len(bottoms):
        raise RuleError(f"expected {len(bottoms)} values of coeff, found {len(param.coeff)}")
    coefficients = list(param.coeff) or [1.0] * len(bottoms)
    attributes: dict[str, Attribute] = {"operation": operation}
    if operation == "SUM":
        attributes["coeff"] = " ".join(f"{short_float(value):.9g}" for value in coefficients)
    return Facts(tops=(bottoms[0],), attributes=attributes)


@rule("InnerProduct")
def inner_product(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Flattens from `axis` on in C, H, W order; weight `[out, in]`, or `[in, out]` transposed.

    Source: BVLC/caffe, src/caffe/layers/inner_product_layer.cpp, LayerSetUp and Reshape.
    """
    _bottoms(node, bottoms, 1, 1)
    param, shape = node.message.inner_product_param, bottoms[0]
    outputs = _at_least(param.num_output, 1, "a num_output")
    axis = _axis(param.axis, shape)
    inputs = math.prod(shape[axis:])
    weight = (inputs, outputs) if param.transpose else (outputs, inputs)
    return Facts(
        tops=((*shape[:axis], outputs),),
        parameters={"weight": weight} | ({"bias": (outputs,)} if param.bias_term else {}),
        macs=inputs * outputs * math.prod(shape[1:axis]),
        attributes={
            "num_output": outputs,
            "bias_term": param.bias_term,
            "axis": axis,
            "transpose": param.transpose,
        },
    )


@rule("Interp")
def interp(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Align-corners bilinear resizing; a second bottom gives the size, and only the size.

    Without it the size is `height` and `width`, or the map's own, shrunk and then zoomed.
    Source: the authors' fork, src/caffe/layers/interp.cpp and src/caffe/util/interp.cpp; both
    factors together as in yjxiong/caffe, src/caffe/layers/interp_layer.cpp.
    """
    _bottoms(node, bottoms, 1, 2)
    if any(len(shape) != 4 for shape in bottoms):
        raise RuleError(f"expected bottoms of four axes (NCHW), found {list(map(list, bottoms))}")
    param = node.message.interp_param
    if param.pad_beg > 0 or param.pad_end > 0:
        raise RuleError("expected pad_beg and pad_end of at most 0: they crop")
    cropped = [_at_least(s + param.pad_beg + param.pad_end, 1, "a map") for s in bottoms[0][2:]]
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
        size = tuple(_at_least(s, 1, "a height and width") for s in (param.height, param.width))
        return size, "height and width"
    if factors:
        shrink = _at_least(param.shrink_factor, 1, "a shrink_factor")
        zoom = _at_least(param.zoom_factor, 1, "a zoom_factor")
        shrunk = ((s - 1) // shrink + 1 for s in cropped)
        return tuple(s + (s - 1) * (zoom - 1) for s in shrunk), f"shrink {shrink}, zoom {zoom}"
    return tuple(bottoms[1][2:]), "second bottom"
