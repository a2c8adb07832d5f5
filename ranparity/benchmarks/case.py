"""What is timed: a net at a batch size, written in one of three ways."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from ranparity.caffe import graph, prototxt
from ranparity.caffe.graph import Node
from ranparity.caffe.prototxt import Input
from ranparity.caffe.shapes import Facts, infer, totals
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.parity.ladder.case import LARGE
from ranparity.training.backends import AUTO

OURS, PLAIN, NATIVE = "ranparity", "keras", "native"
LAYOUTS = ("channels_last", "contiguous")
STEP, FORWARD = "training_step", "forward"
BATCH, BATCH_LARGE = 64, 8  # images by default; of nets whose sides are over `LARGE` pixels
RATE, MOMENTUM, DECAY = 0.01, 0.9, 1e-4  # of every one's optimizer
Layers = list[tuple[Node, Facts]]


@dataclasses.dataclass(frozen=True)
class Case:
    """A net and its batch.

    Attributes:
        model: Its name in the zoo.
        batch_size: Images of a batch.
        device: One of `backends.DEVICES`.
        remat: Whether our step computes parts of the net twice, to need less memory.
    """

    model: str
    batch_size: int
    device: str = AUTO
    remat: bool = False

    def layers(self) -> tuple[Layers, Input]:
        """Give the net's layers as its prototxt has them, and its input, NCHW.

        Raises:
            InputError: There is no such net, or no file of it.
        """
        net = prototxt.read(zoo.entry(self.model).prototxt)
        (given,) = net.inputs
        sized = Input(given.name, (self.batch_size, *given.shape[1:]))
        return infer(graph.build(net.replace(inputs=(sized,)))), sized

    def flops(self, what: str) -> float:
        """Give the operations of a step or a forward pass: two a MAC, and thrice with gradients."""
        layers, _ = self.layers()
        forward = 2.0 * totals(1, [facts for _, facts in layers]).macs * self.batch_size
        return forward * 3 if what == STEP else forward


def case_of(model: str, batch_size: int | None, device: str) -> Case:
    """Give a net's case, with its usual batch size where none is asked for."""
    large = max(zoo.entry(model).input_shape[:2]) > LARGE
    return Case(model, batch_size or (BATCH_LARGE if large else BATCH), device)


@dataclasses.dataclass(frozen=True)
class Way:
    """How a net is written, and on what it runs.

    Attributes:
        implementation: `OURS`, `PLAIN` or `NATIVE`.
        backend: The framework.
        layout: Of the native net's maps in memory, one of `LAYOUTS`; empty for the others.
    """

    implementation: str
    backend: str
    layout: str = ""

    def __str__(self) -> str:
        return f"{self.implementation} on {self.backend}"


def told(case: Case, way: Way) -> str:
    """Give both as a worker is told them."""
    return json.dumps({"case": dataclasses.asdict(case), "way": dataclasses.asdict(way)})


def heard(text: str) -> tuple[Case, Way]:
    """Give both as they were told."""
    content: dict[str, Any] = json.loads(text)
    return Case(**content["case"]), Way(**content["way"])


def unknown(node: Node, where: str) -> InputError:
    """Give the error of a layer that a net of the benchmark has nothing for."""
    return InputError(
        f'layer "{node.name}" ({node.type}): the benchmark\'s net in {where} has no such layer: '
        "expected a Residual Attention Network or a ResNet"
    )
