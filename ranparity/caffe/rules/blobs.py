"""Rules of layers that make another shape of any blob: products, parts, reductions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from ranparity.caffe import caffe_pb2
from ranparity.caffe.graph import Node
from ranparity.caffe.prototxt import Shape
from ranparity.caffe.rules.base import (
    Facts,
    RuleError,
    at_least,
    canonical_axis,
    counted,
    expect_bottoms,
    one_bottom,
    rule,
    short_float,
)


@rule("InnerProduct")
def inner_product(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Flattens from `axis` on in C, H, W order; weight `[out, in]`, or `[in, out]` transposed.

    Source: BVLC/caffe, src/caffe/layers/inner_product_layer.cpp, LayerSetUp and Reshape.
    """
    expect_bottoms(node, bottoms, 1, 1)
    param, shape = node.message.inner_product_param, bottoms[0]
    outputs = at_least(param.num_output, 1, "a num_output")
    axis = canonical_axis(param.axis, shape)
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


@rule("Flatten")
def flatten(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Axes `axis` to `end_axis` as one (BVLC/caffe, src/caffe/layers/flatten_layer.cpp)."""
    one_bottom(node, bottoms)
    param, shape = node.message.flatten_param, bottoms[0]
    first, last = canonical_axis(param.axis, shape), canonical_axis(param.end_axis, shape)
    if last < first:
        raise RuleError(f"expected an end_axis of at least {first}, found {last}")
    flat = math.prod(shape[first : last + 1])
    return Facts(
        tops=((*shape[:first], flat, *shape[last + 1 :]),),
        attributes={"axis": first, "end_axis": last},
    )


@rule("Slice")
def slice_(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """A blob cut along an axis, at `slice_point`s or into equal pieces.

    Source: BVLC/caffe, src/caffe/layers/slice_layer.cpp, Reshape.
    """
    one_bottom(node, bottoms)
    param, shape = node.message.slice_param, bottoms[0]
    axis = canonical_axis(_axis_of(param, "slice_dim"), shape)
    lengths = _pieces(list(param.slice_point), shape[axis], len(node.outputs))
    return Facts(
        tops=tuple((*shape[:axis], length, *shape[axis + 1 :]) for length in lengths),
        attributes={"axis": axis},
    )


def _pieces(points: list[int], length: int, count: int) -> list[int]:
    """The lengths of the pieces of an axis."""
    at_least(count, 1, "a number of tops")
    if not points:
        if length % count:
            raise RuleError(f"expected a length that {count} tops divide, found {length}")
        return [length // count] * count
    if len(points) != count - 1:
        raise RuleError(f"expected {counted(count - 1, 'slice_point')}, found {len(points)}")
    ends = [0, *points, length]
    lengths = [end - start for start, end in itertools.pairwise(ends)]
    if min(lengths) < 1:
        raise RuleError(f"expected slice_points that rise within 1 to {length - 1}, found {points}")
    return lengths


@rule("Concat")
def concat(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Blobs one after another along an axis; all other axes agree.

    Source: BVLC/caffe, src/caffe/layers/concat_layer.cpp, Reshape.
    """
    expect_bottoms(node, bottoms, 1, None)
    axis = canonical_axis(_axis_of(node.message.concat_param, "concat_dim"), bottoms[0])
    others = {(len(shape), *shape[:axis], *shape[axis + 1 :]) for shape in bottoms}
    if len(others) > 1:
        named = [f"{name} {list(shape)}" for name, shape in zip(node.inputs, bottoms, strict=True)]
        raise RuleError(
            f"expected bottoms that differ in axis {axis} only, found {', '.join(named)}"
        )
    top = (*bottoms[0][:axis], sum(shape[axis] for shape in bottoms), *bottoms[0][axis + 1 :])
    return Facts(tops=(top,), attributes={"axis": axis})


def _axis_of(param: Any, old: str) -> int:
    """`axis`, or what the first versions of Caffe called it; both are an error."""
    if param.HasField(old) and param.HasField("axis"):
        raise RuleError(f"expected axis or {old}, found both")
    return int(getattr(param, old if param.HasField(old) else "axis"))


@rule("Reduction")
def reduction(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Sum, sum of magnitudes or squares, or mean, of all axes from one on, times a coefficient.

    Source: BVLC/caffe, src/caffe/layers/reduction_layer.cpp.
    """
    one_bottom(node, bottoms)
    param, shape = node.message.reduction_param, bottoms[0]
    axis = canonical_axis(param.axis, shape)
    return Facts(
        tops=(shape[:axis],),
        attributes={
            "operation": caffe_pb2.ReductionParameter.ReductionOp.Name(param.operation),
            "axis": axis,
            "coeff": short_float(param.coeff),
        },
    )


@rule("Parameter")
def parameter(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """A blob that is trained and that no input determines.

    Source: BVLC/caffe, include/caffe/layers/parameter_layer.hpp.
    """
    expect_bottoms(node, bottoms, 0, 0)
    shape = tuple(node.message.parameter_param.shape.dim)
    if not shape or min(shape) < 1:
        raise RuleError(f"expected a shape of positive dimensions, found {list(shape)}")
    return Facts(tops=(shape,), parameters={"parameter": shape})
