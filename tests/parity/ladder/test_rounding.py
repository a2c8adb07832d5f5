"""rho and its verdict: what is a rounding, what differs, and what cannot be compared."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranparity.caffe.arbiter.noise import UNIT_ROUNDOFF
from ranparity.parity.ladder import rounding
from ranparity.parity.ladder.rounding import LIMIT, Row, compare

UNIT = UNIT_ROUNDOFF["float32"]
EXPECTED = np.arange(1.0, 13.0).reshape(3, 4)


def row(found: Any, noise: float = 1e-3, expected: Any = EXPECTED) -> Row:
    return compare("blob/it", np.asarray(found), np.asarray(expected), noise, "float32")


def test_equal_tensors_are_identical_even_without_noise() -> None:
    assert row(EXPECTED, 0.0).verdict == rounding.IDENTICAL
    assert row(np.zeros(3), 0.0, np.zeros(3)).rho == 0


def test_anything_beside_nothing_is_infinitely_far() -> None:
    found = row([1e-30, 0.0], 0.0, [0.0, 0.0])
    assert (found.verdict, found.rho) == (rounding.DIFFERS, math.inf)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["rho"] == "inf"


@given(st.floats(0.01, 100), st.integers(-20, 20))
def test_rho_is_the_distance_in_terms_of_the_noise(share: float, power: int) -> None:
    """At any scale; and the one constant is what parts a rounding from a difference."""
    scale = 2.0**power
    error = np.zeros((3, 4))
    error[1, 2] = share * LIMIT * 0.01 * scale
    found = row(scale * EXPECTED + error, 0.01 * scale, scale * EXPECTED)
    assert found.rho == pytest.approx(share * LIMIT, rel=1e-6)
    assert (found.verdict == rounding.DIFFERS) == (found.rho > LIMIT)
    assert found.worst == (1, 2)
    assert found.expected == 7 * scale
    assert found.largest_error == pytest.approx(error[1, 2], rel=1e-6)
    assert found.rms_error == pytest.approx(error[1, 2] / math.sqrt(12), rel=1e-6)


def test_noise_is_never_taken_for_less_than_a_rounding_of_the_tensor_itself() -> None:
    found = row(EXPECTED * (1 + UNIT), 0.0)
    assert found.verdict == rounding.ROUNDING
    assert found.rho == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_differs(bad: float) -> None:
    found = EXPECTED.copy()
    found[0, 1] = bad
    assert row(found).verdict == rounding.DIFFERS
    json.dumps(row(found).to_json(), allow_nan=False)


def test_what_cannot_be_compared_says_why() -> None:
    found = row(EXPECTED[:2])
    assert found.verdict == rounding.NOT_COMPARABLE
    assert found.reason == "expected shape (3, 4), found (2, 4)"
    assert found.rho is None
    endless = EXPECTED.copy()
    endless[0, 0] = math.inf
    assert row(EXPECTED, 1.0, endless).verdict == rounding.NOT_COMPARABLE


def test_the_cosine_is_that_of_the_angle() -> None:
    assert row([1.0, 0.0], 1.0, [0.0, 2.0]).cosine == 0
    assert row([-3.0, -3.0], 1.0, [1.0, 1.0]).cosine == pytest.approx(-1)
    assert row([0.0], 1.0, [1.0]).cosine is None


def test_noise_is_linear_in_the_unit_roundoff() -> None:
    assert rounding.noise_in("float32", 3.0) == 3.0
    assert rounding.noise_in("float64", 1.0) == 2.0**-29
