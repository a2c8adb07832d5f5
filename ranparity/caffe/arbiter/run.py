"""A net as a function: blobs from inputs and weights, and gradients back from its losses."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.caffe.arbiter import activations, blobs, elements, maps, shaping
from ranparity.caffe.arbiter.base import LAYERS, Call, Made, Rounded, Sums, Tensor, Tensors
from ranparity.caffe.arbiter.noise import WIDE, Noise
from ranparity.caffe.description import unread
from ranparity.caffe.graph import Graph, Node
from ranparity.caffe.prototxt import Input, Shape
from ranparity.caffe.shapes import Facts, RuleError, infer
from ranparity.errors import InputError

_ = activations, blobs, elements, maps, shaping  # which fill LAYERS

Arrays = Mapping[str, NDArray[Any]]
Seen = Callable[[str, Tensor], None]


@dataclasses.dataclass(frozen=True)
class Step:
    """One layer of a net with the names of what it computes with.

    Attributes:
        node: The layer.
        facts: What its description determines, at the inputs' shapes.
        bottoms: The shapes of what it reads.
        weights: The names of its parameters in the net: LAYER/PARAMETER, the layer being the first
            one that has it where several share it.
    """

    node: Node
    facts: Facts
    bottoms: tuple[Shape, ...]
    weights: Mapping[str, str]

    @property
    def sums(self) -> Sums:
        """How many terms it adds up."""
        return LAYERS[self.node.type].sums(self.node, self.facts, self.bottoms)


@dataclasses.dataclass(frozen=True, eq=False)
class Forward:
    """What a net computes from inputs and weights, as tensors that gradients can be taken of.

    Attributes:
        blobs: Every tensor of the graph by its name, inputs included.
        statistics: Those that training has moved, by LAYER/STATISTIC.
        decisions: What ReLUs and max pools decided, by the name of their top.
    """

    blobs: Tensors
    statistics: Tensors
    decisions: Tensors


class Arbiter:
    """Runs a net in float64.

    Args:
        graph: The net.
        shapes: Of its inputs, by name, NCHW; by default those of the file.
        respect_frozen: Whether a BN that says `frozen` takes the kept statistics in training too,
            and leaves them (the authors' fork, src/caffe/layers/bn_layer.cpp). The published files
            say so of every BN, which nobody trains a net with.

    Raises:
        InputError: A layer that its rule refuses, or of a type that cannot be run.
    """

    def __init__(
        self,
        graph: Graph,
        shapes: Mapping[str, Shape] | None = None,
        *,
        respect_frozen: bool = False,
    ) -> None:
        given = shapes or {}
        self._respect_frozen = respect_frozen
        inputs = tuple(Input(x.name, given.get(x.name, x.shape)) for x in graph.inputs)
        self.graph = dataclasses.replace(graph, inputs=inputs)
        self.steps = tuple(_steps(self.graph))

    @property
    def parameters(self) -> dict[str, Shape]:
        """The shapes of all trained parameters by LAYER/PARAMETER, shared ones once."""
        return {
            full: step.facts.parameters[name]
            for step in self.steps
            for name, full in step.weights.items()
        }

    @property
    def statistics(self) -> dict[str, Shape]:
        """The shapes of what is kept and not trained, by LAYER/STATISTIC."""
        return {
            f"{step.node.name}/{name}": shape
            for step in self.steps
            for name, shape in step.facts.statistics.items()
        }

    def forward(
        self,
        inputs: Tensors,
        weights: Tensors,
        *,
        training: bool,
        noise: Noise | None = None,
        decisions: Tensors | None = None,
        seen: Seen | None = None,
    ) -> Forward:
        """Compute every blob.

        Args:
            inputs: By name, NCHW.
            weights: Parameters and statistics, by the names of `parameters` and `statistics`.
            training: Whether statistics are the batch's, and are moved.
            noise: What takes the place of roundings; none by default.
            decisions: Those that are given, by the name of the layer's top.
            seen: Told each blob by name as it is made, inputs first. The blobs that are given back
                are then only those that a loss is made of: the others go when nothing reads them.

        Raises:
            InputError: A layer cannot be run; names it.
        """
        made = {name: noise.on_use(x, name) if noise else x for name, x in inputs.items()}
        if seen:
            for name, x in inputs.items():
                seen(name, x)
        statistics: dict[str, Tensor] = {}
        decided: dict[str, Tensor] = {}
        for number, step in enumerate(self.steps):
            top = step.node.outputs[0] if step.node.outputs else ""
            trains = training and not (self._respect_frozen and is_frozen(step.node))
            found = _computed(step, made, weights, trains, noise, (decisions or {}).get(top))
            made.update(zip(step.node.outputs, found.tops, strict=True))
            named = {f"{step.node.name}/{name}": x for name, x in found.statistics.items()}
            statistics |= named
            if found.decision is not None:
                decided[top] = found.decision
            if seen:
                for name in step.node.outputs:
                    seen(name, made[name])
                for name in self._last_read[number]:
                    del made[name]
        return Forward(made, statistics, decided)

    @functools.cached_property
    def _last_read(self) -> list[list[str]]:
        """Of each step the blobs that no later one reads, without those that a loss is made of."""
        kept = {*self._all_logits, *self.loss_weights}
        found: list[list[str]] = []
        later: set[str] = set()
        for step in reversed(self.steps):
            mine = {*step.node.inputs, *step.node.outputs}
            found.append(sorted(mine - later - kept))
            later |= mine
        return found[::-1]

    def decisions(self, blobs: Mapping[str, Any]) -> dict[str, Tensor]:
        """Give what ReLUs and max pools decide where blobs are these, by the name of their top.

        Args:
            blobs: By name, arrays, NCHW; of each such layer the one that it reads.
        """
        found = {}
        for step in self.decides:
            (bottom,) = tensors({"": blobs[step.node.inputs[0]]}).values()
            call = Call(step.node, step.facts, [bottom], {}, {}, training=False)
            found[step.node.outputs[0]] = LAYERS[step.node.type].operation(call).decision
        return found

    @property
    def decides(self) -> list[Step]:
        """The layers that decide: ReLUs and max pools."""
        return [
            step
            for step in self.steps
            if step.node.type == "ReLU" or step.facts.attributes.get("pool") == "MAX"
        ]

    def loss(self, found: Forward, targets: Tensor) -> Tensor:
        """The mean cross-entropy of the net's Softmax, and blobs with a `loss_weight` added.

        Args:
            found: The forward pass.
            targets: Probabilities, (N, classes), of the first classes where there are more.

        Raises:
            InputError: The net has not one Softmax at its end.
        """
        logits = found.blobs[self.logits]
        logs = logits.log_softmax(-1)[:, : targets.shape[1]]
        total = -(targets * logs).sum(1).mean()
        for blob, weight in self.loss_weights.items():
            total = total + weight * found.blobs[blob].sum()
        return total

    @property
    def logits(self) -> str:
        """The blob that the Softmax at the net's end reads.

        Raises:
            InputError: There is none, or more than one.
        """
        found = self._all_logits
        if len(found) != 1:
            raise InputError(
                f"{self.graph.source}: expected one Softmax at the net's end, found {len(found)}"
            )
        return found[0]

    @property
    def _all_logits(self) -> list[str]:
        """What each Softmax reads that nothing reads."""
        ends = set(unread(self.graph))
        return [
            step.node.inputs[0]
            for step in self.steps
            if step.node.type == "Softmax" and ends.intersection(step.node.outputs)
        ]

    @property
    def loss_weights(self) -> dict[str, float]:
        """The weights of blobs that are losses, by name (`loss_weight`)."""
        found: dict[str, float] = {}
        for step in self.steps:
            stated = str(step.facts.attributes.get("loss_weight", "")).split()
            found.update(zip(step.node.outputs, map(float, stated), strict=False))
        return {blob: weight for blob, weight in found.items() if weight}


def is_frozen(node: Node) -> bool:
    """Whether a layer is a BN that says `frozen`."""
    return node.type == "BN" and bool(node.message.bn_param.frozen)


def _steps(graph: Graph) -> Iterator[Step]:
    shapes = {given.name: given.shape for given in graph.inputs}
    owners: dict[str, str] = {}
    for node, facts in infer(graph):
        if node.type not in LAYERS:
            raise InputError(
                f'{graph.source}: layer "{node.name}" ({node.type}): the arbiter cannot run this '
                f"type; expected one of {', '.join(sorted(LAYERS))}"
            )
        weights = {}
        for name in facts.parameters:
            full = f"{node.name}/{name}"
            if shared := facts.shared.get(name):
                full = owners.setdefault(shared, full)
            weights[name] = full
        yield Step(node, facts, tuple(shapes[blob] for blob in node.inputs), weights)
        shapes.update(zip(node.outputs, facts.tops, strict=True))


def _computed(
    step: Step,
    made: Tensors,
    weights: Tensors,
    training: bool,
    noise: Noise | None,
    decision: Tensor | None,
) -> Made:
    """Run one layer; with noise, move what it makes and what its gradients are."""
    node = step.node
    bottoms = [made[blob] for blob in node.inputs]
    parameters = {name: weights[full] for name, full in step.weights.items()}
    kept = {name: weights[f"{node.name}/{name}"] for name in step.facts.statistics}
    sums = step.sums if noise else Sums()
    if noise:
        bottoms = [
            noise.on_gradient(x, f"{node.name}/bottom{place}", sums.bottom)
            for place, x in enumerate(bottoms)
        ]
        wide = node.type in WIDE
        parameters = {
            name: noise.on_gradient(
                x if wide else noise.on_use(x, f"{node.name}/{name}"),
                f"{node.name}/{name}",
                sums.weights.get(name, 1),
                wide=wide,
            )
            for name, x in parameters.items()
        }
    call = Call(node, step.facts, bottoms, parameters, kept, training, decision)
    if noise:
        call = dataclasses.replace(call, rounded=_rounding(noise, node.name))
    try:
        found = LAYERS[node.type].operation(call)
    except RuleError as error:
        raise InputError(f'layer "{node.name}" ({node.type}): {error}') from None
    if not noise or _is_exact(step):
        return found
    tops = tuple(
        noise.on_value(x, f"{node.name}/top{place}", sums.top) for place, x in enumerate(found.tops)
    )
    return dataclasses.replace(found, tops=tops)


def _rounding(noise: Noise, layer: str) -> Rounded:
    """Moves a sum within a layer, and its gradient, which adds up as many terms."""

    def rounded(x: Tensor, name: str, terms: float) -> Tensor:
        x = noise.on_gradient(x, f"{layer}/{name}", terms, wide=True)
        return noise.on_value(x, f"{layer}/{name}", terms, wide=True)

    return rounded


EXACT = frozenset(
    {
        "AbsVal",
        "ArgMax",
        "Clip",
        "Concat",
        "Crop",
        "Dropout",
        "Flatten",
        "Parameter",
        "Permute",
        "ReLU6",
        "Reshape",
        "ShuffleChannel",
        "Slice",
        "Split",
        "Threshold",
        "Tile",
        "Upsample",
    }
)


def _is_exact(step: Step) -> bool:
    """Whether a layer's tops are elements of its bottoms: nothing is rounded."""
    attributes = step.facts.attributes
    return (
        step.node.type in EXACT
        or attributes.get("negative_slope") == 0
        or attributes.get("pool") == "MAX"
    )


def use_threads(count: int) -> None:
    """Let this process's arbiters compute with so many threads."""
    import torch

    torch.set_num_threads(count)


def tensors(arrays: Arrays) -> dict[str, Tensor]:
    """Arrays as float64 tensors of their own."""
    import torch

    return {name: torch.tensor(np.asarray(x, np.float64)) for name, x in arrays.items()}


def gradients(loss: Tensor, of: Sequence[Tensor]) -> list[Tensor]:
    """The gradients of a loss; zeros for a tensor that it does not depend on."""
    import torch

    found = torch.autograd.grad(loss, list(of), allow_unused=True, materialize_grads=True)
    return list(found)
