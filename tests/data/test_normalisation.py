from __future__ import annotations

import math
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ranparity.data import digits, normalisation
from ranparity.data.dataset import ArrayPart, Dataset, Pixels, in_memory
from ranparity.data.normalisation import KINDS, Normalisation
from ranparity.errors import InputError


def dataset(pixels: Pixels, *, top: int = 255) -> Dataset:
    part = ArrayPart(np.zeros(len(pixels), np.int64), pixels.copy())
    return in_memory("made", part, part, ("a",), top=top)


def rounded(value: Fraction) -> np.float32:
    """A fraction as float64, which Python rounds correctly, and then as float32."""
    return np.float32(float(value))


images = arrays.arrays(np.uint8, st.tuples(st.integers(1, 5), *[st.integers(1, 4)] * 3))


@given(images)
def test_a_pixel_mean_is_the_exact_mean_rounded(pixels: Pixels) -> None:
    found = normalisation.fit("pixel-mean", dataset(pixels))
    assert found.mean.shape == pixels.shape[1:]
    for place in np.ndindex(*pixels.shape[1:]):
        exact = Fraction(sum(int(image[place]) for image in pixels), len(pixels))
        assert found.mean[place] == rounded(exact)
    assert found.deviation.tolist() == [[[1]]]


@given(images)
def test_channel_statistics_are_the_exact_ones_rounded(pixels: Pixels) -> None:
    data = dataset(pixels)
    channels = [channel.ravel().tolist() for channel in np.moveaxis(pixels, -1, 0)]
    means = [Fraction(sum(values), len(values)) for values in channels]
    found = normalisation.fit("channel-mean", data)
    assert found.mean.ravel().tolist() == [rounded(mean) for mean in means]
    assert found.deviation.tolist() == [[[1]]]
    variances = [
        sum((value - mean) ** 2 for value in values) / len(values)
        for values, mean in zip(channels, means, strict=True)
    ]
    if all(variances):
        found = normalisation.fit("channel-standard", data)
        assert found.mean.ravel().tolist() == [rounded(mean) for mean in means]
        roots = [np.float32(math.sqrt(variance)) for variance in variances]
        assert found.deviation.ravel().tolist() == roots


@pytest.mark.parametrize(("top", "ends"), [(255, (0, 51, 255)), (16, (0, 4, 16))])
def test_the_range_maps_nothing_and_the_top_to_minus_one_and_one(
    top: int, ends: tuple[int, ...]
) -> None:
    pixels = np.array(ends, np.uint8).reshape(3, 1, 1, 1)
    found = normalisation.fit("range", dataset(pixels, top=top))
    scaled = found(pixels).ravel().tolist()
    assert scaled == [-1, np.float32(ends[1] / (top / 2) - 1), 1]
    assert found.images == 0


def test_digits_are_x_less_8_divided_by_8() -> None:
    data = digits.load()
    pixels = data.train.read(np.arange(100))
    scaled = normalisation.fit("range", data)(pixels)
    assert scaled.dtype == np.float32
    assert scaled.tolist() == ((pixels.astype(np.float64) - 8) / 8).tolist()


