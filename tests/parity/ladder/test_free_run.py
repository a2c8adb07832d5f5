"""Level 5: runs that part as twins do pass, and one that parts from all others does not."""

from __future__ import annotations

import json
import math

import numpy as np

from ranparity.parity.ladder import free_run
from ranparity.parity.ladder.free_run import Pair, Run, pairs, verdicts
from ranparity.training.twins import FACTOR

STEPS, WEIGHTS = 6, 50
ULP = 1e-6


def run(backend: str, seed: int, away: float = 0.0, growth: float = 2.0) -> Run:
    """A run that goes 1 a step, `away` off at each step, and twins whose distance grows."""
    random = np.random.default_rng(seed)
    way = np.ones(WEIGHTS) / math.sqrt(WEIGHTS)
    off = random.standard_normal(WEIGHTS)
    off *= 1 / np.linalg.norm(off)
    path = np.stack([step * way + (step > 0) * (away + ULP / 4) * off for step in range(STEPS + 1)])
    twins = [np.array([ULP * growth**step for step in range(STEPS + 1)]) for _ in range(8)]
    losses = np.linspace(2, 1, STEPS)
    return Run(backend, path, losses + away, twins, [losses + away + ULP for _ in range(8)])


def test_runs_that_are_as_near_as_twins_pass() -> None:
    found = pairs([run("a", 1), run("b", 2), run("c", 3)])
    assert [pair.backends for pair in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert all(pair.passes and pair.apart is None and pair.ratio < 1 for pair in found)
    assert all(pair.horizon == STEPS + 1 for pair in found)
    assert verdicts(found) == {"a": "pass", "b": "pass", "c": "pass"}


def test_the_one_that_parts_from_the_others_fails_and_they_do_not() -> None:
    found = pairs([run("a", 1), run("b", 2, away=100 * FACTOR * ULP), run("c", 3)])
    assert verdicts(found) == {"a": "pass", "b": "fail", "c": "pass"}
    assert [pair.apart for pair in found] == [1, None, 1]
    assert json.dumps([pair.to_json() for pair in found], allow_nan=False)


def test_of_two_that_part_both_fail() -> None:
    found = pairs([run("a", 1), run("b", 2, away=100 * FACTOR * ULP)])
    assert verdicts(found) == {"a": "fail", "b": "fail"}


def test_a_loss_that_parts_is_seen_too() -> None:
    one, other = run("a", 1), run("b", 2)
    twins = [losses + 1e-3 for losses in other.twin_losses]
    apart = Run("b", other.path, other.losses + 1e-3, other.twins, twins)
    (found,) = pairs([one, apart])
    assert not found.passes


def test_behind_the_horizon_nothing_is_said() -> None:
    """The twins are a tenth of the way apart after the third step."""
    wild = [run("a", 1, growth=70), run("b", 2, growth=70)]
    assert free_run.horizon(wild[0]) == 3
    path = wild[1].path.copy()
    path[3:] += 10
    late = Run("b", path, wild[1].losses, wild[1].twins, wild[1].twin_losses)
    (found,) = pairs([wild[0], late])
    assert found.passes
    path[2] += 10
    (found,) = pairs([wild[0], Run("b", path, late.losses, late.twins, late.twin_losses)])
    assert (found.passes, found.apart) == (False, 2)


def test_where_nothing_can_be_said_nothing_passes() -> None:
    """The twins are a tenth of the way apart after the first step."""
    wild = [run(name, seed, growth=1 / ULP) for seed, name in enumerate("ab")]
    assert [free_run.horizon(each) for each in wild] == [1, 1]
    (found,) = pairs(wild)
    assert (found.comparable, found.passes, found.ratio) == (False, False, 0.0)
    assert verdicts([found]) == {"a": "fail", "b": "fail"}
    assert found.to_json()["verdict"] == "fail"


def test_a_distance_where_twins_have_none_is_infinite() -> None:
    pair = Pair(("a", "b"), [0.0, 1.0], [0.0], [0.0, 0.0], [0.0], horizon=2)
    assert math.isinf(pair.ratio)
    assert pair.to_json()["ratio"] == "inf"
