"""What a solver makes of a gradient: weights and what it keeps of each, after one step.

Caffe's own in its own stages: regularise, work out the update, take it from the weights
(BVLC/caffe, src/caffe/solvers/sgd_solver.cpp, Regularize and ComputeUpdateValue;
nesterov_solver.cpp). AdamW is PyTorch's optimizer itself, and Keras's by its formula.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from ranparity.caffe.arbiter.base import Tensor
from ranparity.errors import InputError


@dataclasses.dataclass(frozen=True)
class Solver:
    """An update rule and its numbers.

    Attributes:
        rule: A name of `RULES`.
        learning_rate: Of this step.
        momentum: Caffe's; of AdamW, the decay of the first moment.
        weight_decay: Caffe's, of every parameter; of AdamW, the decoupled one.
        step: Counted from 0 since the kept tensors were zeros.
    """

    rule: str
    learning_rate: float
    momentum: float
    weight_decay: float
    step: int = 0

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            known = ", ".join(RULES)
            raise InputError(f"update rule: expected one of {known}. Received: {self.rule!r}")

    def __call__(self, weight: Tensor, gradient: Tensor, kept: Kept) -> tuple[Tensor, Kept]:
        """Give a new weight, and what is kept of it, by name.

        Args:
            weight: Of any shape, as are all others.
            gradient: Of the loss, without decay.
            kept: What the step before has kept.
        """
        return RULES[self.rule](self, weight, gradient, kept)


Kept = Mapping[str, Tensor]
Rule = Callable[[Solver, Tensor, Tensor, Kept], tuple[Tensor, Kept]]


def caffe_sgd(solver: Solver, weight: Tensor, gradient: Tensor, kept: Kept) -> tuple[Tensor, Kept]:
    """The learning rate is inside the history: `h = momentum h + rate (g + decay w)`, `w - h`."""
    history = _history(solver, weight, gradient, kept)
    return weight - history, {"velocity": history}


def caffe_nesterov(
    solver: Solver, weight: Tensor, gradient: Tensor, kept: Kept
) -> tuple[Tensor, Kept]:
    """The update is `(1 + momentum) h_new - momentum h_old`."""
    history = _history(solver, weight, gradient, kept)
    update = (1 + solver.momentum) * history - solver.momentum * kept["velocity"]
    return weight - update, {"velocity": history}


def _history(solver: Solver, weight: Tensor, gradient: Tensor, kept: Kept) -> Tensor:
    regularised = gradient + solver.weight_decay * weight
    return solver.learning_rate * regularised + solver.momentum * kept["velocity"]


SECOND = 0.999  # decay of AdamW's second moment, in PyTorch as in Keras
KERAS_EPSILON = 1e-7


def adamw_pytorch(
    solver: Solver, weight: Tensor, gradient: Tensor, kept: Kept
) -> tuple[Tensor, Kept]:
    """torch.optim.AdamW, told of the steps before."""
    import torch

    parameter = weight.detach().clone().requires_grad_()
    parameter.grad = gradient.detach().clone()
    optimizer: Any = torch.optim.AdamW(
        [parameter],
        lr=solver.learning_rate,
        betas=(solver.momentum, SECOND),
        weight_decay=solver.weight_decay,
        foreach=False,
    )
    names = {"first_moment": "exp_avg", "second_moment": "exp_avg_sq"}
    optimizer.state[parameter] = {
        "step": torch.tensor(float(solver.step)),
        **{theirs: kept[ours].detach().clone() for ours, theirs in names.items()},
    }
    optimizer.step()
    state = optimizer.state[parameter]
    return parameter.detach(), {ours: state[theirs] for ours, theirs in names.items()}


def adamw_keras(
    solver: Solver, weight: Tensor, gradient: Tensor, kept: Kept
) -> tuple[Tensor, Kept]:
    """Keras 3.15, keras/src/optimizers/adam.py: epsilon beside the uncorrected root."""
    count, rate = solver.step + 1, solver.learning_rate
    first = solver.momentum * kept["first_moment"] + (1 - solver.momentum) * gradient
    second = SECOND * kept["second_moment"] + (1 - SECOND) * gradient**2
    corrected = rate * (1 - SECOND**count) ** 0.5 / (1 - solver.momentum**count)
    decayed = weight * (1 - solver.weight_decay * rate)
    moved = decayed - corrected * first / (second.sqrt() + KERAS_EPSILON)
    return moved, {"first_moment": first, "second_moment": second}


RULES: Mapping[str, Rule] = {
    "caffe-sgd": caffe_sgd,
    "caffe-nesterov": caffe_nesterov,
    "adamw-pytorch": adamw_pytorch,
    "adamw-keras": adamw_keras,
}
