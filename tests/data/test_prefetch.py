from __future__ import annotations

import contextlib
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranparity.data.prefetch import Prefetch

LONG = 30.0  # seconds after which what has not happened never will


@given(first=st.integers(0, 5), count=st.integers(0, 30), depth=st.integers(1, 5))
def test_results_come_in_order(first: int, count: int, depth: int) -> None:
    steps = range(first, first + count)
    with Prefetch(lambda step: step * 10, steps, depth) as ahead:
        assert list(ahead) == [step * 10 for step in steps]
        assert next(ahead, "end") == "end"


def test_they_are_made_by_one_other_thread() -> None:
    with Prefetch(lambda _: threading.get_ident(), range(10)) as ahead:
        made_by = set(ahead)
    assert len(made_by) == 1
    assert threading.get_ident() not in made_by


@pytest.mark.parametrize("depth", [1, 3])
def test_no_more_are_made_than_the_depth_and_those_without_being_asked(depth: int) -> None:
    made: list[int] = []
    with Prefetch(made.append, range(20), depth) as ahead:
        wait_until(lambda: len(made) == depth)
        time.sleep(0.05)  # long enough for a further one
        assert len(made) == depth
        next(ahead)
        wait_until(lambda: len(made) == depth + 1)


def wait_until(condition: object) -> None:
    assert callable(condition)
    given_up = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < given_up
        time.sleep(0.001)


class Fault(BaseException):
    """Also what is no `Exception` must reach the caller."""


def test_an_exception_is_raised_at_its_place_and_ends_the_steps() -> None:
    fault, made = Fault("step 3"), []

    def make(step: int) -> int:
        made.append(step)
        if step == 3:
            raise fault
        return step

    with Prefetch(make, range(10), depth=5) as ahead:
        assert [next(ahead) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(Fault) as caught:
            next(ahead)
        assert caught.value is fault
        assert next(ahead, "end") == "end"
    assert made == [0, 1, 2, 3]


@pytest.mark.parametrize("taken", [0, 1, 10])
def test_leaving_ends_the_thread(taken: int) -> None:
    before = threading.active_count()
    with Prefetch(lambda step: step, range(10)) as ahead:
        for _ in range(taken):
            next(ahead)
        assert next(ahead, "end") == ("end" if taken == 10 else taken)
    assert threading.active_count() == before
    assert next(ahead, "end") == "end"


def test_an_exception_of_the_caller_ends_the_thread_too() -> None:
    before = threading.active_count()
    with contextlib.suppress(Fault), Prefetch(lambda step: step, range(10**9)) as ahead:
        next(ahead)
        raise Fault
    assert threading.active_count() == before


def test_leaving_waits_for_what_is_being_made_and_makes_no_more() -> None:
    begun, made = threading.Event(), []

    def make(step: int) -> None:
        begun.set()
        time.sleep(0.05)
        made.append(step)

    with Prefetch(make, range(10), depth=5):
        assert begun.wait(LONG)
    assert made == [0]


def test_what_the_caller_has_waited_is_counted() -> None:
    made = 0

    def make(step: int) -> None:
        nonlocal made
        time.sleep(0.1)
        made = step

    with Prefetch(make, range(1, 3), depth=1) as ahead:
        next(ahead)
        first = ahead.waited
        assert first > 0.05
        wait_until(lambda: made == 2)
        next(ahead)
        assert first <= ahead.waited < first + 0.05


def test_outside_of_its_context_it_gives_nothing() -> None:
    with pytest.raises(RuntimeError, match="makes nothing outside of its context"):
        next(Prefetch(lambda step: step, range(3)))


def test_a_depth_that_would_make_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`depth` must be 1 or more\. Received: depth=0"):
        Prefetch(lambda step: step, range(3), depth=0)
