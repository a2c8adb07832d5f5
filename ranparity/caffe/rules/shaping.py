"""Rules of layers that move, copy, crop or count elements."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

from ranparity.caffe.graph import Node
from ranparity.caffe.prototxt import Shape
from ranparity.caffe.rules.base import (
    MOST_AXES,
    Attribute,
    Facts,
    RuleError,
    at_least,
    by,
    canonical_axis,
    expect_bottoms,
    one_bottom,
    one_map,
    rule,
    short_float,
)


@rule("Reshape")
def reshape(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Other axes for the same elements: 0 copies one, one -1 is what is left.

    Source: BVLC/caffe, src/caffe/layers/reshape_layer.cpp.
    """
    one_bottom(node, bottoms)
    param, shape = node.message.reshape_param, bottoms[0]
    dims = list(param.shape.dim)
    if len(dims) > MOST_AXES:
        raise RuleError(f"expected at most {MOST_AXES} dimensions, as in Caffe; found {len(dims)}")
    first = param.axis if param.axis >= 0 else len(shape) + param.axis + 1
    last = len(shape) if param.num_axes == -1 else first + param.num_axes
    if not 0 <= first <= last <= len(shape) or param.num_axes < -1:
        raise RuleError(
            f"expected axis and num_axes within {len(shape)} axes, found axis {param.axis} and "
            f"num_axes {param.num_axes}"
        )
    replaced, made = shape[first:last], []
    for place, dim in enumerate(dims):
        if dim == 0 and first + place >= len(shape):
            raise RuleError(f"expected an axis to copy for dim {place + 1}, found none")
        made.append(shape[first + place] if dim == 0 else dim)
    top = (*shape[:first], *_inferred(made, math.prod(replaced)), *shape[last:])
    if math.prod(top) != math.prod(shape):
        raise RuleError(f"expected {math.prod(shape)} elements, as in {by(shape)}; found {by(top)}")
    return Facts(tops=(top,), attributes={"shape": by(top[1:])})


