from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.optim.sgd import sgd

from ranparity.data.tape import Tape
from ranparity.training import update as rules
from ranparity.training.update import RULES, Arithmetic, Rule, Update

Floats = NDArray[Any]
MOMENTUM, DECAY = 0.9, 1e-2
BINARY = 0.75, 1 - 2**-10, 2**-7  # momentum, second and decay that float32 has exactly
RATES = [0.0625, 0.0625, 0.0078125, 0.0078125, 0.125]  # float32 has them exactly, as Keras keeps it
EXACT = 1e-13  # float64 in another order of operations
START = Tape(1).normals("weight", 50)


def gradients(weight: Floats, step: int) -> Floats:
    """Of a bowl with its lowest point elsewhere, and some noise."""
    return 3 * weight - 1 + Tape(2).normals("gradient", weight.size, step=step).astype(weight.dtype)


def updated(update: Update, weight: Floats) -> Floats:
    """The weights after a step at each rate, as a backend takes them."""
    slots = tuple(np.zeros_like(weight) for _ in update.slots)
    for step, rate in enumerate(RATES):
        scalars = tuple(np.array(value, weight.dtype) for value in update.scalars(step, rate))
        weight, slots = update(weight, gradients(weight, step), slots, scalars, Arithmetic(np.sqrt))
        assert weight.dtype == slots[0].dtype == START.astype(weight.dtype).dtype
    return weight


# The rules written out, an element and an operation at a time.


def caffe_written_out(rule: str, weight: Floats) -> Floats:
    """Caffe's solvers, in their own order of operations."""
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


def adamw_written_out(rule: str, weight: Floats) -> Floats:
    """Kingma and Ba's moments, both corrected, with each framework's epsilon in its place."""
    weights = weight.tolist()
    first, second = [0.0] * weight.size, [0.0] * weight.size
    for step, rate in enumerate(RATES):
        slope = gradients(np.array(weights), step).tolist()
        for i, g in enumerate(slope):
            first[i] = 0.9 * first[i] + 0.1 * g
            second[i] = 0.999 * second[i] + 0.001 * g**2
            unbiased_first = first[i] / (1 - 0.9 ** (step + 1))
            unbiased_second = second[i] / (1 - 0.999 ** (step + 1))
            epsilon = 1e-8
            if rule == "adamw-keras":  # added before the root is corrected
                epsilon = 1e-7 / math.sqrt(1 - 0.999 ** (step + 1))
            weights[i] -= rate * DECAY * weights[i]
            weights[i] -= rate * unbiased_first / (math.sqrt(unbiased_second) + epsilon)
    return np.array(weights)


