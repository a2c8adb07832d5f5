"""The convolutions of a net: which are distinct, how many layers have each, and their work."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from ranparity.benchmarks.case import Case, Layers
from ranparity.caffe.prototxt import Input, Shape
from ranparity.caffe.rules.base import sides
from ranparity.caffe.shapes import Facts, Pair

TYPE = "Convolution"
FORWARD, WEIGHT, INPUT, PRODUCT = "forward", "weight_gradient", "input_gradient", "matrix_product"
PASSES = (FORWARD, WEIGHT, INPUT)  # what a step does of a convolution


@dataclasses.dataclass(frozen=True)
class Convolution:
    """A convolution of maps of one shape, without its bias.

    Attributes:
        bottom: The shape of what it reads, NCHW.
        top: The shape of what it makes, NCHW.
        kernel: Height and width.
        stride: In pixels.
        pad: Zeros on each side, in pixels.
        dilation: Distance of the kernel's taps, in pixels.
        group: Number of groups.
        input_gradient: Whether a step needs the gradient for what it reads: no weight is below a
            net's first convolution.
    """

    bottom: Shape
    top: Shape
    kernel: Pair
    stride: Pair
    pad: Pair
    dilation: Pair
    group: int
    input_gradient: bool

    @property
    def weight(self) -> Shape:
        """The shape of the weight, HWIO, with I the input channels of one group."""
        return (*self.kernel, self.bottom[1] // self.group, self.top[1])

    @property
    def factors(self) -> tuple[Shape, Shape]:
        """The shapes of two batches of matrices, one a group, whose product is the same work.

        (group, N Ho Wo, kh kw I) and (group, kh kw I, O/group).
        """
        height, width, channels, outputs = self.weight
        places = self.top[0] * self.top[2] * self.top[3]
        taps = height * width * channels
        return (self.group, places, taps), (self.group, taps, outputs // self.group)

    @property
    def flops(self) -> float:
        """Operations of the forward pass, two a MAC; each of the gradients takes as many."""
        (group, places, taps), (*_, outputs) = self.factors
        return 2.0 * group * places * taps * outputs

    @property
    def passes(self) -> tuple[str, ...]:
        """What a step does of it."""
        return PASSES if self.input_gradient else (FORWARD, WEIGHT)


@dataclasses.dataclass(frozen=True)
class Counted:
    """A convolution and the layers of a net that have it.

    Attributes:
        convolution: What they have alike.
        layer: Caffe's name of the first of them.
        layers: How many they are.
    """

    convolution: Convolution
    layer: str
    layers: int


def distinct(case: Case) -> list[Counted]:
    """Give a net's convolutions, each once, in the order of their first layers.

    Raises:
        InputError: There is no such net.
    """
    names: dict[Convolution, list[str]] = {}
    for name, convolution in _every(*case.layers()):
        names.setdefault(convolution, []).append(name)
    return [Counted(each, layers[0], len(layers)) for each, layers in names.items()]


def heard(content: Mapping[str, Any]) -> Convolution:
    """Give a convolution as JSON has it, whose shapes are lists."""
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }
    return Convolution(**given)


def _every(layers: Layers, given: Input) -> Iterator[tuple[str, Convolution]]:
    """Every layer's name and convolution."""
    shapes, above_weights = {given.name: given.shape}, set[str]()
    for node, facts in layers:
        above = not above_weights.isdisjoint(node.inputs)
        if node.type == TYPE:
            yield node.name, _convolution(facts, shapes[node.inputs[0]], above)
        if above or facts.parameters:
            above_weights.update(node.outputs)
        shapes.update(zip(node.outputs, facts.tops, strict=True))


def _convolution(facts: Facts, bottom: Shape, above: bool) -> Convolution:
    return Convolution(
        bottom=bottom,
        top=facts.tops[0],
        kernel=_pair(facts, "kernel"),
        stride=_pair(facts, "stride"),
        pad=_pair(facts, "pad"),
        dilation=_pair(facts, "dilation"),
        group=int(facts.attributes["group"]),
        input_gradient=above,
    )


def _pair(facts: Facts, name: str) -> Pair:
    height, width = sides(facts.attributes[name])
    return height, width
