"""Two runs beside each other, and beside the twins of both."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from hypothesis import given as having
from hypothesis import strategies as st

from ranparity.report import given, parting
from ranparity.report.groups import Group
from ranparity.report.logs import Step
from ranparity.report.parting import pair, pairs
from ranparity.report.runs import FinishedRun, Part
from ranparity.training.twins import FACTOR
from tests.report import samples
from tests.report.run_folders import put, put_twin
from tests.report.test_charts import run as read

TORCH = read("torch")
UNIT = 2.0**-22  # in the last place of a float32 of 2 to 4


def losing(*losses: float, batches: str = "b", stage: str = "train") -> FinishedRun:
    """A run of these losses."""
    steps = tuple(
        Step(stage, float(loss), f"{batches}{place}", 0.5)
        for place, loss in enumerate(losses, start=1)
    )
    return replace(TORCH, steps=steps)


def test_equal_runs_part_nowhere() -> None:
    found = pair(TORCH, TORCH)
    assert (found.steps, found.other_batch, found.other_loss) == (samples.STEPS, None, None)
    assert found.same_start
    assert found.same_end
    assert found.same_slots
    assert set(found.distances) == {0.0}
    assert (found.beyond, found.ratio) == (None, 0.0)


def test_each_digest_is_looked_at() -> None:
    for name, seen in (
        ("initial_weights_digest", "same_start"),
        ("final_weights_digest", "same_end"),
        ("final_slots_digest", "same_slots"),
    ):
        found = pair(TORCH, replace(TORCH, **{name: "other"}))
        told = {each: getattr(found, each) for each in ("same_start", "same_end", "same_slots")}
        assert told == {each: each != seen for each in told}


def test_the_first_step_that_differs_is_named_and_those_behind_it_are_not() -> None:
    one = losing(2.5, 2.0, 1.5, 1.0)
    found = pair(one, losing(2.5, 2.0, 1.25, 1.0))
    assert (found.other_batch, found.other_loss) == (None, 3)
    assert found.distances == (0, 0, 0.25, 0)
    other = replace(one, steps=(one.steps[0], *losing(0, 2.0, 1.5, 1.0, batches="x").steps[1:]))
    assert (pair(one, other).other_batch, pair(one, other).other_loss) == (2, None)


def test_a_group_is_held_against_the_twins_of_each_and_its_largest_distance_counts() -> None:
    torch, jax = losing(3, 2, 1), replace(losing(3.5, 2.25, 1), parts=(Part(1, "jax", None),))
    again, twin = losing(9, 9, 9), replace(losing(3, 2.125, 1.5), twin=1)
    found = parting.of_group(Group(None, (torch, jax, again), (), (twin,)))
    assert found.one is torch
    assert found.distances == (6, 7, 8)
    assert found.off == ((0, 0.125, 0.5),)  # of the nearer run on its backend
    stray = replace(twin, parts=(Part(1, "tensorflow", None),))
    assert parting.of_group(Group(None, (torch, jax), (), (stray,))).off == ()


def test_a_last_bit_is_a_difference_and_so_is_a_sign_of_nothing() -> None:
    one = losing(2.5, 0.0)
    assert pair(one, losing(math.nextafter(2.5, 3), 0.0)).other_loss == 1
    found = pair(one, losing(2.5, -0.0))
    assert (found.other_loss, found.distances[1]) == (2, 0)


def test_steps_that_one_run_did_not_make_are_not_compared() -> None:
    found = pair(losing(3.0, 2.0, 1.0), losing(3.0, 2.0))
    assert (found.steps, found.other_loss) == (2, None)
    elsewhere = pair(losing(3.0), losing(3.0, stage="other"))
    assert (elsewhere.steps, elsewhere.other_batch, elsewhere.beyond) == (0, None, None)
    assert pair(losing(3.0), losing(3.0, stage="other"), [losing(3.0)]).allowed == []


def test_without_twins_nothing_is_beyond_them() -> None:
    found = pair(losing(3.0), losing(1.0))
    assert (found.allowed, found.beyond, found.off) == ([], None, ())


def test_twins_of_both_allow_what_the_furthest_of_them_had() -> None:
    one, other = losing(3, 3, 3, 3), losing(3, 3 + 0.2, 3, 3 + 0.7)
    of_one = [losing(3, 3.01, 3, 3)]
    of_other = [losing(3, 3.2, 3.02, 3.7)]
    found = pair(one, other, of_one, of_other)
    assert [round(most, 9) for most in found.allowed[1:]] == [0.01, 0.02, 0.02]
    assert found.beyond == 4, "0.7 is more than 30 times 0.02"
    assert round(found.ratio, 3) == 35
    assert pair(one, other, of_one).beyond == 4
    assert pair(one, other, (), of_other).beyond == 2, "of these alone nothing at step 2"


def test_a_twin_that_is_the_run_to_the_last_bit_allows_what_a_last_bit_is() -> None:
    """That it is nearer than a float32 can say is not that it is nowhere."""
    one, twin = losing(2.5, 2.5), losing(2.5, 2.5)
    near, far = (losing(2.5, 2.5 + UNIT * times) for times in (FACTOR, FACTOR + 1))
    assert (pair(one, near, [twin]).beyond, pair(one, near, [twin]).ratio) == (None, FACTOR)
    assert pair(one, far, [twin]).beyond == 2
    double = [
        replace(each, task=replace(each.task, precision="float64")) for each in (one, near, twin)
    ]
    assert pair(*double[:2], double[2:]).beyond == 2


def test_a_twin_that_stopped_early_counts_for_as_long_as_it_went() -> None:
    one, other = losing(3, 3, 3), losing(3, 3.1, 3.1)
    found = pair(one, other, [losing(3, 3.01)])
    assert [round(most, 9) for most in found.allowed[1:]] == [0.01, 0.01]
    longer = pair(losing(3, 3), losing(3, 3), [losing(3, 3.01, 5)])
    assert len(longer.allowed) == 2


LOSSES = st.lists(st.floats(0, 8, width=32), min_size=3, max_size=3)


@having(LOSSES, LOSSES, st.lists(LOSSES, min_size=1, max_size=3), st.integers(0, 3))
def test_the_first_step_beyond_is_that_of_the_rule(
    one: list[float], other: list[float], twins: list[list[float]], split: int
) -> None:
    """Each step's distance against the twins' so far, written out, in units of the rule."""
    of_one, of_other = twins[:split], twins[split:]
    found = pair(
        losing(*one),
        losing(*other),
        [losing(*losses) for losses in of_one],
        [losing(*losses) for losses in of_other],
    )
    expected, most = None, 0.0
    for step, (a, b) in enumerate(zip(one, other, strict=True), start=1):
        off = [abs(losses[step - 1] - a) for losses in of_one]
        off += [abs(losses[step - 1] - b) for losses in of_other]
        unit = math.ulp(a) * 2.0**29
        most = max([most, unit, *off])
        if expected is None and abs(a - b) > 30 * most:
            expected = step
    assert found.beyond == expected


def test_each_two_runs_are_a_pair_with_the_twins_of_both(tmp_path: Path) -> None:
    folders = [put(tmp_path / name, name) for name in samples.BACKENDS]
    twins = [put_twin(tmp_path / f"t{n}", n) for n in (1, 2)]
    found = pairs(given.read([*folders, *twins], []))
    assert [(each.one.id, each.other.id, len(each.off)) for each in found] == [
        ("torch", "tensorflow", 2),
        ("torch", "jax", 2),
        ("tensorflow", "jax", 0),
    ]
    assert parting.pairs(given.read(folders[:2], []))[0].off == ()
