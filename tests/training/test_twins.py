"""Twins are one unit in the last place off, and what they allow is the largest that they had."""

from __future__ import annotations

import math
from collections.abc import Sequence

import ml_dtypes
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ranparity.data.tape import Tape
from ranparity.training import twins
from ranparity.training.twins import FACTOR

# Few distances, so that equal ones, zeros and the edge of the rule come up.
DISTANCE = st.sampled_from((0.0, 1e-7, 1e-6, 30e-6, math.nextafter(30e-6, 1), 1e-3, 0.5))
CURVE = st.lists(DISTANCE, min_size=1, max_size=12)


@st.composite
def held(draw: st.DrawFn) -> tuple[list[float], list[list[float]]]:
    """Distances between two runs, and those of a few twins, of one length."""
    distances = draw(CURVE)
    length = len(distances)
    curve = st.lists(DISTANCE, min_size=length, max_size=length)
    return distances, draw(st.lists(curve, min_size=1, max_size=4))


def allowed(curves: Sequence[Sequence[float]]) -> list[float]:
    return twins.so_far([np.array(curve) for curve in curves])


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_twin_of_a_mixed_run_is_one_unit_of_what_it_computes_with_off(precision: str) -> None:
    """Moved by a unit of float32, nearly every weight would be the same one once it is rounded."""
    start = {"a": np.float32([1, -2, 0.1, 3e-3, 0] * 16)}
    kind = np.dtype(getattr(ml_dtypes, precision, None) or precision)
    moved = twins.twin(Tape(0), start, 1, precision)["a"]
    assert moved.dtype == np.float32
    apart = np.abs(moved.astype(np.float64) - start["a"])
    rounded = start["a"].astype(kind)
    unit = np.spacing(np.abs(rounded)).astype(np.float64)
    assert np.array_equal(apart[start["a"] != 0], unit[start["a"] != 0])
    assert (apart[start["a"] == 0] < 1e-40).all()
    assert set(np.sign(moved - start["a"])[:4]) | set(np.sign(moved - start["a"])) >= {-1, 1}


def test_a_twin_is_one_unit_in_the_last_place_off_everywhere() -> None:
    start = {"a": np.float32([1, -2, 0.1, 3e-5] * 16), "b": np.zeros(3)}
    first, second = (twins.twin(Tape(0), start, number) for number in (1, 2))
    for name, value in start.items():
        away = np.abs(first[name].astype(np.float64) - value)
        up = np.nextafter(value, np.inf).astype(np.float64) - value
        down = value - np.nextafter(value, -np.inf).astype(np.float64)
        assert np.all((away == up) | (away == down))
        assert first[name].dtype == value.dtype
    signs = np.sign(first["a"] - start["a"])
    assert 10 < np.sum(signs > 0) < 54
    assert not np.array_equal(signs, np.sign(second["a"] - start["a"]))


def test_twins_are_the_same_ones_wherever_they_are_made() -> None:
    """Other signs would make other twins of the same number."""
    found = [twins.twin(Tape(0), {"w": np.zeros(8)}, number)["w"] > 0 for number in (1, 2)]
    assert ["".join("+" if up else "-" for up in signs) for signs in found] == [
        "+-++++-+",
        "+----+--",
    ]


@given(held())
def test_what_is_allowed_is_the_largest_that_any_twin_had_up_to_there(
    found: tuple[list[float], list[list[float]]],
) -> None:
    _, curves = found
    for place, most in enumerate(allowed(curves)):
        assert most == max(value for curve in curves for value in curve[: place + 1])


@given(held())
def test_the_first_step_beyond_is_the_first_at_which_a_run_is_past_the_factor(
    found: tuple[list[float], list[list[float]]],
) -> None:
    distances, curves = found
    place = twins.first_beyond(distances, allowed(curves))
    past = [
        distance > 30.0 * max(value for curve in curves for value in curve[: step + 1])
        for step, distance in enumerate(distances)
    ]
    assert place == (past.index(True) if any(past) else None)


@given(held(), DISTANCE)
def test_more_of_twins_never_brings_the_step_forward(
    found: tuple[list[float], list[list[float]]], more: float
) -> None:
    distances, curves = found
    before = twins.first_beyond(distances, allowed(curves))
    after = twins.first_beyond(distances, allowed([*curves, [more] * len(distances)]))
    assert after is None or (before is not None and before <= after)


@given(held())
def test_runs_no_further_apart_than_a_twin_of_theirs_are_never_beyond(
    found: tuple[list[float], list[list[float]]],
) -> None:
    _, curves = found
    assert twins.first_beyond(curves[0], allowed(curves)) is None
    assert max(twins.ratios(curves[0], allowed(curves)), default=0.0) <= 1


@given(held())
def test_the_largest_ratio_and_the_first_step_beyond_say_the_same(
    found: tuple[list[float], list[list[float]]],
) -> None:
    distances, curves = found
    largest = max(twins.ratios(distances, allowed(curves)), default=0.0)
    assume(not math.isclose(largest, FACTOR))  # a rounding of the division decides there
    assert (largest > FACTOR) == (twins.first_beyond(distances, allowed(curves)) is not None)


def test_the_factor_itself_is_allowed_and_the_next_number_is_not() -> None:
    assert twins.first_beyond([30.0], [1.0]) is None
    assert twins.first_beyond([math.nextafter(30.0, 31)], [1.0]) == 0


def test_a_distance_where_twins_have_none_is_beyond() -> None:
    assert twins.first_beyond([0.0, 1e-9], [0.0, 0.0]) == 1
    assert twins.ratios([0.0, 1e-9], [0.0, 0.0]) == [math.inf]
    assert twins.first_beyond([0.0, 0.0], [0.0, 0.0]) is None


@given(st.floats(2.0**-100, 2.0**100), st.sampled_from(("float32", "float64")))
def test_the_resolution_is_a_unit_in_the_last_place(value: float, precision: str) -> None:
    number = np.asarray(value, precision)
    assert twins.resolution([float(number)], precision)[0] == float(np.spacing(number))
    assert twins.resolution([-float(number)], precision)[0] == float(np.spacing(number))


@pytest.mark.parametrize("value", [0.0, 1.7e308])
def test_the_resolution_of_any_number_is_a_number(value: float) -> None:
    assert math.isfinite(twins.resolution([value], "float32")[0])
