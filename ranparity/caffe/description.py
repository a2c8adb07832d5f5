"""A network as plain data, from whichever side it comes: a prototxt or a live Keras model."""

from __future__ import annotations

import dataclasses
from typing import Any

from ranparity.caffe.graph import Graph
from ranparity.caffe.prototxt import Input, Shape
from ranparity.caffe.shapes import Facts, Totals, infer, totals


@dataclasses.dataclass(frozen=True)
class Described:
    """One layer: what it is, what it reads and makes, and what its description determines.

    Attributes:
        name: The layer's name in Caffe.
        type: Caffe's layer type.
        inputs: Tensors that it reads, in order, by their names in the graph.
        outputs: Tensors that it makes.
        facts: Shapes (NCHW where there are four axes), parameters, MACs and attributes.
    """

    name: str
    type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    facts: Facts


@dataclasses.dataclass(frozen=True)
class Description:
    """A whole network.

    Attributes:
        name: Its name.
        inputs: The blobs that are given to it.
        layers: Its layers in graph order.
        outputs: The tensors that it gives.
        fault: Why a live model could not be run, so that its shapes are only those that its
            layers state; empty where it could.
    """

    name: str
    inputs: tuple[Input, ...]
    layers: tuple[Described, ...]
    outputs: tuple[str, ...]
    fault: str = ""

    @property
    def totals(self) -> Totals:
        """Sums over the layers."""
        return totals(len(self.inputs), [layer.facts for layer in self.layers])

    @property
    def shapes(self) -> dict[str, Shape]:
        """Every tensor's shape, inputs included."""
        found = {given.name: given.shape for given in self.inputs}
        for layer in self.layers:
            found.update(zip(layer.outputs, layer.facts.tops, strict=True))
        return found

    def to_json(self) -> dict[str, Any]:
        """The description as data that JSON can hold; `from_json` turns it back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Description:
        """Makes a description of what `to_json` returned, after a way through JSON."""
        return cls(
            data["name"],
            tuple(Input(given["name"], tuple(given["shape"])) for given in data["inputs"]),
            tuple(_described(layer) for layer in data["layers"]),
            tuple(data["outputs"]),
            data["fault"],
        )


def describe(graph: Graph) -> Description:
    """Describes a prototxt's graph.

    Raises:
        InputError: The first layer that its rule refuses.
    """
    layers = tuple(
        Described(node.name, node.type, node.inputs, node.outputs, found)
        for node, found in infer(graph)
    )
    return Description(graph.name, graph.inputs, layers, unread(graph))


def unread(graph: Graph) -> tuple[str, ...]:
    """The tensors that no layer reads, which are what a net gives."""
    read = {name for node in graph.nodes for name in node.inputs}
    return tuple(name for node in graph.nodes for name in node.outputs if name not in read)


def _described(data: dict[str, Any]) -> Described:
    facts = data["facts"]
    return Described(
        data["name"],
        data["type"],
        tuple(data["inputs"]),
        tuple(data["outputs"]),
        Facts(
            tops=tuple(map(tuple, facts["tops"])),
            parameters={name: tuple(shape) for name, shape in facts["parameters"].items()},
            statistics={name: tuple(shape) for name, shape in facts["statistics"].items()},
            macs=facts["macs"],
            attributes=facts["attributes"],
            shared=facts["shared"],
            borrowed=tuple(facts["borrowed"]),
        ),
    )
