from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from ranparity import data
from ranparity.data import digest, digits, enlarge, normalisation
from ranparity.data.batches import Batches, held_out
from ranparity.data.dataset import Pixels
from ranparity.data.tape import Tape


def line(values: list[int], larger: int) -> list[Fraction]:
    """Values between pixel centres, exactly."""
    found = []
    for index in range(larger):
        place = (Fraction(2 * index + 1, 2) * len(values) / larger) - Fraction(1, 2)
        place = min(max(place, Fraction(0)), Fraction(len(values) - 1))
        low = int(place)
        high = min(low + 1, len(values) - 1)
        found.append(values[low] + (place - low) * (values[high] - values[low]))
    return found


@given(
    pixels=arrays.arrays(np.uint8, st.tuples(st.just(1), *[st.integers(1, 6)] * 2, st.just(1))),
    more=st.integers(0, 9),
)
def test_an_enlarged_image_is_the_exact_value_rounded(pixels: Pixels, more: int) -> None:
    side = max(pixels.shape[1:3]) + more
    found = enlarge.bilinear(pixels, side)
    wide = [line(row, side) for row in pixels[0, :, :, 0].tolist()]
    for column in range(side):
        exact = line([row[column] for row in wide], side)  # type: ignore[misc]
        for row in range(side):
            assert found[0, row, column, 0] == int(exact[row] + Fraction(1, 2))


@pytest.mark.parametrize("side", [33, 48, 224, 1500])
def test_it_is_pillows_to_the_last_unit(side: int) -> None:
    """Also where the sums need 16, 32 and 64 bits."""
    pixels = Tape(1).integers("pixels", 32 * 32 * 3, 256).astype(np.uint8).reshape(1, 32, 32, 3)
    found = enlarge.bilinear(pixels, side)[0].astype(int)
    image = Image.fromarray(pixels[0]).resize((side, side), Image.Resampling.BILINEAR)
    apart = np.abs(found - np.asarray(image))
    assert apart.max() == 1
    assert (apart != 0).mean() < 0.3


def test_golden_image() -> None:
    images = enlarge.bilinear(digits.load().test.read(np.arange(5)), 224)
    assert images.shape == (5, 224, 224, 3)
    assert digest.of_arrays([images]) == GOLDEN


GOLDEN = "b6ee980f49aa103ac655869ce425ea9605477c47510cbbe0aa587ab4e8710f68"


def test_small_images_are_enlarged_when_they_are_read() -> None:
    small, large = data.load("digits"), data.load("digits", image_size=48)
    assert (large.image_shape, large.train.shape, large.test.shape) == ((48, 48, 3),) * 3
    assert large.digest == small.digest
    assert large.train.labels is not small.test.labels
    assert large.describe() == {
        **small.describe(),
        "enlarged": {
            "from": [32, 32],
            "to": [48, 48],
            "rule": "bilinear between pixel centres, whole numbers, rounded once",
        },
    }
    chosen = np.array([3, 1])
    expected = enlarge.bilinear(small.train.read(chosen), 48)
    assert np.array_equal(large.train.read(chosen), expected)
    norm = normalisation.fit("imagenet", large)
    assert Batches(large, Tape(0), 2, norm).at(0).images.shape == (2, 48, 48, 3)
    images, _ = next(held_out(large, norm, 4))
    assert np.array_equal(images, norm(large.test.read(np.arange(4))))


def test_images_that_are_large_enough_stay_as_they_are() -> None:
    small = digits.load()
    assert enlarge.enlarged(small, 32) is small
    assert enlarge.enlarged(small, 24) is small
    wide = replace(small, details={"more": 1})
    assert enlarge.enlarged(wide, 40).details.keys() == {"more", "enlarged"}
