"""t-SNE: the same features give the same places, near ones near, and few images are no fault."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranparity.errors import InputError
from ranparity.pictures import embedding


def clusters() -> np.ndarray:
    random = np.random.default_rng(0)
    return np.concatenate([random.normal(10 * place, 0.1, (8, 6)) for place in range(3)])


def test_clusters_stay_apart_and_the_places_are_the_same_again() -> None:
    placed = embedding.tsne(clusters())
    assert placed.shape == (24, 2)
    assert np.array_equal(placed, np.round(placed, 4))
    assert np.array_equal(placed, embedding.tsne(clusters()))
    middles = placed.reshape(3, 8, 2).mean(axis=1)
    inside = np.linalg.norm(placed.reshape(3, 8, 2) - middles[:, np.newaxis], axis=2).max()
    apart = min(np.linalg.norm(middles[a] - middles[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    assert apart > 2 * inside


@pytest.mark.parametrize("found", [np.ones((5, 3)), np.eye(4), np.arange(6.0)[:, np.newaxis]])
def test_few_or_equal_features_have_places_the_same_each_time(found: np.ndarray) -> None:
    placed = embedding.tsne(found)
    assert np.isfinite(placed).all()
    assert np.array_equal(placed, embedding.tsne(found))


def test_too_few_images() -> None:
    with pytest.raises(InputError) as caught:
        embedding.tsne(np.eye(3))
    assert str(caught.value) == "t-SNE: expected 4 images or more. Received: 3"


def test_features_that_are_no_numbers() -> None:
    with pytest.raises(InputError) as caught:
        embedding.tsne(np.full((9, 2), np.inf))
    assert str(caught.value) == (
        "t-SNE: expected features that are finite numbers. Received: others too"
    )


@given(st.integers(4, 10_000))
def test_the_perplexity_is_below_a_third_of_the_others(images: int) -> None:
    found = embedding.perplexity(images)
    assert 1 <= found <= 30
    assert 3 * found <= images - 1
    assert found == 30 or images <= 91


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_drawn_images_are_spread_evenly(images: int, limit: int) -> None:
    places = embedding.spread(images, limit)
    assert len(places) == min(images, limit)
    assert places[0] == 0
    assert places[-1] < images
    steps = np.diff(places)
    assert not len(steps) or (steps.min() >= 1 and steps.max() - steps.min() <= 1)