@given(images)
def test_a_pixel_is_rounded_once_by_each_operation(pixels: Pixels) -> None:
    mean = np.full((1, 1, 1), 3.3333333, np.float32)
    found = Normalisation("channel-standard", mean, mean * np.float32(7), 1)
    # a float64 result that is rounded to float32 is the float32 result: 53 >= 2 * 24 + 2
    differences = (pixels.astype(np.float64) - mean.astype(np.float64)).astype(np.float32)
    divided = differences.astype(np.float64) / found.deviation.astype(np.float64)
    assert found(pixels).tobytes() == divided.astype(np.float32).tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_the_pieces_do_not_matter(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = digits.load()
    whole = normalisation.fit(kind, data)
    monkeypatch.setattr(normalisation, "_CHUNK", 7 * 32 * 32 * 3)
    assert normalisation.fit(kind, data).digest == whole.digest


def test_only_training_images_are_counted() -> None:
    data = digits.load()
    assert normalisation.fit("channel-mean", data).images == 1437
    other = replace(data, test=data.train)
    for kind in KINDS:
        assert normalisation.fit(kind, other).digest == normalisation.fit(kind, data).digest


def test_a_limit_takes_evenly_spaced_images() -> None:
    pixels = np.array([1, 50, 2, 60, 3, 70, 90], np.uint8).reshape(7, 1, 1, 1)
    found = normalisation.fit("channel-mean", dataset(pixels), limit=3)
    assert (found.mean.item(), found.images) == (2, 3)  # places 0, 2 and 4 of 7
    whole = normalisation.fit("channel-mean", dataset(pixels), limit=100)
    assert whole.images == 7


def test_sums_beyond_32_bits_are_exact() -> None:
    pixels = np.full((1, 300, 300, 1), 255, np.uint8)  # squares sum to 5.9e9
    pixels[0, 0, 0] = 254
    found = normalisation.fit("channel-standard", dataset(pixels))
    assert found.mean.item() == np.float32(255 - 1 / 90000)
    assert found.deviation.item() == np.float32(math.sqrt(89999) / 90000)


@pytest.mark.parametrize("top", [255, 16])
def test_imagenets_statistics_are_of_pixels_from_0_to_1(top: int) -> None:
    """As published, whatever the images are."""
    pixels = np.arange(0, top + 1, dtype=np.uint8).reshape(-1, 1, 1, 1).repeat(3, axis=3)
    found = normalisation.fit("imagenet", dataset(pixels, top=top))
    assert found.images == 0
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (pixels / top - mean) / deviation
    np.testing.assert_allclose(found(pixels), expected, rtol=1e-5, atol=1e-6)


def test_imagenets_statistics_are_of_three_channels() -> None:
    with pytest.raises(InputError) as caught:
        normalisation.fit("imagenet", dataset(np.zeros((1, 2, 2, 1), np.uint8)))
    assert str(caught.value) == (
        "normalisation imagenet: expected images of 3 channels, which made has not. Received: 1"
    )


@pytest.mark.parametrize(
    ("kind", "expected"), [("range", 16), ("imagenet", 16), ("pixel-mean", None)]
)
def test_the_largest_pixel_value_that_a_normalisation_is_made_for(
    kind: str, expected: int | None
) -> None:
    assert normalisation.top_of(normalisation.fit(kind, digits.load())) == expected


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        normalisation.fit("zca", digits.load())
    assert str(caught.value) == (
        "normalisation: expected one of range, pixel-mean, channel-mean, channel-standard, "
        "imagenet. Received: 'zca'"
    )


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        normalisation.fit("channel-mean", digits.load(), limit=0)
    assert str(caught.value) == "normalisation: expected a limit of 1 or more. Received: 0"


def test_a_channel_of_one_value_has_no_deviation() -> None:
    pixels = np.zeros((4, 2, 2, 3), np.uint8)
    pixels[0, 0, 0] = (1, 0, 1)
    with pytest.raises(InputError) as caught:
        normalisation.fit("channel-standard", dataset(pixels))
    assert str(caught.value) == (
        "normalisation channel-standard: every pixel of channel 1 of made has one value, and "
        "nothing can be divided by its deviation: choose channel-mean"
    )


# In a file.


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_saved_is_loaded(kind: str, tmp_path: Path) -> None:
    found = normalisation.fit(kind, digits.load())
    found.save(tmp_path / "n.npz")
    again = normalisation.load(tmp_path / "n.npz")
    assert (again.kind, again.digest, again.images) == (kind, found.digest, found.images)
    assert os.listdir(tmp_path) == ["n.npz"]  # noqa: PTH208


def test_the_same_statistics_make_the_same_file(tmp_path: Path) -> None:
    found = normalisation.fit("pixel-mean", digits.load())
    for name in ("a.npz", "b.npz"):
        found.save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_file_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        normalisation.load(tmp_path / "n.npz")
    assert str(caught.value) == (
        f"{tmp_path}/n.npz: expected a normalisation, and there is no such file"
    )


@given(st.data())
def test_a_damaged_file_is_never_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "n.npz"
    normalisation.fit("channel-standard", digits.load()).save(path)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        normalisation.load(path)
    except InputError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017


ONE = np.ones((1, 1, 1), np.float32)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": np.array("zca")},
        {"mean": ONE.astype(np.float64)},
        {"mean": ONE * np.float32(np.nan)},
        {"mean": ONE[0]},
        {"deviation": ONE * 0},
        {"deviation": -ONE},
        {"deviation": ONE * np.float32(np.inf)},
        {"images": np.array([1])},
        {"mean": np.zeros((0, 1, 1), np.float32)},
        {"deviation": np.zeros((0, 1, 1), np.float32)},
    ],
)
def test_contents_that_are_no_normalisation_are_refused(
    changes: dict[str, Pixels], tmp_path: Path
) -> None:
    fields = {"kind": np.array("range"), "mean": ONE, "deviation": ONE, "images": np.array(0)}
    np.savez(tmp_path / "n.npz", **(fields | changes))
    with pytest.raises(InputError) as caught:
        normalisation.load(tmp_path / "n.npz")
    assert str(caught.value) == (
        f"{tmp_path}/n.npz: expected a kind of normalisation, with finite float32 means and "
        "deviations above 0 of shape (H, W, C)"
    )


def test_nothing_pickled_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "n.npz", kind=np.array(["range"], object), mean=ONE)
    with pytest.raises(InputError, match="cannot be read as a normalisation: Object arrays"):
        normalisation.load(tmp_path / "n.npz")
