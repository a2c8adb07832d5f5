"""Noise in the place of roundings: how large it is, where it goes, and that it comes again."""

from __future__ import annotations

import math

import pytest
import torch

from ranparity.caffe.arbiter.noise import UNIT_ROUNDOFF, Noise

UNIT = UNIT_ROUNDOFF["float32"]
ONES = torch.ones(200, 50, dtype=torch.float64)


def test_a_factor_is_within_the_roundoff_and_spread_evenly() -> None:
    for terms in (1, 9, 576):
        moved = (Noise(UNIT, 0, 0).factors(ONES, "a", terms) - 1) / (UNIT * math.sqrt(terms))
        assert -1 <= moved.min() < -0.99 < 0.99 < moved.max() <= 1
        assert float(moved.mean()) == pytest.approx(0, abs=5 / math.sqrt(3 * moved.numel()))
        assert float(moved.std()) == pytest.approx(1 / math.sqrt(3), rel=0.02)


def test_a_stream_is_of_its_seed_run_and_name() -> None:
    first = Noise(UNIT, 3, 1).factors(ONES, "a", 1)
    assert torch.equal(Noise(UNIT, 3, 1).factors(ONES, "a", 1), first)
    for seed, run, name in ((4, 1, "a"), (3, 2, "a"), (3, 1, "b")):
        assert not torch.equal(Noise(UNIT, seed, run).factors(ONES, name, 1), first)


def test_noise_on_a_value_leaves_its_gradient() -> None:
    x = ONES.clone().requires_grad_()
    noise = Noise(UNIT, 0, 0)
    y = noise.on_value(x, "a", 4)
    assert torch.equal(y.detach(), noise.factors(ONES, "value/a", 4))
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], ONES)


def test_noise_on_a_gradient_leaves_the_value() -> None:
    x = ONES.clone().requires_grad_()
    noise = Noise(UNIT, 0, 0)
    y = noise.on_gradient(x, "a", 4)
    assert torch.equal(y.detach(), ONES)
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], noise.factors(ONES, "gradient/a", 4))


MIXED = Noise(UNIT_ROUNDOFF["bfloat16"], 0, 0, wide=UNIT)


def test_a_mixed_sum_is_rounded_once_to_the_narrow_type_and_for_each_term_to_the_wide_one() -> None:
    unit = UNIT_ROUNDOFF["bfloat16"]
    assert MIXED.size(0) == unit
    assert MIXED.size(4) == math.hypot(unit, 2 * UNIT)
    assert MIXED.size(2.0**34) == math.hypot(unit, 2.0**17 * UNIT) > unit
    assert MIXED.size(4, wide=True) == 2 * UNIT
    assert Noise(unit, 0, 0).size(4) == 2 * unit


def test_what_is_kept_wide_is_rounded_where_it_is_used_and_only_in_a_mixed_precision() -> None:
    x = ONES.clone().requires_grad_()
    y = MIXED.on_use(x, "a")
    assert 0.99 < float((y.detach() - 1).abs().max()) / UNIT_ROUNDOFF["bfloat16"] <= 1
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], ONES)
    assert Noise(UNIT, 0, 0).on_use(x, "a") is x


def test_float64_has_a_noise_of_its_own() -> None:
    moved = Noise(UNIT_ROUNDOFF["float64"], 0, 0).factors(ONES, "a", 1)
    assert 0 < float((moved - 1).abs().max()) <= 2.0**-52
