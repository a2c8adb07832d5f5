from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ranparity.data.tape import Tape
from ranparity.training.update import RULES, Update

Floats = NDArray[np.float64]
MOMENTUM, DECAY = 0.9, 1e-2
RATES = [0.05, 0.05, 0.005, 0.005, 0.1]
EXACT = 1e-14  # float64 in another order of operations


def gradients(weight: Floats, step: int) -> Floats:
    """Of a bowl with its lowest point elsewhere, and some noise."""
    return 3 * weight - 1 + Tape(2).normals("gradient", weight.size, step=step)


def written_out(rule: str, weight: Floats) -> Floats:
    """Caffe's solvers element by element, in their own order of operations."""
    weights, history = weight.tolist(), [0.0] * weight.size
    for step, rate in enumerate(RATES):
        slope = gradients(np.array(weights), step).tolist()
        for i, _ in enumerate(weights):
            diff = slope[i] + DECAY * weights[i]  # SGDSolver::Regularize, L2
            before = history[i]
            history[i] = rate * diff + MOMENTUM * history[i]  # caffe_cpu_axpby
            if rule == "caffe-sgd":
                diff = history[i]
            else:
                diff = (1 + MOMENTUM) * history[i] - MOMENTUM * before
            weights[i] -= diff  # Blob::Update
    return np.array(weights)


def updated(update: Update, weight: Floats) -> Floats:
    velocity = np.zeros_like(weight)
    for step, rate in enumerate(RATES):
        weight, velocity = update(weight, gradients(weight, step), velocity, rate)
    return weight


START = Tape(1).normals("weight", 50)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_caffes_arithmetic(rule: str) -> None:
    result = updated(Update(rule, MOMENTUM, DECAY), START)
    np.testing.assert_allclose(result, written_out(rule, START), rtol=EXACT, atol=EXACT)


def test_one_step_from_rest_by_hand() -> None:
    """w 2, g 1, lr .5, decay .25: g' = 1.5, v' = .75; SGD takes .75, Nesterov 1.9 * .75."""
    sgd = Update("caffe-sgd", 0.9, 0.25)(2.0, 1.0, 0.0, 0.5)
    nesterov = Update("caffe-nesterov", 0.9, 0.25)(2.0, 1.0, 0.0, 0.5)
    assert sgd == (1.25, 0.75)
    assert nesterov == (2 - 1.9 * 0.75, 0.75)


def decoupled(
    weight: Floats, gradient: Floats, velocity: Floats, rate: float, momentum: float, decay: float
) -> tuple[Floats, Floats]:
    moved = momentum * velocity + rate * gradient
    return weight - moved - rate * decay * weight, moved


def rate_outside_velocity(
    weight: Floats, gradient: Floats, velocity: Floats, rate: float, momentum: float, decay: float
) -> tuple[Floats, Floats]:
    moved = momentum * velocity + gradient + decay * weight
    return weight - rate * moved, moved


def without_decay(
    weight: Floats, gradient: Floats, velocity: Floats, rate: float, momentum: float, _: float
) -> tuple[Floats, Floats]:
    return RULES["caffe-sgd"](weight, gradient, velocity, rate, momentum, 0.0)


@pytest.mark.parametrize("fault", [decoupled, rate_outside_velocity, without_decay])
def test_a_faulty_rule_is_noticed(monkeypatch: pytest.MonkeyPatch, fault: object) -> None:
    """Each is a rule that some framework has, and is far from Caffe's after these five steps."""
    monkeypatch.setattr("ranparity.training.update.RULES", {"caffe-sgd": fault})
    result = updated(Update("caffe-sgd", MOMENTUM, DECAY), START)
    assert np.abs(result - written_out("caffe-sgd", START)).max() > 1e-4


def test_the_two_rules_differ() -> None:
    sgd, nesterov = (updated(Update(rule, MOMENTUM, DECAY), START) for rule in RULES)
    assert np.abs(sgd - nesterov).max() > 1e-2
