"""A twin's start, on torch: what is trained is one unit in the last place off, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranparity.training import starting, variables
from ranparity.training.plan import Plan
from ranparity.training.variables import Model
from ranparity.training.weights import Source
from tests.training.test_session import ONE, TINY, Recipe, planned
from tests.training.test_stages import NET, of_parts

ALONE = Recipe("one", (ONE,))


def tiny(folder: Path, twin: int, **changes: Any) -> tuple[Plan, Model]:
    return planned(folder, ALONE, twin=twin, **changes), starting.network(TINY, "whole", 10)


def trained(model: Model) -> set[str]:
    return set(variables.names(model, model.trainable_variables))


def moved(before: Mapping[str, Any], after: Mapping[str, Any], dtype: Any = np.float32) -> set[str]:
    """The names of what has moved, all of whose numbers are then the neighbours of what they were.

    The first of both are numbers of any precision, the second of `dtype`.
    """
    found = set()
    assert set(before) == set(after)
    for name, value in before.items():
        start = np.asarray(value, dtype)
        if np.array_equal(start, after[name]):
            continue
        up, down = (np.nextafter(start, np.asarray(end, dtype)) for end in (np.inf, -np.inf))
        assert after[name].dtype == dtype
        assert np.all((after[name] == up) | (after[name] == down)), name
        found.add(name)
    return found


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_each_trained_weight_moves_to_its_neighbour_in_the_runs_precision(
    precision: str, tmp_path: Path
) -> None:
    starts = []
    for twin in (0, 1, 2):
        plan, model = tiny(tmp_path, twin, precision=precision)
        starts.append(starting.first(plan, model, None))
        names = trained(model)
        assert 0 < len(names) < len(starts[0].values)
    run, first, second = starts
    dtype = np.dtype(precision)
    assert moved(run.values, first.values, dtype) == names
    assert moved(run.values, second.values, dtype) == names
    assert len({start.digest for start in starts}) == 3
    assert {start.words for start in starts} == {"tape"}


def test_the_network_begins_with_them(tmp_path: Path) -> None:
    plan, model = tiny(tmp_path, 1)
    start = starting.first(plan, model, None)
    for name, variable in variables.named(model).items():
        assert np.array_equal(np.asarray(variable), start.values[name]), name


def test_weights_of_a_file_are_moved_too(tmp_path: Path) -> None:
    plan, model = tiny(tmp_path, 0)
    given = starting.first(plan, model, None)
    model.save_weights(path := tmp_path / "given.weights.h5")
    plan, model = tiny(tmp_path, 1)
    start = starting.first(plan, model, Source(path, path.name))
    assert moved(given.values, start.values) == trained(model)
    assert start.line == f"weights of {path.name}: {len(given.values)} of {len(given.values)} " + (
        "variables"
    )


def test_a_later_stage_moves_what_it_adds_and_not_what_has_been_trained(tmp_path: Path) -> None:
    features = starting.network(NET, "features", 10)
    before = starting.first(of_parts(tmp_path), features, None).values
    starts = []
    for twin in (0, 1):
        model = starting.network(NET, "aggregation", 10)
        starts.append(starting.later(of_parts(tmp_path, twin=twin), model, before, "features"))
    run, start = starts
    assert moved(run.values, start.values) == trained(model)
    carried = set(before) & set(start.values)
    assert carried
    assert not trained(model) & carried, "they are fixed in this stage"
    assert all(np.array_equal(before[name], start.values[name]) for name in carried)
    assert start.words == run.words
