"""Shapes, parameters and MACs of a whole net: the rules of its layers, along its graph."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

from ranparity.caffe.graph import Graph, Node
from ranparity.caffe.prototxt import Shape
from ranparity.caffe.rules import RULES
from ranparity.caffe.rules.base import (
    MOST_AXES,
    Attribute,
    Facts,
    Pair,
    RuleError,
    by,
    convolution_output_size,
    counted,
    pooling_output_size,
    short_float,
    window,
)
from ranparity.errors import InputError

__all__ = [
    "MOST_AXES",
    "RULES",
    "Attribute",
    "Facts",
    "Pair",
    "RuleError",
    "Totals",
    "by",
    "convolution_output_size",
    "counted",
    "facts",
    "infer",
    "pooling_output_size",
    "short_float",
    "totals",
    "window",
]

READERS = frozenset(
    {
        "AnnotatedData",
        "Data",
        "DummyData",
        "HDF5Data",
        "ImageData",
        "MemoryData",
        "Python",
        "WindowData",
    }
)
"""Types of layers that take their blobs from elsewhere, or from code that is not here."""
MOST_ELEMENTS = 2**31 - 1  # of one blob: Caffe counts them in an int


@dataclasses.dataclass(frozen=True)
class Totals:
    """Sums over a net; blobs are the tensors of the single-assignment graph, inputs included."""

    layers: int
    blobs: int
    trainable_parameters: int
    parameters_with_statistics: int
    macs: int


def facts(node: Node, bottoms: Sequence[Shape], source: str) -> Facts:
    """Applies the rule of a node's type to the shapes of its bottoms.

    Raises:
        InputError: An unknown type, or a layer that its rule refuses; names the layer.
    """
    where = f'{source}: layer "{node.name}" ({node.type})'
    if node.type in READERS or (node.type not in RULES and not node.inputs):
        blobs = " ".join(f"--input {name}=NxCxHxW" for name in node.outputs)
        raise InputError(f"{where}: what it reads is not here; give the shapes: {blobs}")
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
    return _with_common(node, result)


def _with_common(node: Node, result: Facts) -> Facts:
    """Adds what a layer of any type may say: names of shared parameters, weights of losses.

    Source: BVLC/caffe, src/caffe/net.cpp, Net::AppendParam, and layer.hpp, SetLossWeights.
    """
    message, attributes = node.message, result.attributes
    shared = {
        name: param.name
        for name, param in zip(result.parameters, message.param, strict=False)
        if param.name
    }
    if message.loss_weight:  # one a top
        weights = " ".join(f"{short_float(weight):.9g}" for weight in message.loss_weight)
        attributes = {**attributes, "loss_weight": weights}
    return dataclasses.replace(result, attributes=attributes, shared=shared)


def _check_blob(blob: str, shape: Shape, where: str) -> None:
    """Refuses a blob that Caffe could not hold (BVLC/caffe, src/caffe/blob.cpp, Reshape)."""
    if len(shape) > MOST_AXES:
        raise InputError(
            f'{where}: blob "{blob}" would have {len(shape)} axes; expected at most {MOST_AXES}, '
            "as in Caffe"
        )
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
    shared: dict[str, Shape] = {}
    for blob, shape in shapes.items():
        _check_blob(blob, shape, graph.source)
    result = []
    for node in graph.nodes:
        found = facts(node, [shapes[name] for name in node.inputs], graph.source)
        found = _with_borrowed(node, found, shared, graph.source)
        shapes.update(zip(node.outputs, found.tops, strict=True))
        result.append((node, found))
    return result


def _with_borrowed(node: Node, found: Facts, shared: dict[str, Shape], source: str) -> Facts:
    """Says which parameters a layer before has; one of another shape is refused.

    Source: BVLC/caffe, src/caffe/net.cpp, Net::AppendParam, whose share mode is strict.
    """
    borrowed = tuple(parameter for parameter, name in found.shared.items() if name in shared)
    for parameter, name in found.shared.items():
        shape = found.parameters[parameter]
        if shared.setdefault(name, shape) != shape:
            raise InputError(
                f'{source}: layer "{node.name}" ({node.type}): expected the shape '
                f'{by(shared[name])} for the parameter "{name}", which a layer before it shares; '
                f"found {by(shape)}"
            )
    return dataclasses.replace(found, borrowed=borrowed)


def totals(inputs: int, layers: Sequence[Facts]) -> Totals:
    """Sums over a net's layers; `inputs` is the number of its input blobs.

    A parameter that several layers share counts once.
    """
    trainable = sum(map(math.prod, _parameters(layers)))
    return Totals(
        layers=len(layers),
        blobs=inputs + sum(len(found.tops) for found in layers),
        trainable_parameters=trainable,
        parameters_with_statistics=trainable + sum(found.statistic_count for found in layers),
        macs=sum(found.macs for found in layers),
    )


def _parameters(layers: Sequence[Facts]) -> Iterator[Shape]:
    """The shapes of all parameters, shared ones once."""
    seen = set()
    for found in layers:
        for name, shape in found.parameters.items():
            known_as = found.shared.get(name)
            if known_as is None or known_as not in seen:
                yield shape
            seen.add(known_as)
