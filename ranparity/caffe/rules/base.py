"""What all rules share: facts, the registry, windows and sizes, refusals."""

from __future__ import annotations

import ctypes
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ranparity.caffe import caffe_pb2
from ranparity.caffe.graph import Node
from ranparity.caffe.prototxt import Shape

Attribute = str | int | float | bool
Pair = tuple[int, int]
MOST_AXES = 32  # of one blob (BVLC/caffe, include/caffe/blob.hpp, kMaxBlobAxes)


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a layer's description determines.

    Attributes:
        tops: The shape of each top.
        parameters: Trainable blobs in Caffe's order and layout, name to shape.
        statistics: Blobs that are not trained, name to shape.
        macs: Multiply-accumulates of convolutions, deconvolutions and inner products, for one item
            of the batch.
        attributes: What determines the computation beside shapes and order of inputs.
        shared: Of the parameters that layers share, the name by which they do (`param.name`).
        borrowed: Those of them that a layer before has already, which are not counted again.
    """

    tops: tuple[Shape, ...]
    parameters: Mapping[str, Shape] = dataclasses.field(default_factory=dict)
    statistics: Mapping[str, Shape] = dataclasses.field(default_factory=dict)
    macs: int = 0
    attributes: Mapping[str, Attribute] = dataclasses.field(default_factory=dict)
    shared: Mapping[str, str] = dataclasses.field(default_factory=dict)
    borrowed: tuple[str, ...] = ()

    @property
    def parameter_count(self) -> int:
        """Number of trainable elements, without what is borrowed."""
        own = (shape for name, shape in self.parameters.items() if name not in self.borrowed)
        return sum(map(math.prod, own))

    @property
    def statistic_count(self) -> int:
        """Number of elements that are kept but not trained."""
        return sum(map(math.prod, self.statistics.values()))


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


def sides(text: Any) -> tuple[int, ...]:
    """Lengths from text as `by` makes it."""
    return tuple(map(int, str(text).split("x")))


def counted(count: int, thing: str) -> str:
    """A count and its noun: `1 top`, `2 tops`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def expect_bottoms(node: Node, bottoms: Sequence[Shape], least: int, most: int | None) -> None:
    """Refuses a layer with fewer or more bottoms; None is any number."""
    if len(bottoms) < least or (most is not None and len(bottoms) > most):
        wanted = counted(least, "bottom")
        if least != most:
            wanted = f"{least} to {most} bottoms" if most else f"at least {wanted}"
        found = ", ".join(f'"{name}"' for name in node.inputs) or "none"
        raise RuleError(f"expected {wanted}, found {found}")


def one_map(node: Node, bottoms: Sequence[Shape]) -> Shape:
    """The shape of the layer's only bottom, which must have four axes (NCHW)."""
    expect_bottoms(node, bottoms, 1, 1)
    if len(bottoms[0]) != 4:
        raise RuleError(f"expected a bottom of four axes (NCHW), found {list(bottoms[0])}")
    return bottoms[0]


def at_least(value: int, least: int, what: str) -> int:
    """The value, or a refusal that names what it is."""
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
    height, width = (at_least(value, least, f"a {field}") for value in (values[0], values[-1]))
    return height, width


def _values(param: Any, field: str) -> list[int]:
    """What a message gives for a field, repeated or not; an empty list where it is not given."""
    if param.DESCRIPTOR.fields_by_name[field].is_repeated:
        return list(getattr(param, field))
    return [getattr(param, field)] if param.HasField(field) else []


def canonical_axis(axis: int, shape: Shape) -> int:
    """A canonical axis; negative ones count from the end."""
    if not -len(shape) <= axis < len(shape):
        raise RuleError(f"expected an axis of a blob with {len(shape)} axes, found {axis}")
    return axis % len(shape)


def one_bottom(node: Node, bottoms: Sequence[Shape]) -> None:
    """Refuses a layer without exactly one bottom."""
    expect_bottoms(node, bottoms, 1, 1)
