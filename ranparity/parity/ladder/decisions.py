"""ReLU signs and max-pool argmaxes: which differ, and whether a rounding can have done it.

A decision that falls the other way moves gradients by far more than a rounding does. Where the
arbiter's margin is within what roundings explain, gradients are judged against the arbiter with the
backend's decisions; where it is not, the decision is a fault.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.caffe.arbiter.base import Tensor, Tensors
from ranparity.caffe.arbiter.maps import padded_for_max
from ranparity.caffe.arbiter.run import Step, tensors
from ranparity.parity.ladder.references import References
from ranparity.parity.ladder.rounding import LIMIT


@dataclasses.dataclass(frozen=True)
class Differing:
    """The decisions of a layer that a backend has made in another way.

    Attributes:
        layer: Its Caffe name.
        count: How many.
        of: How many decisions there are.
        margin: The largest of the arbiter's margins in terms of the explained noise of an element.
    """

    layer: str
    count: int
    of: int
    margin: float

    @property
    def is_fault(self) -> bool:
        """Whether one of them is beyond what roundings explain."""
        return not self.margin <= LIMIT

    def to_json(self) -> dict[str, Any]:
        """It as data that JSON can hold."""
        return dataclasses.asdict(self) | {"fault": self.is_fault}


def compare(references: References, found: Tensors, expected: Tensors) -> Iterator[Differing]:
    """Give the layers with decisions that differ, in graph order.

    Args:
        references: What the arbiter gives.
        found: A backend's decisions, by the name of the layer's top.
        expected: The arbiter's.
    """
    for step in references.arbiter.decides:
        top, bottom = step.node.outputs[0], f"blob/{step.node.inputs[0]}"
        other = (found[top] != expected[top]).numpy()
        if not other.any():
            continue
        x = np.asarray(references.value(bottom))
        margins = _margins(step, x, found[top], expected[top])
        channels = np.broadcast_to(_noise(references.squares(bottom), x.shape), other.shape)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            worst = float(np.max((margins / channels)[other]))
        yield Differing(step.node.name, int(other.sum()), other.size, worst)


def _margins(step: Step, x: NDArray[Any], found: Tensor, expected: Tensor) -> NDArray[Any]:
    """How far the arbiter's elements are from deciding as the backend did."""
    if step.node.type == "ReLU":
        return np.asarray(np.abs(x))
    (bottom,) = tensors({"": x}).values()
    flat = padded_for_max(step.node, step.facts, bottom).flatten(2)
    shape = tuple(expected.shape)
    one, other = (flat.gather(2, index.flatten(2)).reshape(shape) for index in (expected, found))
    return np.asarray((one - other).numpy())


def _noise(squares: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The explained noise of an element: the root of the mean square of its channel."""
    if len(shape) < 2:
        return np.sqrt(squares / max(1, np.size(squares)))
    elements = int(np.prod(shape)) / shape[1]
    return np.reshape(np.sqrt(squares / elements), (1, -1) + (1,) * (len(shape) - 2))
