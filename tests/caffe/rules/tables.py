"""Rows of a rule's tables and what must hold of them: facts worked out by hand, and refusals."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from google.protobuf import text_format

from ranparity.caffe import shapes
from ranparity.caffe.graph import Node
from ranparity.caffe.prototxt import LayerParameter
from ranparity.caffe.shapes import Facts
from ranparity.errors import InputError

Shape = tuple[int, ...]

MAP: Shape = (2, 4, 9, 11)  # NCHW


@dataclasses.dataclass(frozen=True)
class Case:
    """A layer and what its rule must say of it; several tops are a list of shapes."""

    type: str
    params: str
    bottoms: list[Shape]
    top: Shape | list[Shape]
    parameters: dict[str, Shape] = dataclasses.field(default_factory=dict)
    statistics: dict[str, Shape] = dataclasses.field(default_factory=dict)
    macs: int = 0
    attributes: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def tops(self) -> tuple[Shape, ...]:
        return tuple(self.top) if isinstance(self.top, list) else (self.top,)


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A layer that its rule must refuse, and how."""

    type: str
    params: str
    bottoms: list[Shape]
    message: str
    tops: int = 1


def node(type_: str, params: str, bottoms: int, tops: int = 1) -> Node:
    """A layer called `it` that reads `a`, `b`, ... and makes `top` (`top0`, `top1`, ...)."""
    reads = tuple("abcdef"[:bottoms])
    makes = ("top",) if tops == 1 else tuple(f"top{place}" for place in range(tops))
    message = text_format.Parse(f'name: "it" type: "{type_}" {params}', LayerParameter())
    return Node("it", type_, reads, makes, message)


def apply(type_: str, params: str, bottoms: list[Shape], tops: int = 1) -> Facts:
    return shapes.facts(node(type_, params, len(bottoms), tops), bottoms, "net.prototxt")


def label(row: Case | Refusal) -> str:
    return f"{row.type} {row.params}".strip()[:60]


def facts_hold(case: Case) -> None:
    found = apply(case.type, case.params, case.bottoms, len(case.tops))
    assert found.tops == case.tops
    assert found.parameters == case.parameters
    assert list(found.parameters) == list(case.parameters), "in Caffe's order"
    assert found.statistics == case.statistics
    assert list(found.statistics) == list(case.statistics), "in Caffe's order"
    assert found.macs == case.macs
    assert found.attributes == case.attributes
    assert found.parameter_count == sum(map(math.prod, case.parameters.values()))
    assert found.statistic_count == sum(map(math.prod, case.statistics.values()))


def refusal_holds(refusal: Refusal) -> None:
    with pytest.raises(InputError) as error:
        apply(refusal.type, refusal.params, refusal.bottoms, refusal.tops)
    assert str(error.value) == f'net.prototxt: layer "it" ({refusal.type}): {refusal.message}'
