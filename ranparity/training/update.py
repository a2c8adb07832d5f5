"""Update rules, each written once for the tensors of any framework and for NumPy.

Caffe's, with g the gradient of the loss, w a weight and v its velocity (starting at 0), first add
the L2 decay to the gradient, then put the learning rate into the velocity (BVLC/caffe at commit
0eea815, src/caffe/solvers/sgd_solver.cpp, `Regularize` and `ComputeUpdateValue`):

    g' = g + weight_decay * w
    v' = momentum * v + learning_rate * g'

They differ in what is then taken from w. A change of the learning rate therefore acts on new
gradients alone, where PyTorch's SGD rescales the whole velocity.

AdamW's, with moments m and s (starting at 0) and t the step counted from 1, shrink the weight by
itself, apart from the gradient, and divide by the root of the second moment:

    m' = m + (1 - momentum) * (g - m)
    s' = SECOND * s + (1 - SECOND) * g^2

PyTorch and Keras part in where they add epsilon, in its size, and in the order of operations.

Whatever depends on the step's number is worked out before the step, in Python's float64, and given
to it as scalars, so that a compiled step is the same program at every step and no backend's power
or square root of its own enters. (Keras computes these few numbers in the weight's precision, so in
float32 it is a rounding apart from this.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Tensor = Any  # NumPy's, PyTorch's, TensorFlow's or JAX's: only +, -, * and / are used of them
Tensors = tuple[Tensor, ...]
Updated = tuple[Tensor, Tensors]

SECOND = 0.999  # AdamW: how much of the second moment a step keeps (PyTorch's and Keras's default)
PYTORCH_EPSILON = 1e-8
KERAS_EPSILON = 1e-7


def _axpy(factor: Any, x: Tensor, y: Tensor) -> Tensor:
    return factor * x + y


@dataclass(frozen=True)
class Arithmetic:
    """What the rules need of a framework beyond its operators.

    Attributes:
        sqrt: The square root of each element.
        axpy: `factor * x + y`, in one pass where the framework has it; the name is BLAS's and
            Caffe's.
    """

    sqrt: Callable[[Tensor], Tensor]
    axpy: Callable[[Any, Tensor, Tensor], Tensor] = _axpy


@dataclass(frozen=True)
class Update:
    """An update rule with its constants.

    Attributes:
        rule: A key of `RULES`.
        momentum: How much of the velocity a step keeps; for AdamW, of the first moment (beta 1).
        weight_decay: Factor of the L2 decay; for AdamW, of the decoupled decay.
    """

    rule: str
    momentum: float
    weight_decay: float

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of what the rule keeps for each weight; all have its shape and start at 0."""
        return RULES[self.rule].slots

    @property
    def nesterov(self) -> bool | None:
        """Whether a framework's own step with momentum does this rule, and if so which.

        With Nesterov's momentum (true) or the plain one (false), of a velocity that has the
        learning rate in it: v' = momentum * v + learning_rate * g', and w - (momentum * v' +
        learning_rate * g') is Caffe's w - ((1 + momentum) v' - momentum * v). TensorFlow's is so;
        PyTorch's with a rate of 1 and Caffe's before the gradient. None where the rule is another,
        or there is no momentum.
        """
        is_own = type(self).__call__ is Update.__call__
        return NESTEROV.get(RULES[self.rule].move) if is_own and self.momentum else None

    def scalars(self, step: int, learning_rate: float) -> tuple[float, ...]:
        """Give the numbers of one step, which it takes as tensors without axes.

        Args:
            step: Counted from 0 since the slots were zeros.
            learning_rate: Of this step.
        """
        return RULES[self.rule].scalars(self, step, learning_rate)

    def __call__(
        self,
        weight: Tensor,
        gradient: Tensor,
        slots: Tensors,
        scalars: Tensors,
        arithmetic: Arithmetic,
    ) -> Updated:
        """Give the new weight and the new slots.

        Args:
            weight: Of any shape, as are the gradient and each slot.
            gradient: Of the loss, without decay.
            slots: In the order of `slots`.
            scalars: What `scalars` gave, in the weight's precision.
            arithmetic: The framework's.
        """
        return RULES[self.rule].move(self, weight, gradient, slots, scalars, arithmetic)


IDLE = Update("caffe-sgd", momentum=0.0, weight_decay=0.0)
"""Of a trainer that takes no step: it has to have one."""


def caffe_velocity(
    update: Update,
    weight: Tensor,
    gradient: Tensor,
    velocity: Tensor,
    rate: Tensor,
    arithmetic: Arithmetic,
) -> Tensor:
    """Give v' (see the module): src/caffe/solvers/sgd_solver.cpp."""
    decayed = arithmetic.axpy(update.weight_decay, weight, gradient)
    return arithmetic.axpy(rate, decayed, update.momentum * velocity)


