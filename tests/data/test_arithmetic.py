from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import ndtri

from ranparity.data import arithmetic
from ranparity.data.arithmetic import exponential, inverse_normal, logarithm

EVERYWHERE = np.concatenate(
    [
        np.linspace(0.001, 0.999, 1999),
        10.0 ** -np.linspace(1, 15.9, 500),
        1 - 10.0 ** -np.linspace(1, 15.9, 500),
        [2.0**-53, 1 - 2.0**-53, 0.075, 0.925, 0.5, math.exp(-25), 1 - math.exp(-25)],
    ]
)
PRECISION = 2e-15  # published for AS 241: about 1e-16; and SciPy's own error
TWO_ULP = 5e-16


def test_the_inverse_normal_is_scipys() -> None:
    np.testing.assert_allclose(inverse_normal(EVERYWHERE), ndtri(EVERYWHERE), rtol=PRECISION)


def test_the_inverse_normal_is_odd() -> None:
    below = EVERYWHERE[EVERYWHERE < 0.5]
    exact = below[1 - (1 - below) == below]  # those whose distance from 1 float64 can hold
    assert len(exact) > 20
    assert np.array_equal(inverse_normal(exact), -inverse_normal(1 - exact))


@given(st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=50))
def test_the_logarithm_is_within_an_ulp_or_two(numbers: list[float]) -> None:
    expected = [math.log(x) for x in numbers]
    np.testing.assert_allclose(logarithm(np.array(numbers)), expected, rtol=TWO_ULP, atol=1e-300)


@given(st.lists(st.floats(-708, 0), min_size=1, max_size=50))
@example([-0.0, -5e-324, -1e-16, -math.log(2) / 2, -math.log(2), -708.0])
def test_the_exponential_is_within_an_ulp_or_two(numbers: list[float]) -> None:
    expected = [math.exp(x) for x in numbers]
    np.testing.assert_allclose(exponential(np.array(numbers)), expected, rtol=TWO_ULP)


def test_the_exponential_of_what_is_too_small_is_zero() -> None:
    small = np.array([np.nextafter(-708.0, -709.0), -1e300, -np.inf])
    assert exponential(small).tolist() == [0, 0, 0]


def test_golden_exponentials() -> None:
    numbers = -np.arange(100_000) * 0.00708
    assert [x.hex() for x in exponential(numbers[[1, 1000, 99_999]]).tolist()] == GOLDEN_THREE
    everything = exponential(numbers).astype("<f8").tobytes()
    assert hashlib.sha256(everything).hexdigest() == GOLDEN_ALL


GOLDEN_THREE = ["0x1.fc63499f25e37p-1", "0x1.b954e124bc0fbp-11", "0x1.7f3ede21449c1p-1022"]
GOLDEN_ALL = "9f5ce373c62a3139f2998146f6ae0b2c1f33cd77695cbfdb18f04ad516c8890c"


def test_series_cut_short_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic, "_ATANH", arithmetic._ATANH[:8])
    with pytest.raises(AssertionError):
        test_the_inverse_normal_is_scipys()
    monkeypatch.setattr(arithmetic, "_EXPONENTIAL", arithmetic._EXPONENTIAL[:11])
    with pytest.raises(AssertionError):
        test_the_exponential_is_within_an_ulp_or_two()
