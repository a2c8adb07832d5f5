"""Layers that move, copy, crop or count elements."""

from __future__ import annotations

from collections.abc import Sequence

from ranparity.caffe.arbiter.base import Call, Made, Sums, layer
from ranparity.caffe.graph import Node
from ranparity.caffe.prototxt import Shape
from ranparity.caffe.rules.base import sides
from ranparity.caffe.shapes import Facts


@layer("Reshape")
def reshape(call: Call) -> Made:
    """The same elements on other axes (BVLC/caffe, src/caffe/layers/reshape_layer.cpp)."""
    return Made((call.bottoms[0].reshape(call.facts.tops[0]),))


@layer("Permute")
def permute(call: Call) -> Made:
    """Axes in another order (weiliu89/caffe, branch ssd, src/caffe/layers/permute_layer.cpp)."""
    return Made((call.bottoms[0].permute(*sides(call.facts.attributes["order"])),))


@layer("Tile")
def tile(call: Call) -> Made:
    """An axis several times over (BVLC/caffe, src/caffe/layers/tile_layer.cpp)."""
    import torch

    attributes = call.facts.attributes
    copies = [call.bottoms[0]] * int(attributes["tiles"])
    return Made((torch.cat(copies, int(attributes["axis"])),))


@layer("Split")
def split(call: Call) -> Made:
    """The same blob several times (BVLC/caffe, src/caffe/layers/split_layer.cpp)."""
    return Made(tuple(call.bottoms[0] for _ in call.facts.tops))


def _nothing(node: Node, facts: Facts, bottoms: Sequence[Shape]) -> Sums:
    del node, facts, bottoms
    return Sums()


@layer("Silence", _nothing)
def silence(call: Call) -> Made:
    """Nothing (BVLC/caffe, src/caffe/layers/silence_layer.cpp)."""
    del call
    return Made(())


@layer("ArgMax")
def argmax(call: Call) -> Made:
    """The places of the largest elements, and with `out_max_val` these.

    Along an axis, either; of whole items, places first. Source: BVLC/caffe,
    src/caffe/layers/argmax_layer.cpp, Forward_cpu.
    """
    import torch

    (x,), attributes = call.bottoms, call.facts.attributes
    count, values = int(attributes["top_k"]), bool(attributes["out_max_val"])
    if "axis" in attributes:
        largest, places = x.topk(count, int(attributes["axis"]))
        return Made((largest if values else places.to(x.dtype),))
    largest, places = x.flatten(1).topk(count)
    found = torch.stack((places.to(x.dtype), largest), 1) if values else places.to(x.dtype)
    return Made((found.reshape(call.facts.tops[0]),))


@layer("Crop")
def crop(call: Call) -> Made:
    """A part from an offset on (BVLC/caffe, src/caffe/layers/crop_layer.cpp)."""
    x, axis = call.bottoms[0], int(call.facts.attributes["axis"])
    for place, offset in enumerate(sides(call.facts.attributes["offset"]), start=axis):
        x = x.narrow(place, offset, call.facts.tops[0][place])
    return Made((x,))


@layer("ShuffleChannel")
def shuffle_channel(call: Call) -> Made:
    """Channels as (group, rest) and back as (rest, group) (farmingyard/ShuffleNet)."""
    (x,), group = call.bottoms, int(call.facts.attributes["group"])
    batch, channels, *size = x.shape
    parted = x.reshape(batch, group, channels // group, *size)
    return Made((parted.transpose(1, 2).reshape(x.shape),))


@layer("Axpy")
def axpy(call: Call) -> Made:
    """`a x + y`, one a for each channel of each item (hujie-frank/SENet, axpy_layer.cpp)."""
    factor, x, y = call.bottoms
    return Made((factor.reshape(*x.shape[:2], *[1] * (x.ndim - 2)) * x + y,))
