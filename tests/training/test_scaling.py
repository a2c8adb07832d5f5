"""The rule of the loss scale: halved where a step is left out, doubled after many that are not."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranparity.errors import InputError
from ranparity.training import scaling
from ranparity.training.scaling import GROWTH_STEPS, INITIAL, Scaling


def test_it_begins_high_and_is_a_power_of_two() -> None:
    assert Scaling() == Scaling(32768.0, 0, 0)
    assert scaling.RULE == {"initial": 32768.0, "factor": 2.0, "growth_steps": 2000}


def test_a_step_that_is_left_out_halves_it_and_is_counted() -> None:
    assert Scaling(64.0, 7, 2).after(finite=False) == Scaling(32.0, 0, 3)


def test_it_doubles_after_so_many_good_steps_and_not_before() -> None:
    steps = list(
        accumulate(range(GROWTH_STEPS), lambda s, _: s.after(finite=True), initial=Scaling())
    )
    assert {each.scale for each in steps[:GROWTH_STEPS]} == {INITIAL}
    assert steps[GROWTH_STEPS] == Scaling(2 * INITIAL, 0, 0)


def test_a_step_that_is_left_out_begins_the_count_again() -> None:
    almost = Scaling(INITIAL, GROWTH_STEPS - 1)
    assert almost.after(finite=True).scale == 2 * INITIAL
    assert almost.after(finite=False).after(finite=True) == Scaling(INITIAL / 2, 1, 1)


def test_gradients_that_are_never_finite_end_the_run_with_a_line() -> None:
    state = Scaling()
    for _ in range(30):
        state = state.after(finite=False)
    with pytest.raises(InputError, match=r"^loss scale 3\.05176e-05: expected gradients that are"):
        state.after(finite=False)


@given(st.lists(st.booleans(), max_size=25))
def test_what_is_written_down_is_taken_up_again(finite: list[bool]) -> None:
    state = Scaling()
    for each in finite:
        state = Scaling(**state.to_json()).after(finite=each)
    assert state.skipped == finite.count(False)
    assert state.scale == INITIAL / 2 ** finite.count(False)
