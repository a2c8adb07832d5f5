"""Level 0: a Keras model's structure against a parsed prototxt. Imports no Keras.

Each layer of the prototxt gets its rule applied to the shapes that the *Keras* tensors of the
same names have. So a fault shows at its own layer and not at everything behind it, and where
every layer agrees, the whole nets agree by induction.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from ranparity.caffe.description import Described, Description, describe, unread
from ranparity.caffe.graph import Graph, Node
from ranparity.caffe.prototxt import Shape
from ranparity.caffe.shapes import facts
from ranparity.errors import InputError

Layer = TypeVar("Layer", Node, Described)
NOTHING = "(none)"
WHOLE_NET = "(whole net)"


@dataclasses.dataclass(frozen=True)
class Difference:
    """One thing that the two sides say differently.

    Attributes:
        layer: The layer's name in Caffe, or `(whole net)`.
        what: Which of its facts.
        keras: What the Keras model says.
        prototxt: What the prototxt says.
    """

    layer: str
    what: str
    keras: str
    prototxt: str


@dataclasses.dataclass
class Comparison:
    """All differences, in graph order, and the number of facts that were compared."""

    differences: list[Difference] = dataclasses.field(default_factory=list)
    compared: int = 0

    def expect(self, layer: str, what: str, keras: Any, prototxt: Any) -> None:
        """Compares one fact."""
        self.compared += 1
        if keras != prototxt:
            self.differences.append(Difference(layer, what, _text(keras), _text(prototxt)))

    def expect_all(
        self, layer: str, what: str, keras: Mapping[str, Any], prototxt: Mapping[str, Any]
    ) -> None:
        """Compares facts by name; one that a side does not have is a difference."""
        for name in {**prototxt, **keras}:
            self.expect(
                layer, f"{what}{name}", keras.get(name, NOTHING), prototxt.get(name, NOTHING)
            )


def compare(keras: Description, graph: Graph) -> Comparison:
    """Compares a described Keras model with a prototxt's graph, layer by layer.

    Args:
        keras: The live model's description.
        graph: The prototxt's, with its input at the same size.

    Returns:
        All differences, the first in graph order on top.
    """
    result = Comparison()
    result.expect_all(
        WHOLE_NET,
        "input ",
        {given.name: given.shape for given in keras.inputs},
        {given.name: given.shape for given in graph.inputs},
    )
    shapes = {given.name: given.shape for given in graph.inputs} | keras.shapes
    for node, layer in _aligned(keras, graph):
        if node is None or layer is None:
            here = layer.type if layer else NOTHING
            there = node.type if node else NOTHING
            result.expect((layer or node).name, "layer", here, there)  # type: ignore[union-attr]
        else:
            _compare_layer(result, layer, node, shapes, graph.source)
    _compare_whole(result, keras, graph)
    return result


def _aligned(keras: Description, graph: Graph) -> Iterator[tuple[Node | None, Described | None]]:
    """Pairs layers of the same name; those of one side only come where they stand in order."""
    nodes, layers = _keyed(graph.nodes), _keyed(keras.layers)
    waiting = list(reversed(layers))
    paired = set()
    for key, node in nodes.items():
        while waiting and (waiting[-1] not in nodes or waiting[-1] in paired):
            alone = waiting.pop()
            if alone not in nodes:
                yield None, layers[alone]
        paired.add(key)
        yield node, layers.get(key)
    yield from ((None, layers[key]) for key in reversed(waiting) if key not in nodes)


def _keyed(items: Sequence[Layer]) -> dict[tuple[str, int], Layer]:
    """Layers by name and how many of this name come before: Caffe allows several of a name."""
    seen: Counter[str] = Counter()
    result = {}
    for item in items:
        result[item.name, seen[item.name]] = item
        seen[item.name] += 1
    return result


def _compare_layer(
    result: Comparison, layer: Described, node: Node, shapes: Mapping[str, Shape], source: str
) -> None:
    """Compares type, inputs, outputs, and what the rule says for the Keras inputs' shapes."""
    name = node.name
    result.expect(name, "type", layer.type, node.type)
    result.expect(name, "inputs", layer.inputs, node.inputs)
    result.expect(name, "outputs", layer.outputs, node.outputs)
    if layer.type != node.type or any(tensor not in shapes for tensor in node.inputs):
        return  # the row above says why nothing else can be compared
    try:
        found = facts(node, [shapes[tensor] for tensor in node.inputs], source)
    except InputError as error:
        result.expect(name, "rule", "accepted", str(error))
        return
    here = layer.facts
    result.expect_all(name, "", here.attributes, found.attributes)
    result.expect_all(name, "parameter ", here.parameters, found.parameters)
    result.expect_all(name, "statistic ", here.statistics, found.statistics)
    result.expect_all(name, "shared ", here.shared, found.shared)
    result.expect_all(
        name,
        "shape of ",
        *(
            dict(zip(side[0], side[1], strict=True))
            for side in ((layer.outputs, here.tops), (node.outputs, found.tops))
        ),
    )
    result.expect(name, "MACs", here.macs, found.macs)


def _compare_whole(result: Comparison, keras: Description, graph: Graph) -> None:
    """Compares what only the whole net shows: outputs and totals of its own inference."""
    result.expect(WHOLE_NET, "runs", keras.fault, "")
    result.expect(WHOLE_NET, "outputs", keras.outputs, unread(graph))
    try:
        whole = describe(graph)
    except InputError as error:
        result.expect(WHOLE_NET, "inference", "accepted", str(error))
        return
    result.expect_all(
        WHOLE_NET,
        "total ",
        dataclasses.asdict(keras.totals),
        dataclasses.asdict(whole.totals),
    )


def _text(value: Any) -> str:
    """A shape as `1x64x56x56`, a list of names with commas, anything else as it is."""
    if isinstance(value, tuple):
        numbers = all(isinstance(item, int) for item in value)
        return ("x" if numbers else ", ").join(map(str, value))
    return str(value)
