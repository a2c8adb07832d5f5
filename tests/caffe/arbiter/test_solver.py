"""Update rules: by hand, against PyTorch's and Keras's own optimizers, and against what trains."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch

from ranparity.caffe.arbiter.solver import RULES, Solver
from ranparity.errors import InputError
from ranparity.training.update import RULES as TRAINED
from ranparity.training.update import Arithmetic, Update

RANDOM = np.random.default_rng(0)
WEIGHT, *GRADIENTS = torch.tensor(RANDOM.standard_normal((7, 40)))
RATES = (0.1, 0.1, 0.1, 0.01, 0.01, 0.01)


def walked(rule: str, momentum: float, decay: float) -> list[torch.Tensor]:
    """A weight after each of six steps, whose rate falls after three."""
    weight, found = WEIGHT, []
    kept = dict.fromkeys(TRAINED[rule].slots, torch.zeros_like(WEIGHT))
    for step, (gradient, rate) in enumerate(zip(GRADIENTS, RATES, strict=True)):
        weight, kept = Solver(rule, rate, momentum, decay, step)(weight, gradient, kept)
        found.append(weight)
    return found


def test_caffes_rate_is_inside_the_history_and_its_decay_in_the_gradient() -> None:
    """Two steps of one number by hand: w 1, gradients 2 and 3, rates .1 and .01, momentum .9."""
    one = torch.tensor([1.0], dtype=torch.float64)
    first, kept = Solver("caffe-sgd", 0.1, 0.9, 0.5)(one, 2 * one, {"velocity": 0 * one})
    assert float(first) == pytest.approx(1 - 0.1 * (2 + 0.5))
    second, _ = Solver("caffe-sgd", 0.01, 0.9, 0.5, 1)(first, 3 * one, kept)
    assert float(second) == pytest.approx(0.75 - (0.9 * 0.25 + 0.01 * (3 + 0.5 * 0.75)))


def test_nesterov_looks_ahead() -> None:
    one = torch.tensor([1.0], dtype=torch.float64)
    kept = {"velocity": 4 * one}
    moved, after = Solver("caffe-nesterov", 0.1, 0.9, 0.0)(one, 2 * one, kept)
    history = 0.9 * 4 + 0.1 * 2
    assert float(after["velocity"]) == pytest.approx(history)
    assert float(moved) == pytest.approx(1 - (1.9 * history - 0.9 * 4))


def test_without_a_change_of_rate_nesterov_is_pytorchs() -> None:
    parameter = WEIGHT.clone().requires_grad_()
    theirs = torch.optim.SGD([parameter], 0.1, 0.9, weight_decay=0.01, nesterov=True)
    weight, kept = WEIGHT, {"velocity": torch.zeros_like(WEIGHT)}
    for step, gradient in enumerate(GRADIENTS):
        weight, kept = Solver("caffe-nesterov", 0.1, 0.9, 0.01, step)(weight, gradient, kept)
        parameter.grad = gradient.clone()
        theirs.step()
        torch.testing.assert_close(weight, parameter.detach(), rtol=1e-12, atol=1e-13)


def test_adamw_is_pytorchs_over_several_steps() -> None:
    parameter = WEIGHT.clone().requires_grad_()
    theirs = torch.optim.AdamW([parameter], 0.1, (0.9, 0.999), weight_decay=0.01)
    for step, (found, gradient) in enumerate(
        zip(walked("adamw-pytorch", 0.9, 0.01), GRADIENTS, strict=True)
    ):
        theirs.param_groups[0]["lr"] = RATES[step]
        parameter.grad = gradient.clone()
        theirs.step()
        torch.testing.assert_close(found, parameter.detach(), rtol=1e-12, atol=1e-13)


def test_kerass_adamw_is_kerass() -> None:
    variable = keras.Variable(WEIGHT.numpy(), dtype="float64")
    theirs = keras.optimizers.AdamW(0.1, weight_decay=0.01)
    theirs.build([variable])
    for step, (found, gradient) in enumerate(
        zip(walked("adamw-keras", 0.9, 0.01), GRADIENTS, strict=True)
    ):
        theirs.learning_rate = RATES[step]
        theirs.apply([gradient.clone()])
        ours, keras_ = found.numpy(), keras.ops.convert_to_numpy(variable)
        np.testing.assert_allclose(ours, keras_, rtol=1e-5, atol=1e-6)  # its moments are float32


@pytest.mark.parametrize("rule", RULES)
def test_what_trains_takes_the_same_steps(rule: str) -> None:
    """The two are written apart: one for all frameworks, and this for the arbiter."""
    update = Update(rule, 0.9, 0.01)
    weight, slots = WEIGHT, tuple(torch.zeros_like(WEIGHT) for _ in update.slots)
    for step, (found, gradient) in enumerate(zip(walked(rule, 0.9, 0.01), GRADIENTS, strict=True)):
        scalars = update.scalars(step, RATES[step])
        weight, slots = update(weight, gradient, slots, scalars, Arithmetic(torch.sqrt))
        torch.testing.assert_close(found, weight, rtol=1e-12, atol=1e-13)


def test_both_know_the_same_rules_and_keep_the_same() -> None:
    assert set(RULES) == set(TRAINED)
    for rule in RULES:
        kept = dict.fromkeys(TRAINED[rule].slots, torch.zeros_like(WEIGHT))
        _, after = Solver(rule, 0.1, 0.9, 0.0)(WEIGHT, GRADIENTS[0], kept)
        assert set(after) == set(kept)


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        Solver("sgd", 0.1, 0.9, 0.0)
    assert str(caught.value) == (
        "update rule: expected one of caffe-sgd, caffe-nesterov, adamw-pytorch, adamw-keras. "
        "Received: 'sgd'"
    )
