from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ranparity.data import augment
from ranparity.data.augment import Augmentation
from ranparity.errors import InputError

COUNTS, SIDES, CHANNELS = st.integers(1, 4), st.integers(1, 6), st.integers(1, 3)


def different(*shape: int) -> NDArray[np.float32]:
    """Images of which no two pixels are equal, and none is 0."""
    return np.arange(1, 1 + np.prod(shape), dtype=np.float32).reshape(shape)


@given(data=st.data(), count=COUNTS, height=SIDES, width=SIDES, channels=CHANNELS)
def test_a_crop_is_that_rectangle_of_each_image(
    data: st.DataObject, count: int, height: int, width: int, channels: int
) -> None:
    images = different(count, height, width, channels)
    rows, columns = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    top = data.draw(_places(count, height - rows))
    left = data.draw(_places(count, width - columns))
    cut = augment.crop(images, top, left, (rows, columns))
    for index in range(count):
        r, c = top[index], left[index]
        assert np.array_equal(cut[index], images[index, r : r + rows, c : c + columns])


def _places(count: int, most: int, least: int = 0) -> st.SearchStrategy[NDArray[np.int64]]:
    return st.lists(st.integers(least, most), min_size=count, max_size=count).map(np.array)


@given(count=COUNTS, height=SIDES, width=SIDES, channels=CHANNELS, padding=st.integers(0, 5))
def test_padding_is_zeros_around_each_image(
    count: int, height: int, width: int, channels: int, padding: int
) -> None:
    images = different(count, height, width, channels)
    around = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    assert np.array_equal(augment.padded(images, padding), np.pad(images, around))


@pytest.mark.parametrize(
    ("side", "part", "start"), [(5, 5, 0), (5, 3, 1), (6, 3, 1), (256, 224, 16)]
)
def test_the_centre(side: int, part: int, start: int) -> None:
    images = different(1, side, side + 2, 1)
    cut = augment.centre(images, (part, part + 2))
    assert np.array_equal(cut, images[:, start : start + part, start : start + part + 2])


def test_a_flip_mirrors_left_to_right_where_it_is_asked_for() -> None:
    images = different(3, 2, 3, 2)
    flipped = augment.flip(images, np.array([True, False, True]))
    assert np.array_equal(flipped[0], np.fliplr(images[0]))
    assert np.array_equal(flipped[1], images[1])
    assert np.array_equal(flipped[2], np.fliplr(images[2]))
    assert np.array_equal(images, different(3, 2, 3, 2))


@given(data=st.data(), count=COUNTS, height=SIDES, width=SIDES, channels=CHANNELS)
def test_a_shift_moves_each_pixel_and_repeats_the_edges(
    data: st.DataObject, count: int, height: int, width: int, channels: int
) -> None:
    images = different(count, height, width, channels)
    down, right = data.draw(_places(count, 7, -7)), data.draw(_places(count, 7, -7))
    moved = augment.shift(images, down, right)
    assert moved.shape == images.shape
    for index, row, column in np.ndindex(count, height, width):
        from_row = min(max(row - down[index], 0), height - 1)
        from_column = min(max(column - right[index], 0), width - 1)
        assert np.array_equal(moved[index, row, column], images[index, from_row, from_column])


@given(data=st.data(), count=COUNTS, share=st.floats(0, 1))
def test_a_mixture_is_the_weighted_sum_of_partners(
    data: st.DataObject, count: int, share: float
) -> None:
    images = different(count, 2, 2, 3)
    partners = np.array(data.draw(st.permutations(range(count))))
    mixed = augment.mix(images, partners, share)
    assert mixed.dtype == np.float32
    own = np.float32(share)
    for place in np.ndindex(mixed.shape):  # number by number, so that each result is rounded
        partner = images[(partners[place[0]], *place[1:])]
        assert mixed[place] == images[place] * own + partner * (np.float32(1) - own)
    assert np.array_equal(images, different(count, 2, 2, 3))


@given(share=st.floats(0, 1))
def test_mixed_probabilities_add_up_to_exactly_one(share: float) -> None:
    targets = np.eye(2, dtype=np.float32)
    assert augment.mix(targets, np.array([1, 0]), share).sum(axis=1).tolist() == [1, 1]
    assert augment.mix(targets, np.array([0, 1]), share).tolist() == [[1, 0], [0, 1]]


def test_mixup_ends_after_its_epochs() -> None:
    assert [Augmentation(mixup=1, mixup_epochs=2).mixes(epoch) for epoch in range(4)] == [
        *(True, True),
        *(False, False),
    ]
    assert Augmentation(mixup=0.2).mixes(10_000)
    assert not Augmentation(mixup_epochs=5).mixes(0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"padding": -1}, "padding: expected 0 or more. Received: -1"),
        ({"shift": -2}, "shift: expected 0 or more. Received: -2"),
        ({"mixup_epochs": -1}, "mixup_epochs: expected 0 or more. Received: -1"),
        ({"mixup": -0.5}, "mixup: expected 0 (none) to 4. Received: -0.5"),
        ({"mixup": 4.5}, "mixup: expected 0 (none) to 4. Received: 4.5"),
        ({"mixup": float("nan")}, "mixup: expected 0 (none) to 4. Received: nan"),
        ({"e4040_noise": -0.1}, "e4040_noise: expected 0 or more. Received: -0.1"),
        ({"e4040_noise": float("inf")}, "e4040_noise: expected 0 or more. Received: inf"),
    ],
)
def test_numbers_out_of_range_are_bad_input(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Augmentation(**changes)
    assert str(caught.value) == message
