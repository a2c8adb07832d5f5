from __future__ import annotations

import math

import numpy as np
import pytest

from ranparity.data import initial
from ranparity.data.tape import Tape
from ranparity.errors import InputError

TAPE = Tape(7)
GOLDEN_UNIFORM = {
    "kernel": ["-0x1.a387e20000000p-3", "-0x1.33e9a00000000p-5", "0x1.be4fee0000000p-4"],
    "bias": ["-0x1.926c960000000p-3", "-0x1.6574280000000p-4", "-0x1.625bc80000000p-6"],
}


def test_golden_kernel() -> None:
    kernel = initial.weight(TAPE, "conv1/kernel", (3, 3, 16, 8))
    assert kernel.dtype == np.float32
    assert [float(x).hex() for x in kernel.ravel()[:3]] == [
        "-0x1.2115280000000p-3",
        "0x1.4f4dd60000000p-3",
        "-0x1.596e540000000p-4",
    ]


@pytest.mark.parametrize("shape", [(3, 3, 64, 64), (1, 1, 256, 128), (256, 100)])
def test_a_kernels_variance_is_two_by_the_fan_in(shape: tuple[int, ...]) -> None:
    kernel = initial.weight(TAPE, "layer/kernel", shape).astype(np.float64)
    variance = 2 / math.prod(shape[:-1])
    sampling_error = math.sqrt(2 / kernel.size)
    assert abs((kernel**2).mean() / variance - 1) < 5 * sampling_error
    fan_out = 2 / (math.prod(shape) / shape[-2])
    if fan_out != variance:
        assert abs((kernel**2).mean() / fan_out - 1) > 5 * sampling_error


def test_golden_parameter() -> None:
    """Whose variance is 2 by its first axis: of DRA-Net's attractors, 2 / K."""
    parameter = initial.weight(TAPE, "attractors/parameter", (10, 64))
    assert parameter.dtype == np.float32
    assert [float(x).hex() for x in parameter.ravel()[:3]] == [
        "0x1.539e520000000p-2",
        "0x1.7a10b00000000p-9",
        "-0x1.3af9e80000000p-1",
    ]
    sampling_error = math.sqrt(2 / parameter.size)
    assert abs((parameter.astype(np.float64) ** 2).mean() / (2 / 10) - 1) < 5 * sampling_error


@pytest.mark.parametrize("part", ["kernel", "bias"])
def test_golden_uniform(part: str) -> None:
    weight = initial.weight(TAPE, f"embedding/{part}", (4096,), 0.25)
    assert weight.dtype == np.float32
    assert [float(x).hex() for x in weight[:3]] == GOLDEN_UNIFORM[part]


def test_a_bound_spreads_weights_evenly_from_its_negative_to_itself() -> None:
    weight = initial.weight(TAPE, "embedding/kernel", (512, 1024), 0.25).astype(np.float64)
    assert -0.25 <= weight.min() < -0.2499 < 0.2499 < weight.max() <= 0.25
    assert abs(weight.mean()) < 5 * math.sqrt(0.25**2 / 3 / weight.size)
    counts, _ = np.histogram(weight, 16, (-0.25, 0.25))
    assert abs(counts / weight.size * 16 - 1).max() < 5 * math.sqrt(16 / weight.size)


def test_a_bound_is_for_kernel_and_bias_alone() -> None:
    for part in ("gamma", "moving_variance", "parameter"):
        name = f"x/{part}"
        assert np.array_equal(
            initial.weight(TAPE, name, (3, 2), 0.25), initial.weight(TAPE, name, (3, 2))
        )


def test_a_draw_depends_on_seed_and_name_alone() -> None:
    first = initial.weight(TAPE, "a/kernel", (2, 2))
    assert np.array_equal(initial.weight(Tape(7), "a/kernel", (2, 2)), first)
    assert not np.array_equal(initial.weight(TAPE, "b/kernel", (2, 2)), first)
    assert not np.array_equal(initial.weight(Tape(8), "a/kernel", (2, 2)), first)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("bias", 0),
        ("gamma", 1),
        ("beta", 0),
        ("moving_mean", 0),
        ("moving_variance", 1),
        ("scale", 1),
        ("slope", 0.25),
        ("mean", 0),
        ("variance", 1),
        ("factor", 1),
        ("shift", 0),
    ],
)
def test_constants(part: str, value: float) -> None:
    weight = initial.weight(TAPE, f"x/{part}", (3,))
    assert weight.dtype == np.float32
    assert weight.tolist() == [value] * 3


def test_a_variable_without_a_rule_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        initial.weight(TAPE, "x/embedding", (3,))
    assert str(caught.value) == (
        "variable x/embedding: expected one of kernel, weight, parameter, bias, gamma, beta, "
        "moving_mean, moving_variance, scale, shift, mean, variance, factor, slope, for which "
        "there is a rule"
    )


def test_a_weight_of_caffes_is_a_kernel_with_its_outputs_first() -> None:
    caffes = initial.weight(TAPE, "x/weight", (64, 8, 3, 3))
    assert abs(caffes.std() * np.sqrt(8 * 9 / 2) - 1) < 0.02
    drawn = initial.msra(TAPE, "x/weight", (8, 3, 3, 64))
    np.testing.assert_array_equal(caffes.transpose(1, 2, 3, 0), drawn)
    assert initial.weight(TAPE, "x/weight", (64,)).tolist() == [1] * 64