def written_out(rule: str, weight: Floats) -> Floats:
    caffe = rule.startswith("caffe")
    return (caffe_written_out if caffe else adamw_written_out)(rule, weight)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_its_arithmetic_written_out(rule: str) -> None:
    result = updated(Update(rule, MOMENTUM, DECAY), START)
    np.testing.assert_allclose(result, written_out(rule, START), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("rule", RULES)
def test_float32_stays_float32_and_is_a_rounding_away(rule: str) -> None:
    result = updated(Update(rule, MOMENTUM, DECAY), START.astype(np.float32))
    np.testing.assert_allclose(result, written_out(rule, START), rtol=1e-5, atol=1e-6)


def test_any_two_rules_differ() -> None:
    results = [updated(Update(rule, MOMENTUM, DECAY), START) for rule in RULES]
    for index, result in enumerate(results):
        for other in results[:index]:
            assert np.abs(result - other).max() > 100 * EXACT


# The bits of a step, which the committed runs have.


@pytest.mark.parametrize("rule", ["caffe-sgd", "caffe-nesterov"])
def test_caffes_rules_have_the_bits_that_they_had(rule: str) -> None:
    w, v = START[:20].astype(np.float32), START[20:40].astype(np.float32)
    g, rate = gradients(w, 0), np.array(0.05, np.float32)
    new, (velocity,) = Update(rule, 0.9, 1e-4)(w, g, (v,), (rate,), Arithmetic(np.sqrt))
    moved = np.float32(0.9) * v + rate * (g + np.float32(1e-4) * w)
    taken = moved if rule == "caffe-sgd" else np.float32(1.9) * moved - np.float32(0.9) * v
    np.testing.assert_array_equal(velocity, moved)
    np.testing.assert_array_equal(new, w - taken)


def test_one_step_from_rest_by_hand() -> None:
    """w 2, g 1, lr .5, decay .25: g' = 1.5, v' = .75; SGD takes .75, Nesterov 1.9 * .75."""
    sgd = Update("caffe-sgd", 0.9, 0.25)(2.0, 1.0, (0.0,), (0.5,), Arithmetic(math.sqrt))
    nesterov = Update("caffe-nesterov", 0.9, 0.25)(2.0, 1.0, (0.0,), (0.5,), Arithmetic(math.sqrt))
    assert sgd == (1.25, (0.75,))
    assert nesterov == (2 - 1.9 * 0.75, (0.75,))


@pytest.mark.parametrize(("rule", "epsilon"), [("adamw-pytorch", 1e-8), ("adamw-keras", 1e-7)])
def test_one_step_of_adamw_from_rest_by_hand(rule: str, epsilon: float) -> None:
    """w 2, g -4, lr .5, decay .25: the weight shrinks by an eighth and goes .5 against g's sign."""
    update = Update(rule, 0.9, 0.25)
    weight, (first, second) = update(
        2.0, -4.0, (0.0, 0.0), update.scalars(0, 0.5), Arithmetic(math.sqrt)
    )
    assert first == pytest.approx(-0.4, rel=EXACT)
    assert second == pytest.approx(0.016, rel=EXACT)
    corrected = epsilon if rule == "adamw-pytorch" else epsilon / math.sqrt(0.001)
    assert weight == pytest.approx(1.75 + 0.5 * 4 / (4 + corrected), rel=EXACT)


# Against the namesakes themselves.


def by_torch(weight: Floats, momentum: float, second: float, decay: float) -> Floats:
    tensor = torch.tensor(weight, requires_grad=True)
    optimizer = torch.optim.AdamW(
        [tensor], betas=(momentum, second), weight_decay=decay, foreach=False
    )
    for step, rate in enumerate(RATES):
        optimizer.param_groups[0]["lr"] = rate
        tensor.grad = torch.tensor(gradients(tensor.detach().numpy(), step))
        optimizer.step()
    return tensor.detach().numpy()


def by_keras(weight: Floats, momentum: float, second: float, decay: float) -> Floats:
    variable = keras.Variable(weight, dtype=str(weight.dtype))
    optimizer = keras.optimizers.AdamW(RATES[0], weight_decay=decay, beta_1=momentum, beta_2=second)
    for step, rate in enumerate(RATES):
        optimizer.learning_rate = rate
        gradient = gradients(variable.value.detach().numpy(), step)
        optimizer.apply([torch.tensor(gradient)], [variable])
    return np.array(variable.value.detach().numpy())


NAMESAKES = {"adamw-pytorch": by_torch, "adamw-keras": by_keras}


@pytest.mark.parametrize("rule", NAMESAKES)
def test_adamw_is_its_namesakes(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With such constants, as Keras's float64 on torch takes them from float32."""
    momentum, second, decay = BINARY
    monkeypatch.setattr(rules, "SECOND", second)
    expected = NAMESAKES[rule](START, momentum, second, decay)
    result = updated(Update(rule, momentum, decay), START)
    np.testing.assert_allclose(result, expected, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("momentum", [0.9, 0.5])
def test_adamw_is_pytorchs_with_its_own_constants(momentum: float) -> None:
    expected = by_torch(START, momentum, 0.999, DECAY)
    result = updated(Update("adamw-pytorch", momentum, DECAY), START)
    np.testing.assert_allclose(result, expected, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("rule", NAMESAKES)
def test_adamw_is_its_namesakes_in_float32(rule: str) -> None:
    start = START.astype(np.float32)
    expected = NAMESAKES[rule](start, MOMENTUM, 0.999, DECAY)
    result = updated(Update(rule, MOMENTUM, DECAY), start)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


def test_the_namesakes_take_nothing_for_each_other() -> None:
    """What tells them apart is far above what they are held to."""
    assert np.abs(by_torch(START, *BINARY) - by_keras(START, *BINARY)).max() > 1e4 * EXACT


@pytest.mark.parametrize("rule", RULES)
def test_torchs_tensors_are_moved_as_numpys(rule: str) -> None:
    update = Update(rule, MOMENTUM, DECAY)
    weight = torch.tensor(START)
    slots = tuple(torch.zeros_like(weight) for _ in update.slots)
    for step, rate in enumerate(RATES):
        gradient = torch.tensor(gradients(weight.numpy(), step))
        scalars = tuple(torch.tensor(s, dtype=weight.dtype) for s in update.scalars(step, rate))
        weight, slots = update(weight, gradient, slots, scalars, Arithmetic(torch.sqrt))
    np.testing.assert_allclose(weight.numpy(), updated(update, START), rtol=EXACT, atol=EXACT)


# What holds for every rule.


@given(
    st.sampled_from(list(RULES)),
    st.floats(-1e3, 1e3),
    st.floats(1e-4, 1),
    st.floats(0, 0.99),
    st.floats(0, 0.5),
    st.integers(0, 10**6),
)
def test_without_a_gradient_a_weight_only_decays(
    rule: str, weight: float, rate: float, momentum: float, decay: float, step: int
) -> None:
    update = Update(rule, momentum, decay)
    slots = tuple(0.0 for _ in update.slots)
    moved, slots = update(weight, 0.0, slots, update.scalars(step, rate), Arithmetic(math.sqrt))
    if rule.startswith("adamw"):
        assert slots == (0.0, 0.0)
        assert moved == pytest.approx(weight * (1 - rate * decay), rel=EXACT)
    else:
        ahead = 1 + momentum if rule == "caffe-nesterov" else 1
        assert moved == pytest.approx(weight * (1 - ahead * rate * decay), rel=EXACT, abs=EXACT)


@given(st.sampled_from(list(RULES)), st.permutations(range(6)))
def test_each_element_is_moved_by_itself(rule: str, order: list[int]) -> None:
    start = START[:6]

    def step(chosen: list[int]) -> Floats:
        update = Update(rule, MOMENTUM, DECAY)
        slots = tuple(start[chosen] ** 2 for _ in update.slots)
        scalars = update.scalars(3, 0.1)
        return update(start[chosen], START[6:12][chosen], slots, scalars, Arithmetic(np.sqrt))[0]

    np.testing.assert_array_equal(step(order), step(list(range(6)))[order])


@pytest.mark.parametrize(
    ("rule", "slots", "count"),
    [
        ("caffe-sgd", ("velocity",), 1),
        ("caffe-nesterov", ("velocity",), 1),
        ("adamw-pytorch", ("first_moment", "second_moment"), 3),
        ("adamw-keras", ("first_moment", "second_moment"), 2),
    ],
)
def test_a_rule_names_its_slots_and_gives_its_scalars(
    rule: str, slots: tuple[str, ...], count: int
) -> None:
    update = Update(rule, MOMENTUM, DECAY)
    assert update.slots == slots
    for step in (0, 10, 10**7):
        scalars = update.scalars(step, 0.1)
        assert len(scalars) == count
        assert all(type(value) is float and math.isfinite(value) for value in scalars)


# Faults.


def altered(rule: str, fault: Callable[..., Any], **changes: Any) -> Rule:
    """A rule whose step is another function."""
    parts = {"slots": RULES[rule].slots, "scalars": RULES[rule].scalars, "move": fault}
    return Rule(**(parts | changes))


def decoupled(
    update: Update, weight: Floats, gradient: Floats, slots: Any, scalars: Any, _: Any
) -> Any:
    (velocity,), (rate,) = slots, scalars
    moved = update.momentum * velocity + rate * gradient
    return weight - moved - rate * update.weight_decay * weight, (moved,)


def rate_outside_velocity(
    update: Update, weight: Floats, gradient: Floats, slots: Any, scalars: Any, _: Any
) -> Any:
    (velocity,), (rate,) = slots, scalars
    moved = update.momentum * velocity + gradient + update.weight_decay * weight
    return weight - rate * moved, (moved,)


def without_decay(update: Update, *arguments: Any) -> Any:
    return rules.caffe_sgd(Update(update.rule, update.momentum, 0.0), *arguments)


def decay_in_the_gradient(update: Update, weight: Floats, gradient: Floats, *rest: Any) -> Any:
    """Adam with L2, as before AdamW."""
    plain = Update(update.rule, update.momentum, 0.0)
    slots, (_, *scalars), arithmetic = rest
    return rules.adamw_pytorch(
        plain, weight, gradient + update.weight_decay * weight, slots, (1.0, *scalars), arithmetic
    )


def corrections_a_step_behind(update: Update, step: int, rate: float) -> Any:
    return rules.adamw_pytorch_scalars(update, step + 1, rate)


def second_moment_of_the_mean(
    update: Update, weight: Floats, gradient: Floats, slots: Any, scalars: Any, arithmetic: Any
) -> Any:
    """The first moment squared, for the square's moment."""
    new, (first, second) = rules.adamw_pytorch(update, weight, gradient, slots, scalars, arithmetic)
    return new, (first, second - 0.001 * gradient**2 + 0.001 * first**2)


FAULTS = {
    "decoupled decay": ("caffe-sgd", altered("caffe-sgd", decoupled)),
    "rate outside": ("caffe-sgd", altered("caffe-sgd", rate_outside_velocity)),
    "no decay": ("caffe-sgd", altered("caffe-sgd", without_decay)),
    "plain SGD": ("caffe-nesterov", RULES["caffe-sgd"]),
    "L2 in adamw": ("adamw-pytorch", altered("adamw-pytorch", decay_in_the_gradient)),
    "a step behind": (
        "adamw-pytorch",
        altered("adamw-pytorch", rules.adamw_pytorch, scalars=corrections_a_step_behind),
    ),
    "wrong moment": ("adamw-pytorch", altered("adamw-pytorch", second_moment_of_the_mean)),
    "Keras for PyTorch": ("adamw-pytorch", RULES["adamw-keras"]),
    "PyTorch for Keras": ("adamw-keras", RULES["adamw-pytorch"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_rule_is_noticed(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """Each is a rule that some framework has, or once had, and is far from the right one."""
    rule, faulty = FAULTS[fault]
    expected = written_out(rule, START)
    monkeypatch.setattr(rules, "RULES", {rule: faulty})
    result = updated(Update(rule, MOMENTUM, DECAY), START)
    assert np.abs(result - expected).max() > 1e5 * EXACT


@pytest.mark.parametrize(
    ("rule", "name", "value"),
    [
        ("adamw-pytorch", "PYTORCH_EPSILON", 1e-7),
        ("adamw-keras", "KERAS_EPSILON", 1e-8),
        ("adamw-pytorch", "SECOND", 0.99),
        ("adamw-keras", "SECOND", 0.99),
    ],
)
def test_another_constant_is_noticed(
    monkeypatch: pytest.MonkeyPatch, rule: str, name: str, value: float
) -> None:
    monkeypatch.setattr(rules, name, value)
    result = updated(Update(rule, MOMENTUM, DECAY), START)
    assert np.abs(result - written_out(rule, START)).max() > 1e4 * EXACT


@pytest.mark.parametrize("rule", RULES)
def test_a_frameworks_own_axpy_is_the_same_rule(rule: str) -> None:
    update = Update(rule, 0.9, 0.01)
    random = np.random.Generator(np.random.Philox(4))
    w, g, *kept = (torch.from_numpy(random.standard_normal(50)) for _ in range(4))
    slots = tuple(slot.abs() for slot in kept[: len(update.slots)])
    scalars = update.scalars(2, 0.05)
    before = [each.clone() for each in (w, g, *slots)]
    own = Arithmetic(torch.sqrt, lambda a, x, y: torch.add(y, x, alpha=a))
    plain, found = (update(w, g, slots, scalars, each) for each in (Arithmetic(torch.sqrt), own))
    torch.testing.assert_close(found, plain, rtol=1e-14, atol=1e-14)
    assert all(map(torch.equal, before, (w, g, *slots))), "nothing is written over"


class Reversed(Update):
    """A rule at fault: up the slope."""

    def __call__(self, weight: Any, gradient: Any, *others: Any) -> Any:
        return super().__call__(weight, -gradient, *others)


def test_a_frameworks_own_step_is_for_caffes_rules_with_momentum_as_they_are() -> None:
    known = {rule: Update(rule, 0.9, 0.1).nesterov for rule in RULES}
    wanted = {"caffe-sgd": False, "caffe-nesterov": True}
    assert known == dict.fromkeys(RULES) | wanted
    assert Update("caffe-nesterov", 0.0, 0.1).nesterov is None, "a framework keeps no velocity then"
    assert Reversed("caffe-nesterov", 0.9, 0.1).nesterov is None


@pytest.mark.parametrize("rule", ["caffe-sgd", "caffe-nesterov"])
def test_pytorchs_step_of_rate_1_is_caffes_where_the_gradient_has_the_rate(rule: str) -> None:
    """Over changes of the rate, which PyTorch's own rate would put before the whole velocity."""
    update, weight = Update(rule, MOMENTUM, DECAY), torch.from_numpy(START.copy())
    velocity = torch.zeros_like(weight)
    for step, rate in enumerate(RATES):
        gradient = torch.from_numpy(gradients(weight.numpy(), step))
        sgd(
            [weight],
            [rate * gradient],
            [velocity],
            fused=True,
            weight_decay=rate * DECAY,
            momentum=MOMENTUM,
            lr=1.0,
            dampening=0.0,
            nesterov=bool(update.nesterov),
            maximize=False,
        )
    np.testing.assert_allclose(weight.numpy(), written_out(rule, START), rtol=EXACT, atol=EXACT)
