"""What all layers' functions share: their registry, what they are given, and what they add up."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ranparity.caffe.graph import Node
from ranparity.caffe.prototxt import Shape
from ranparity.caffe.shapes import Facts

Tensor = Any  # a torch.Tensor, float64
Tensors = Mapping[str, Tensor]
Rounded = Callable[[Tensor, str, float], Tensor]


def _as_it_is(x: Tensor, name: str, terms: float) -> Tensor:
    del name, terms
    return x


@dataclasses.dataclass(frozen=True)
class Call:
    """One layer and all that it computes with.

    Attributes:
        node: The layer.
        facts: What its description determines.
        bottoms: What it reads, in order.
        weights: Its parameters, by Caffe's names for them, such as `weight` and `bias`.
        statistics: What it keeps and does not train, by name.
        training: Whether statistics are the batch's (phase TRAIN).
        decision: What it is to decide, in place of what its bottom says: of a ReLU the elements
            that it lets pass, a boolean tensor; of a max pool the index of each window's largest
            element in its padded map.
        rounded: Takes a sum that the layer works out on its way, a name for it, and how many terms
            it adds up; gives it back, moved where there is noise.
    """

    node: Node
    facts: Facts
    bottoms: Sequence[Tensor]
    weights: Tensors
    statistics: Tensors
    training: bool
    decision: Tensor | None = None
    rounded: Rounded = _as_it_is


@dataclasses.dataclass(frozen=True)
class Made:
    """What a layer gives.

    Attributes:
        tops: In their order.
        statistics: Those that are new, by name.
        decision: What it has decided (see `Call`).
    """

    tops: tuple[Tensor, ...]
    statistics: Tensors = dataclasses.field(default_factory=dict)
    decision: Tensor | None = None


@dataclasses.dataclass(frozen=True)
class Sums:
    """How many terms are added up for one element; 1 where nothing is.

    Attributes:
        top: Of a top.
        bottom: Of a bottom's gradient.
        weights: Of a parameter's gradient, by name.
    """

    top: float = 1
    bottom: float = 1
    weights: Mapping[str, float] = dataclasses.field(default_factory=dict)


Operation = Callable[[Call], Made]
Counting = Callable[[Node, Facts, Sequence[Shape]], Sums]


@dataclasses.dataclass(frozen=True)
class Layer:
    """How a type of layer computes, and how many terms it adds up."""

    operation: Operation
    sums: Counting


def no_sums(node: Node, facts: Facts, bottoms: Sequence[Shape]) -> Sums:
    """Of a layer that computes each element by itself; a parameter's gradient is over all."""
    del node, bottoms
    count = math.prod(facts.tops[0])
    terms = {name: count / max(1, math.prod(shape)) for name, shape in facts.parameters.items()}
    return Sums(weights=terms)


LAYERS: dict[str, Layer] = {}


def layer(type_: str, sums: Counting = no_sums) -> Callable[[Operation], Operation]:
    """Registers the function of a layer type, and what counts its terms."""

    def register(function: Operation) -> Operation:
        LAYERS[type_] = Layer(function, sums)
        return function

    return register


def over_channels(x: Tensor, values: Tensor, axis: int = 1) -> Tensor:
    """Values of some axes, the first of which is `axis`, shaped to broadcast over x."""
    after = x.ndim - axis - values.ndim
    return values.reshape((*([1] * axis), *values.shape, *([1] * after)))
