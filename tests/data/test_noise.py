from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from ranparity.data.noise import noisy
from ranparity.data.tape import Tape
from ranparity.errors import InputError

LABELS = np.arange(100_000) % 10


def test_golden_labels() -> None:
    assert noisy(LABELS[:20], 10, 0.5, Tape(7)).tolist() == [
        3,
        1,
        2,
        3,
        4,
        9,
        6,
        2,
        8,
        9,
        5,
        6,
        2,
        8,
        4,
        9,
        1,
        4,
        8,
        0,
    ]


def test_no_noise_leaves_the_labels() -> None:
    assert noisy(LABELS, 10, 0.0, Tape(7)) is LABELS


@pytest.mark.parametrize("noise", [0.1, 0.3, 0.5, 0.7])
def test_a_label_keeps_its_class_or_becomes_each_other_as_often(noise: float) -> None:
    """Equation 7, by Pearson's chi-square over the distance from the right class, mod 10."""
    distances = (noisy(LABELS, 10, noise, Tape(1)) - LABELS) % 10
    expected = np.array([1 - noise, *[noise / 9] * 9])
    found = np.bincount(distances, minlength=10)
    assert chisquare(found, expected * len(LABELS)).pvalue > 1e-3
    including_the_right = np.array([1 - noise + noise / 10, *[noise / 10] * 9])
    assert chisquare(found, including_the_right * len(LABELS)).pvalue < 1e-6


@given(seed=st.integers(0, 2**64 - 1), classes=st.integers(2, 100), noise=st.floats(0, 1))
def test_every_label_is_a_class(seed: int, classes: int, noise: float) -> None:
    labels = noisy(np.arange(300) % classes, classes, noise, Tape(seed))
    assert labels.dtype == np.int64
    assert 0 <= labels.min() <= labels.max() < classes


def test_full_noise_leaves_no_right_label() -> None:
    assert (noisy(LABELS, 10, 1.0, Tape(1)) != LABELS).all()


def test_what_is_wrong_at_a_noise_is_as_wrong_at_a_larger_one() -> None:
    less, more = noisy(LABELS, 10, 0.1, Tape(1)), noisy(LABELS, 10, 0.3, Tape(1))
    wrong = less != LABELS
    assert (less[wrong] == more[wrong]).all()


def test_a_draw_depends_on_the_images_place_alone() -> None:
    some = noisy(LABELS[:100], 10, 0.5, Tape(1))
    assert some.tolist() == noisy(LABELS, 10, 0.5, Tape(1))[:100].tolist()
    assert some.tolist() != noisy(LABELS[:100], 10, 0.5, Tape(2)).tolist()


@pytest.mark.parametrize("noise", [-0.1, 1.01, float("nan")])
def test_a_noise_out_of_range_is_bad_input(noise: float) -> None:
    with pytest.raises(InputError) as caught:
        noisy(LABELS, 10, noise, Tape(0))
    assert str(caught.value) == f"label noise: expected 0 to 1. Received: {noise}"


def test_noise_needs_another_class() -> None:
    with pytest.raises(InputError) as caught:
        noisy(np.zeros(3, np.int64), 1, 0.5, Tape(0))
    assert str(caught.value) == "label noise: expected data of two classes or more. Received: 1"
