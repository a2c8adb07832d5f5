"""What a net gives, exactly, and how far roundings can move each tensor of it.

Decisions (ReLU signs, max-pool argmaxes) are the exact run's in the noisy runs too: one that falls
the other way moves gradients by far more than a rounding, and would hide faults. Only where nobody
can know what was decided are they left free.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity import memory
from ranparity.caffe.arbiter.base import Tensor, Tensors
from ranparity.caffe.arbiter.noise import Noise
from ranparity.caffe.arbiter.run import Arbiter, Seen, gradients
from ranparity.caffe.arbiter.solver import Solver

RUNS = 6  # noisy ones: with 3, the noise of a scalar is too small by chance once in 500 times
UNDECIDED_RUNS = 3  # of those that decide for themselves: the noise of many turned decisions
LOSS = "loss"


@dataclasses.dataclass(frozen=True, eq=False)
class Question:
    """What is asked of a net.

    Attributes:
        arbiter: The net.
        inputs: By name, NCHW.
        weights: Parameters and statistics by name.
        training: Whether statistics are the batch's.
        targets: Probabilities, (N, classes); gradients are asked for where there are some.
        solver: The update rule; new weights are asked for where there is one.
        kept: What it has kept of each parameter that is trained, by PARAMETER and then by name.
    """

    arbiter: Arbiter
    inputs: Tensors
    weights: Tensors
    training: bool
    targets: Tensor | None = None
    solver: Solver | None = None
    kept: Mapping[str, Tensors] = dataclasses.field(default_factory=dict)

    @property
    def trained(self) -> list[str]:
        """The parameters whose gradients are asked for."""
        if self.targets is None:
            return []
        known = list(self.arbiter.parameters)
        return [name for name in known if name in self.kept] if self.solver else known


@dataclasses.dataclass(frozen=True, eq=False)
class Answer:
    """All that a net gives.

    Attributes:
        tensors: By KIND/NAME: `blob`, `statistic`, `gradient`, `weight` and `kept`; and `loss`.
        decisions: By the name of the layer's top.
    """

    tensors: Tensors
    decisions: Tensors


@dataclasses.dataclass(frozen=True, eq=False)
class Reference:
    """A tensor as it should be.

    Attributes:
        value: In float64.
        squares: How far roundings can move each channel (axis 1, where there is one): the mean,
            over noisy runs, of the squared L2 distance between such a run's and the exact one's.
    """

    value: NDArray[Any]
    squares: NDArray[Any]

    @property
    def noise(self) -> float:
        """How far roundings can move the whole tensor: an L2 distance."""
        return math.sqrt(float(self.squares.sum()))


def answer(
    question: Question, noise: Noise | None = None, decisions: Tensors | None = None
) -> Answer:
    """Compute what is asked for.

    Args:
        question: What that is.
        noise: In the place of roundings; none by default.
        decisions: Those that are given.
    """
    tensors: dict[str, Tensor] = {}
    return Answer(tensors, tell(question, tensors.__setitem__, noise, decisions))


def tell(
    question: Question,
    seen: Seen,
    noise: Noise | None = None,
    decisions: Tensors | None = None,
) -> Tensors:
    """Compute what is asked for, a tensor after the other: it need not be in memory at once.

    Args:
        question: What that is.
        seen: Told each tensor by KIND/NAME as it is made, blobs in graph order first.
        noise: In the place of roundings; none by default.
        decisions: Those that are given.

    Returns:
        The decisions, by the name of the layer's top.
    """
    asked = question.targets is not None
    parameters = question.trained
    weights = {name: x.detach() for name, x in question.weights.items()}
    for name in parameters:
        weights[name] = weights[name].clone().requires_grad_()
    found = question.arbiter.forward(
        question.inputs,
        weights,
        training=question.training,
        noise=noise,
        decisions=decisions,
        seen=lambda name, x: seen(f"blob/{name}", x.detach()),
    )
    for name, x in found.statistics.items():
        seen(f"statistic/{name}", x)
    if asked:
        loss = question.arbiter.loss(found, question.targets)
        found_slopes = gradients(loss, [weights[name] for name in parameters])
        slopes = dict(zip(parameters, found_slopes, strict=True))
        seen(LOSS, loss.detach())
        for name, x in slopes.items():
            seen(f"gradient/{name}", x)
        for name, x in _updated(question, slopes, noise):
            seen(name, x)
    return found.decisions


def _updated(
    question: Question, slopes: Tensors, noise: Noise | None
) -> Iterator[tuple[str, Tensor]]:
    """What the solver makes of the gradients."""
    if question.solver is None:
        return
    for name, slope in slopes.items():
        weight, kept = question.solver(question.weights[name].detach(), slope, question.kept[name])
        made = {f"weight/{name}": weight} | {f"kept/{name}/{key}": x for key, x in kept.items()}
        for what, x in made.items():
            yield what, noise.on_value(x, what, 1, wide=True) if noise else x


def explained(
    question: Question,
    unit: float,
    *,
    decisions: Tensors | None = None,
    seed: int = 0,
    runs: int = RUNS,
    free: bool = False,
) -> tuple[dict[str, Reference], Tensors]:
    """Compute every tensor and its explained noise.

    Args:
        question: What is asked.
        unit: The unit roundoff of the precision that is judged.
        decisions: Those that are given; by default the exact run's own.
        seed: Of the noise.
        runs: How many noisy runs there are.
        free: Whether the noisy runs decide for themselves.

    Returns:
        The references, by the names of `Answer.tensors`, and the decisions.
    """
    exact = answer(question, decisions=decisions)
    values = {name: np.asarray(x.numpy()) for name, x in exact.tensors.items()}
    given = None if free else exact.decisions
    squares = noise_squares(question, values, unit, decisions=given, seed=seed, runs=runs)
    return {name: Reference(x, squares[name]) for name, x in values.items()}, exact.decisions


def noise_squares(
    question: Question,
    values: Mapping[str, NDArray[Any]],
    unit: float,
    *,
    decisions: Tensors | None = None,
    seed: int = 0,
    runs: int = RUNS,
    wide: float = 0.0,
) -> dict[str, NDArray[Any]]:
    """Compute how far roundings can move each tensor; see `Reference.squares`.

    Args:
        question: What is asked.
        values: What the exact run gives, by the names of `Answer.tensors`.
        unit: The unit roundoff of the precision that is judged.
        decisions: Those that are given; without them the noisy runs decide for themselves.
        seed: Of the noise.
        runs: How many noisy runs there are.
        wide: The unit roundoff of the wider type of a mixed precision; 0 where there is one type.
    """
    squares: dict[str, Any] = {}
    for run in range(runs):

        def add(name: str, x: Tensor) -> None:
            more = _by_channel((x.numpy() - values[name]) ** 2) / runs
            squares[name] = squares.get(name, 0.0) + more

        tell(question, add, Noise(unit, seed, run, wide), decisions)
        memory.give_back()
    return {name: np.asarray(value) for name, value in squares.items()}


def _by_channel(x: NDArray[Any]) -> NDArray[Any]:
    """Sums over all axes but the second."""
    return np.asarray(x.sum(axis=tuple(axis for axis in range(x.ndim) if axis != 1)))