def caffe_sgd(
    update: Update,
    weight: Tensor,
    gradient: Tensor,
    slots: Tensors,
    scalars: Tensors,
    arithmetic: Arithmetic,
) -> Updated:
    """Give w - v', and v': src/caffe/solvers/sgd_solver.cpp."""
    (velocity,), (rate,) = slots, scalars
    moved = caffe_velocity(update, weight, gradient, velocity, rate, arithmetic)
    return weight - moved, (moved,)


def caffe_nesterov(
    update: Update,
    weight: Tensor,
    gradient: Tensor,
    slots: Tensors,
    scalars: Tensors,
    arithmetic: Arithmetic,
) -> Updated:
    """Give w - ((1 + momentum) v' - momentum v), and v': src/caffe/solvers/nesterov_solver.cpp."""
    (velocity,), (rate,), momentum = slots, scalars, update.momentum
    moved = caffe_velocity(update, weight, gradient, velocity, rate, arithmetic)
    return weight - arithmetic.axpy(1 + momentum, moved, -momentum * velocity), (moved,)


def caffe_scalars(_update: Update, _step: int, learning_rate: float) -> tuple[float, ...]:
    """Give the learning rate."""
    return (learning_rate,)


def adamw_pytorch(
    update: Update,
    weight: Tensor,
    gradient: Tensor,
    slots: Tensors,
    scalars: Tensors,
    arithmetic: Arithmetic,
) -> Updated:
    """Give the step of PyTorch 2.13's torch/optim/adam.py, `_single_tensor_adam`.

        w' = kept * w - rate * m' / (sqrt(s') / root + epsilon)

    with kept = 1 - learning_rate * weight_decay, rate = learning_rate / (1 - momentum^t) and
    root = sqrt(1 - SECOND^t): epsilon is added to the corrected root.
    """
    (first, second), (kept, rate, root) = slots, scalars
    first = first + (1 - update.momentum) * (gradient - first)
    second = SECOND * second + (1 - SECOND) * gradient * gradient
    corrected = arithmetic.sqrt(second) / root
    return kept * weight - rate * (first / (corrected + PYTORCH_EPSILON)), (first, second)


def adamw_pytorch_scalars(
    update: Update, step: int, learning_rate: float
) -> tuple[float, float, float]:
    """Give kept, rate and root."""
    kept = 1 - learning_rate * update.weight_decay
    rate = learning_rate / (1 - update.momentum ** (step + 1))
    return kept, rate, math.sqrt(1 - SECOND ** (step + 1))


def adamw_keras(
    update: Update,
    weight: Tensor,
    gradient: Tensor,
    slots: Tensors,
    scalars: Tensors,
    arithmetic: Arithmetic,
) -> Updated:
    """Give the step of Keras 3.15's keras/src/optimizers/adam.py, after its decay.

        w' = (w - w * weight_decay * learning_rate) - m' * rate / (sqrt(s') + epsilon)

    with rate = learning_rate * sqrt(1 - SECOND^t) / (1 - momentum^t): epsilon is added to the root
    as it is, and so is larger against it in the first steps. The second moment is written
    s' = s + (g^2 - s) (1 - SECOND). The decay: keras/src/optimizers/base_optimizer.py,
    `_apply_weight_decay`.
    """
    (first, second), (learning_rate, rate) = slots, scalars
    first = first + (gradient - first) * (1 - update.momentum)
    second = second + (gradient * gradient - second) * (1 - SECOND)
    decayed = weight - weight * update.weight_decay * learning_rate
    return decayed - first * rate / (arithmetic.sqrt(second) + KERAS_EPSILON), (first, second)


def adamw_keras_scalars(update: Update, step: int, learning_rate: float) -> tuple[float, float]:
    """Give the learning rate and the corrected rate."""
    corrected = math.sqrt(1 - SECOND ** (step + 1)) / (1 - update.momentum ** (step + 1))
    return learning_rate, learning_rate * corrected


@dataclass(frozen=True)
class Rule:
    """An update rule.

    Attributes:
        slots: Names of what it keeps for each weight.
        scalars: The numbers of a step: (update, step from 0, learning rate) to floats.
        move: The step itself, with the arguments of `Update` after the update.
    """

    slots: tuple[str, ...]
    scalars: Callable[[Update, int, float], tuple[float, ...]]
    move: Callable[[Update, Tensor, Tensor, Tensors, Tensors, Arithmetic], Updated]


NESTEROV: Mapping[Callable[..., Updated], bool] = {caffe_sgd: False, caffe_nesterov: True}
"""Rules that frameworks' steps with momentum do too; see `Update.nesterov`."""

_MOMENTS = ("first_moment", "second_moment")

RULES: Mapping[str, Rule] = {
    "caffe-sgd": Rule(("velocity",), caffe_scalars, caffe_sgd),
    "caffe-nesterov": Rule(("velocity",), caffe_scalars, caffe_nesterov),
    "adamw-pytorch": Rule(_MOMENTS, adamw_pytorch_scalars, adamw_pytorch),
    "adamw-keras": Rule(_MOMENTS, adamw_keras_scalars, adamw_keras),
}
