"""Caffe's update rules, each written once for the tensors of any framework and for NumPy.

With g the gradient of the loss, w a weight and v its velocity (starting at 0), Caffe first adds the
L2 decay to the gradient, then puts the learning rate into the velocity (BVLC/caffe at commit
0eea815, src/caffe/solvers/sgd_solver.cpp, `Regularize` and `ComputeUpdateValue`):

    g' = g + weight_decay * w
    v' = momentum * v + learning_rate * g'

The rules differ in what is then taken from w. A change of the learning rate therefore acts on new
gradients alone, where PyTorch's SGD rescales the whole velocity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Tensor = Any  # NumPy's, PyTorch's, TensorFlow's or JAX's: only +, - and * are used
Updated = tuple[Tensor, Tensor]
Rule = Callable[[Tensor, Tensor, Tensor, Tensor, float, float], Updated]


def caffe_sgd(
    weight: Tensor,
    gradient: Tensor,
    velocity: Tensor,
    learning_rate: Tensor,
    momentum: float,
    weight_decay: float,
) -> Updated:
    """Give (w - v', v'): src/caffe/solvers/sgd_solver.cpp."""
    decayed = gradient + weight_decay * weight
    moved = momentum * velocity + learning_rate * decayed
    return weight - moved, moved


def caffe_nesterov(
    weight: Tensor,
    gradient: Tensor,
    velocity: Tensor,
    learning_rate: Tensor,
    momentum: float,
    weight_decay: float,
) -> Updated:
    """Give (w - ((1 + momentum) v' - momentum v), v'): src/caffe/solvers/nesterov_solver.cpp."""
    decayed = gradient + weight_decay * weight
    moved = momentum * velocity + learning_rate * decayed
    return weight - ((1 + momentum) * moved - momentum * velocity), moved


RULES: Mapping[str, Rule] = {"caffe-sgd": caffe_sgd, "caffe-nesterov": caffe_nesterov}


@dataclass(frozen=True)
class Update:
    """An update rule with its constants.

    Attributes:
        rule: A key of `RULES`.
        momentum: How much of the velocity is kept.
        weight_decay: Factor of the L2 decay.
    """

    rule: str
    momentum: float
    weight_decay: float

    def __call__(
        self, weight: Tensor, gradient: Tensor, velocity: Tensor, learning_rate: Tensor
    ) -> Updated:
        """Give the new weight and the new velocity; all tensors have the weight's shape."""
        rule = RULES[self.rule]
        return rule(weight, gradient, velocity, learning_rate, self.momentum, self.weight_decay)