def _inferred(dims: Sequence[int], count: int) -> Shape:
    """The dimensions with the one that is -1 worked out."""
    unknown = [place for place, dim in enumerate(dims) if dim == -1]
    if len(unknown) > 1 or any(dim < -1 for dim in dims):
        raise RuleError(f"expected dimensions of 0 or more and one -1 at most, found {list(dims)}")
    known = math.prod(dim for dim in dims if dim != -1)
    if unknown and (not known or count % known):
        raise RuleError(f"expected dimensions that divide {count}, found {list(dims)}")
    return tuple(count // known if dim == -1 else dim for dim in dims)


@rule("Permute")
def permute(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Axes in another order; those that are not named keep theirs, at the end.

    Source: weiliu89/caffe, branch ssd, src/caffe/layers/permute_layer.cpp, LayerSetUp.
    """
    one_bottom(node, bottoms)
    shape, order = bottoms[0], list(node.message.permute_param.order)
    if len(set(order)) < len(order) or any(axis >= len(shape) for axis in order):
        raise RuleError(f"expected an order of the {len(shape)} axes, each once; found {order}")
    order += [axis for axis in range(len(shape)) if axis not in order]
    return Facts(tops=(tuple(shape[axis] for axis in order),), attributes={"order": by(order)})


@rule("Tile")
def tile(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """An axis several times over (BVLC/caffe, src/caffe/layers/tile_layer.cpp)."""
    one_bottom(node, bottoms)
    param, shape = node.message.tile_param, bottoms[0]
    axis, tiles = canonical_axis(param.axis, shape), at_least(param.tiles, 1, "a number of tiles")
    top = (*shape[:axis], shape[axis] * tiles, *shape[axis + 1 :])
    return Facts(tops=(top,), attributes={"axis": axis, "tiles": tiles})


@rule("Split")
def split(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """The same blob under several names (BVLC/caffe, src/caffe/layers/split_layer.cpp)."""
    one_bottom(node, bottoms)
    return Facts(tops=(bottoms[0],) * len(node.outputs))


@rule("Silence")
def silence(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Reads blobs so that they are no outputs (BVLC/caffe, src/caffe/layers/silence_layer.cpp)."""
    expect_bottoms(node, bottoms, 1, None)
    return Facts(tops=())


@rule("ArgMax")
def argmax(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """The places of the largest elements, along an axis or of each item.

    Source: BVLC/caffe, src/caffe/layers/argmax_layer.cpp, Reshape.
    """
    one_bottom(node, bottoms)
    param, shape = node.message.argmax_param, bottoms[0]
    top_k = at_least(param.top_k, 1, "a top_k")
    attributes: dict[str, Attribute] = {"top_k": top_k, "out_max_val": param.out_max_val}
    if param.HasField("axis"):
        axis = canonical_axis(param.axis, shape)
        most, top = shape[axis], (*shape[:axis], top_k, *shape[axis + 1 :])
        attributes["axis"] = axis
    else:
        most = math.prod(shape[1:])
        top = (shape[0], 2 if param.out_max_val else 1, top_k, *(1,) * max(0, len(shape) - 3))
    if top_k > most:
        raise RuleError(f"expected a top_k of at most {most}, found {top_k}")
    return Facts(tops=(top,), attributes=attributes)


@rule("Crop")
def crop(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """A part of the first bottom, as large as the second one from an axis on.

    Source: BVLC/caffe, src/caffe/layers/crop_layer.cpp, LayerSetUp and Reshape.
    """
    expect_bottoms(node, bottoms, 2, 2)
    param, (shape, like) = node.message.crop_param, bottoms
    axis, offsets = canonical_axis(param.axis, shape), list(param.offset)
    count = len(shape) - axis
    if len(like) != len(shape):
        raise RuleError(f"expected bottoms of equally many axes, found {by(shape)} and {by(like)}")
    if len(offsets) not in (0, 1, count):
        raise RuleError(f"expected no offset, 1 or {count}; found {len(offsets)}")
    offsets = offsets * count if len(offsets) == 1 else offsets or [0] * count
    for place, offset in zip(range(axis, len(shape)), offsets, strict=True):
        if offset + like[place] > shape[place]:
            raise RuleError(
                f"expected {like[place]} elements from offset {offset} on in axis {place}, found "
                f"{shape[place]} in all"
            )
    return Facts(
        tops=((*shape[:axis], *like[axis:]),), attributes={"axis": axis, "offset": by(offsets)}
    )


@rule("ShuffleChannel")
def shuffle_channel(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Channels as (group, rest) and back as (rest, group).

    Source: farmingyard/ShuffleNet, shuffle_channel_layer.cpp.
    """
    shape, group = one_map(node, bottoms), node.message.shuffle_channel_param.group
    if at_least(group, 1, "a group") and shape[1] % group:
        raise RuleError(f"expected channels divisible by group {group}, found {shape[1]}")
    return Facts(tops=(shape,), attributes={"group": group})


@rule("Axpy")
def axpy(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """`a x + y` with one a for each channel of each item (hujie-frank/SENet, axpy_layer.cpp)."""
    expect_bottoms(node, bottoms, 3, 3)
    factor, x, y = bottoms
    if len(x) < 2 or factor not in (x[:2], (*x[:2], *(1,) * (len(x) - 2))) or x != y:
        raise RuleError(
            f"expected a factor for each channel and two equal shapes, found "
            f"{', '.join(by(shape) for shape in bottoms)}"
        )
    return Facts(tops=(x,))


SAME = 1e-6  # apart, two aspect ratios are one


@rule("PriorBox")
def prior_box(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Boxes at each position of a map, and their variances.

    Source: weiliu89/caffe, branch ssd, src/caffe/layers/prior_box_layer.cpp, LayerSetUp.
    """
    expect_bottoms(node, bottoms, 2, 2)
    param = node.message.prior_box_param
    if not param.min_size or min(param.min_size) <= 0:
        raise RuleError("expected a min_size above 0")
    if param.max_size and len(param.max_size) != len(param.min_size):
        raise RuleError(
            f"expected as many max_size as min_size ({len(param.min_size)}), found "
            f"{len(param.max_size)}"
        )
    ratios = [1.0]  # in rising order
    for ratio in param.aspect_ratio:
        if not ratio > 0:
            raise RuleError(f"expected an aspect_ratio above 0, found {ratio}")
        place = bisect.bisect(ratios, ratio)
        if all(abs(ratio - known) >= SAME for known in ratios[max(0, place - 1) : place + 1]):
            for other in (ratio, 1 / ratio) if param.flip else (ratio,):
                bisect.insort(ratios, other)
    priors = len(ratios) * len(param.min_size) + len(param.max_size)
    if len(bottoms[0]) != 4:
        raise RuleError(f"expected a map (NCHW), found {by(bottoms[0])}")
    height, width = bottoms[0][2:]
    return Facts(
        tops=((1, 2, height * width * priors * 4),),
        attributes={
            "priors": priors,
            "flip": param.flip,
            "clip": param.clip,
            "offset": short_float(param.offset),
        },
    )


@rule("Embed")
def embed(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """A row of the weight for each index (BVLC/caffe, src/caffe/layers/embed_layer.cpp)."""
    one_bottom(node, bottoms)
    param = node.message.embed_param
    outputs = at_least(param.num_output, 1, "a num_output")
    weight = (at_least(param.input_dim, 1, "an input_dim"), outputs)
    return Facts(
        tops=((*bottoms[0], outputs),),
        parameters={"weight": weight} | ({"bias": (outputs,)} if param.bias_term else {}),
        attributes={"num_output": outputs, "bias_term": param.bias_term},
    )
