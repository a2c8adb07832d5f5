"""Compactness and distance of classes: values known by hand, and what must not change them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ranparity.errors import InputError
from ranparity.pictures.measures import inter_class_distance, intra_class_compactness

# Two classes: one a unit to each side of (3, 0), one a unit above and below (0, 2), and a third.
FEATURES = np.array([[2.0, 0], [4, 0], [0, 1], [0, 3]])
LABELS = np.array([0, 0, 5, 5])

values = st.floats(-100, 100, width=32)
features = arrays.arrays(np.float64, (9, 4), elements=values)
LABELLED = np.array([0, 1, 2, 0, 1, 2, 2, 2, 1])


def rotation(seed: int, size: int = 4) -> np.ndarray:
    matrix, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))
    return np.asarray(matrix)


def test_values_known_by_hand() -> None:
    assert intra_class_compactness(FEATURES, LABELS) == 1
    assert inter_class_distance(FEATURES, LABELS) == 1, "right angles"
    opposite = np.array([[1.0, 1], [3, 3], [-5, -5]])
    labels = np.array([0, 0, 1])
    assert intra_class_compactness(opposite, labels) == pytest.approx(math.sqrt(2) / 2)
    assert inter_class_distance(opposite, labels) == pytest.approx(2)


def test_each_class_counts_alike_however_many_images_it_has() -> None:
    crowded = np.concatenate([FEATURES, [[0.0, -1], [0, 5]]])  # 3 away from (0, 2)
    labels = np.append(LABELS, [5, 5])
    assert intra_class_compactness(crowded, labels) == pytest.approx((1 + 2) / 2)


def test_the_distance_is_the_mean_over_pairs_of_classes() -> None:
    angles = {0: 0.0, 1: 0.5, 2: 2.0}
    means = np.array([[math.cos(a), math.sin(a)] for a in angles.values()])
    pairs = itertools.combinations(angles.values(), 2)
    expected = np.mean([1 - math.cos(a - b) for a, b in pairs])
    assert inter_class_distance(means, np.array(list(angles))) == pytest.approx(expected)


def test_a_mean_of_zeros_is_as_far_as_a_right_angle() -> None:
    found = inter_class_distance(np.array([[1.0, 0], [-1, 0], [3, 4]]), np.array([0, 0, 1]))
    assert found == 1


def test_means_of_tiny_numbers_have_a_direction() -> None:
    tiny = 1e-200 * np.array([[1.0, 0], [1, 1]])
    assert inter_class_distance(tiny, np.array([0, 1])) == pytest.approx(1 - math.sqrt(0.5))


@given(features, st.integers(0, 1000))
def test_a_rotation_changes_neither(found: np.ndarray, seed: int) -> None:
    turned = found @ rotation(seed)
    assert intra_class_compactness(turned, LABELLED) == pytest.approx(
        intra_class_compactness(found, LABELLED), rel=1e-9, abs=1e-9
    )
    if all(np.linalg.norm(found[label == LABELLED].mean(axis=0)) > 1e-3 for label in range(3)):
        assert inter_class_distance(turned, LABELLED) == pytest.approx(
            inter_class_distance(found, LABELLED), rel=1e-7, abs=1e-7
        )


@given(features, arrays.arrays(np.float64, 4, elements=values))
def test_a_shift_changes_no_compactness(found: np.ndarray, by: np.ndarray) -> None:
    assert intra_class_compactness(found + by, LABELLED) == pytest.approx(
        intra_class_compactness(found, LABELLED), rel=1e-9, abs=1e-9
    )


def test_a_shift_changes_the_distance() -> None:
    moved = inter_class_distance(FEATURES + 10, LABELS)
    assert moved < 0.1 < inter_class_distance(FEATURES, LABELS)


@given(features, st.floats(0.01, 100))
def test_the_scale_is_that_of_the_compactness_and_not_of_the_distance(
    found: np.ndarray, factor: float
) -> None:
    assert intra_class_compactness(factor * found, LABELLED) == pytest.approx(
        factor * intra_class_compactness(found, LABELLED), rel=1e-9, abs=1e-9
    )
    assert inter_class_distance(factor * found, LABELLED) == pytest.approx(
        inter_class_distance(found, LABELLED), rel=1e-6, abs=1e-6
    )


@given(features, st.permutations(range(9)))
def test_the_order_of_the_images_changes_neither(found: np.ndarray, order: list[int]) -> None:
    for measure in (intra_class_compactness, inter_class_distance):
        assert measure(found[order], LABELLED[order]) == pytest.approx(
            measure(found, LABELLED), rel=1e-6, abs=1e-6
        )


@given(features)
def test_both_are_in_their_range(found: np.ndarray) -> None:
    assert intra_class_compactness(found, LABELLED) >= 0
    assert 0 <= inter_class_distance(found, LABELLED) <= 2 + 1e-12


def test_float32_is_summed_in_float64() -> None:
    large = np.array([[1e8], [1e8 + 8], [1e8 + 8]], np.float32)  # a float32 mean is 2.67 off
    assert intra_class_compactness(large, np.zeros(3, int)) == pytest.approx(32 / 9)


@pytest.mark.parametrize(
    ("found", "labels", "message"),
    [
        (
            np.zeros((0, 2)),
            np.zeros(0, int),
            "features: expected one row an image. Received: 0 of 0 images",
        ),
        (FEATURES, LABELS[:3], "features: expected one row an image. Received: 4 of 3 images"),
        (
            FEATURES * [[np.nan, 1]],
            LABELS,
            "features: expected finite numbers. Received: others too",
        ),
    ],
)
def test_what_cannot_be_measured(found: np.ndarray, labels: np.ndarray, message: str) -> None:
    for measure in (intra_class_compactness, inter_class_distance):
        with pytest.raises(InputError) as caught:
            measure(found, labels)
        assert str(caught.value) == message


def test_one_class_has_no_distance() -> None:
    with pytest.raises(InputError) as caught:
        inter_class_distance(FEATURES, np.zeros(4, int))
    assert str(caught.value) == (
        "distance between classes: expected images of two classes or more. Received: 1"
    )
