from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ranparity.models import zoo
from ranparity.parity import experiments
from ranparity.parity.experiments import LEVELS, Condition, Experiment

TRIED = {each.name: each for each in experiments.experiments((56, 92), "@4")}
POINTS = st.floats(0, 100, allow_nan=False)


def test_every_net_is_one_of_the_zoo() -> None:
    for experiment in TRIED.values():
        assert {zoo.entry(each.model).name for each in experiment.factors}


def test_adding_to_all_errors_changes_nothing() -> None:
    """Each statistic is a difference: a seed that is worse for all nets is no evidence."""
    for experiment in TRIED.values():
        assert experiment.value(dict.fromkeys(experiment.factors, 7.0)) == pytest.approx(0)


def test_the_residual_statistic_by_hand() -> None:
    errors = {
        Condition("attention56-cifar@4"): 10.0,
        Condition("attention56-cifar-naive@4"): 13.0,
        Condition("attention92-cifar@4"): 20.0,
        Condition("attention92-cifar-naive@4"): 19.0,
    }
    assert TRIED["attention-residual"].value(errors) == pytest.approx(1.0)


@given(st.lists(POINTS, min_size=4, max_size=4), st.lists(POINTS, min_size=4, max_size=4))
def test_the_noise_statistics_are_those_of_numpys_line(
    baseline: list[float], attention: list[float]
) -> None:
    growth = [np.polyfit(LEVELS, errors, 1)[0] * 0.6 for errors in (baseline, attention)]
    errors = {
        Condition(model, level): value
        for model, values in (("resnet164-cifar@4", baseline), ("attention92-cifar@4", attention))
        for level, value in zip(LEVELS, values, strict=True)
    }
    found = {
        name: TRIED[name].value(errors)
        for name in ("label-noise", "label-noise-error", "label-noise-growth")
    }
    assert found == {
        "label-noise": pytest.approx(growth[0] - growth[1], abs=1e-9),
        "label-noise-error": pytest.approx(np.mean(baseline) - np.mean(attention), abs=1e-9),
        "label-noise-growth": pytest.approx(np.mean(growth), abs=1e-9),
    }


VALUES = st.lists(st.integers(-1000, 1000), min_size=2, max_size=9).map(
    lambda values: [value / 10 for value in values]
)


@given(VALUES)
def test_the_interval_is_scipys(values: list[float]) -> None:
    found = experiments.judged(values)
    if len(set(values)) > 1:
        expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert found["interval"] == pytest.approx([expected.low, expected.high])
    assert found["mean"] == pytest.approx(np.mean(values))
    assert found["spread"] == pytest.approx(np.std(values, ddof=1))
    assert found["per_seed"] == values


@given(VALUES)
def test_the_other_sign_gives_the_other_answer(values: list[float]) -> None:
    other = {"yes": "no", "no": "yes", "inconclusive": "inconclusive"}
    found = experiments.judged(values)["holds"]
    assert experiments.judged([-value for value in values])["holds"] == other[found]


@pytest.mark.parametrize(
    ("values", "holds"),
    [
        ([1.0, 1.1, 0.9, 1.0], "yes"),
        ([-1.0, -1.1, -0.9, -1.0], "no"),
        ([1.0, 1.1, 0.9, -1.0], "inconclusive"),
        ([0.0, 0.0], "inconclusive"),
    ],
)
def test_what_follows(values: list[float], holds: str) -> None:
    assert experiments.judged(values)["holds"] == holds


def test_a_statistic_needs_every_error() -> None:
    one = Experiment("name", "what", "statistic", "direction", {Condition("a"): 1.0})
    errors: dict[Any, float] = {}
    with pytest.raises(KeyError):
        one.value(errors)
