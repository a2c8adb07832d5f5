"""The tests of level 6 against SciPy, published figures, simulation, and what always holds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from ranparity.parity import equivalence
from ranparity.parity.equivalence import Paired, holm, paired, power, verdict

POINTS = st.floats(-20, 20).map(lambda value: round(value, 3))
SEVERAL = st.lists(POINTS, min_size=2, max_size=12)
CHANCES = st.floats(0, 1)


def uneven(differences: Sequence[float]) -> Paired:
    found = paired(differences)
    assume(found.spread > 1e-3)
    return found


# The tests by themselves.


@given(differences=SEVERAL, margin=st.floats(0.1, 10))
def test_both_tests_are_those_of_scipy(differences: list[float], margin: float) -> None:
    found = uneven(differences)
    lower = stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
    upper = stats.ttest_1samp(differences, margin, alternative="less").pvalue
    assert equivalence.p_equivalence(found, margin) == pytest.approx(max(lower, upper), abs=1e-9)
    both = stats.ttest_1samp(differences, 0).pvalue
    assert equivalence.p_difference(found) == pytest.approx(both, abs=1e-9)
    told = stats.ttest_1samp(differences, 0).confidence_interval(0.9)
    assert equivalence.interval(found, 0.05) == pytest.approx(tuple(told), rel=1e-9, abs=1e-9)


def test_a_paired_test_is_the_one_of_the_differences() -> None:
    one, other = [94.2, 93.6, 94.2, 95.0], [93.1, 94.0, 93.3, 93.9]
    found = paired([a - b for a, b in zip(one, other, strict=True)])
    assert equivalence.p_difference(found) == pytest.approx(stats.ttest_rel(one, other).pvalue)


@given(differences=SEVERAL, margin=st.floats(0.1, 10), level=st.sampled_from([0.01, 0.05, 0.2]))
def test_equivalent_is_where_the_interval_lies_within_the_margin(
    differences: list[float], margin: float, level: float
) -> None:
    found = uneven(differences)
    low, high = equivalence.interval(found, level)
    p = equivalence.p_equivalence(found, margin)
    assume(abs(p - level) > 1e-9)
    assert (p < level) == (-margin < low and high < margin)


@given(differences=SEVERAL, margin=st.floats(0.1, 10))
def test_who_comes_first_does_not_matter(differences: list[float], margin: float) -> None:
    one, other = paired(differences), paired([-each for each in differences])
    assert equivalence.p_equivalence(one, margin) == equivalence.p_equivalence(other, margin)
    assert equivalence.p_difference(one) == equivalence.p_difference(other)


@given(differences=SEVERAL, margin=st.floats(0.1, 5), more=st.floats(0, 5))
def test_a_wider_margin_is_never_harder(
    differences: list[float], margin: float, more: float
) -> None:
    found = paired(differences)
    narrow, wide = (equivalence.p_equivalence(found, each) for each in (margin, margin + more))
    assert wide <= narrow


@pytest.mark.parametrize(
    ("value", "same", "apart"), [(0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (2.0, 1.0, 0.0), (3.0, 1.0, 0.0)]
)
def test_equal_differences_leave_nothing_to_chance(value: float, same: float, apart: float) -> None:
    found = paired([value] * 8)
    assert equivalence.p_equivalence(found, 2.0) == same
    assert equivalence.p_difference(found) == apart
    assert equivalence.interval(found, 0.05) == (value, value)


# Several at once.


def test_holm_by_hand() -> None:
    """Steps of .01, .02, .03 and .04: 4, 3, 2 and 1 times, and none below the one before it."""
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.6, 0.7]) == [1.0, 1.0, 1.0]
    assert holm([0.2]) == [0.2]


@given(values=st.lists(CHANCES, min_size=1, max_size=6))
def test_holm_lies_between_nothing_and_bonferroni(values: list[float]) -> None:
    adjusted = holm(values)
    for value, found in zip(values, adjusted, strict=True):
        assert value <= found <= min(1.0, len(values) * value)
    assert min(adjusted) == min(1.0, len(values) * min(values))
    order = sorted(range(len(values)), key=values.__getitem__)
    assert [adjusted[place] for place in order] == sorted(adjusted)


@given(values=st.lists(CHANCES, min_size=1, max_size=6), level=st.floats(0.001, 0.5))
def test_holm_rejects_as_the_steps_do(values: list[float], level: float) -> None:
    """The procedure as Holm tells it: down from the smallest, until one is too large."""
    left, rejected = sorted(values), 0
    while left and left[0] <= level / len(left):
        left.pop(0)
        rejected += 1
    margin = [abs(each * n - level) > 1e-12 for each in values for n in range(1, len(values) + 1)]
    assume(all(margin))
    assert sum(each <= level for each in holm(values)) == rejected


def test_wrong_rejections_of_a_family_stay_below_the_level() -> None:
    """Four thousand families of three comparisons of three equal means, ten differences each."""
    generator = np.random.Generator(np.random.Philox(5))
    draws = generator.standard_normal((4000, 3, 10))
    wrong = 0
    for one, two, three in draws:
        pairs = (one - two, one - three, two - three)
        values = holm([equivalence.p_difference(paired(each.tolist())) for each in pairs])
        wrong += min(values) <= 0.05
    assert wrong / 4000 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 4000)


# What follows.


@pytest.mark.parametrize(
    ("same", "apart", "follows"),
    [
        (0.01, 0.9, "equivalent"),
        (0.01, 0.01, "equivalent"),
        (0.05, 0.9, "equivalent"),
        (0.9, 0.01, "different"),
        (0.9, 0.05, "different"),
        (0.06, 0.06, "inconclusive"),
    ],
)
def test_the_rule(same: float, apart: float, follows: str) -> None:
    assert verdict(same, apart, 0.05) == follows


@given(differences=SEVERAL, margin=st.floats(0.1, 5))
def test_far_apart_is_never_equivalent(differences: list[float], margin: float) -> None:
    found = paired([each + 100 for each in differences])
    assert equivalence.p_equivalence(found, margin) > 0.5


# Power.


@pytest.mark.parametrize(
    ("variation", "subjects", "told"), [(0.2, 20, 0.8346802), (0.3, 40, 0.8158453)]
)
def test_power_is_what_powertost_gives(variation: float, subjects: int, told: float) -> None:
    """Published with the R package PowerTOST: `sampleN.TOST(CV = .2)` and `power.TOST(.3, n = 40)`.

    Bioequivalence of logarithms within log(1.25) in a 2x2 crossover, n - 2 degrees of freedom, at a
    true ratio of .95.
    """
    spread = math.sqrt(math.log(variation**2 + 1))
    error = spread * math.sqrt(2 / subjects)
    found = power(math.log(1.25), error, subjects - 2, 0.05, math.log(0.95))
    assert found == pytest.approx(told, abs=6e-8)


@pytest.mark.parametrize(
    ("spread", "difference", "level"),
    [(1.0, 0.0, 0.05 / 3), (2.0, 0.0, 0.05), (1.5, 0.7, 0.05), (4.0, 0.0, 0.05)],
)
def test_power_is_how_often_equivalence_is_found(
    spread: float, difference: float, level: float
) -> None:
    """Twenty thousand samples of eight."""
    generator = np.random.Generator(np.random.Philox(3))
    samples = difference + spread * generator.standard_normal((20_000, 8))
    means, errors = samples.mean(axis=1), samples.std(axis=1, ddof=1) / math.sqrt(8)
    least = stats.t.isf(level, 7)
    share = float(np.mean((2 - np.abs(means)) / errors >= least))
    told = power(2.0, spread / math.sqrt(8), 7, level, difference)
    assert told == pytest.approx(share, abs=4 * math.sqrt(0.25 / 20_000))


def test_power_at_the_margin_is_the_level() -> None:
    """There the test is at its level, where the other margin is far."""
    assert power(50.0, 1.0, 7, 0.05, 50.0) == pytest.approx(0.05, abs=1e-6)


@given(
    error=st.floats(0.01, 5),
    freedom=st.integers(1, 40),
    level=st.floats(0.001, 0.4),
    difference=st.floats(-3, 3),
)
def test_power_is_a_chance_that_grows_with_the_margin(
    error: float, freedom: int, level: float, difference: float
) -> None:
    found = [power(margin, error, freedom, level, difference) for margin in (0.5, 1.0, 2.0, 4.0)]
    assert all(0 <= each <= 1 for each in found)
    assert found == sorted(found)
    assert power(1.0, error, freedom, level, -difference) == pytest.approx(found[1], abs=1e-9)


def test_power_without_a_spread_is_certain() -> None:
    assert power(2.0, 0.0, 7, 0.05) == 1.0
    assert power(2.0, 0.0, 7, 0.05, 2.5) == 0.0
