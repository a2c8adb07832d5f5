from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ranparity.data.dataset import ArrayPart, Dataset, in_memory
from ranparity.errors import InputError

TRAIN = ArrayPart(np.array([0, 1, 2, 0]), np.arange(48, dtype=np.uint8).reshape(4, 2, 2, 3))
TEST = ArrayPart(np.array([0, 1]), np.ones((2, 2, 2, 3), np.uint8))


def tiny(train: ArrayPart = TRAIN, test: ArrayPart = TEST) -> Dataset:
    return in_memory("tiny", train, test, ("a", "b", "c"))


def test_its_arrays_cannot_be_changed() -> None:
    for array in (TRAIN.pixels, TRAIN.labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_images_are_read_by_place_into_a_new_array() -> None:
    read = TRAIN.read(np.array([2, 0, 2]))
    assert read.dtype == np.uint8
    assert read.tolist() == TRAIN.pixels[[2, 0, 2]].tolist()
    read[:] = 0
    assert TRAIN.pixels.max() == 47


def test_its_digest_covers_every_array() -> None:
    others = [
        tiny(replace(TRAIN, pixels=TRAIN.pixels + np.uint8(1))),
        tiny(replace(TRAIN, labels=TRAIN.labels[::-1].copy())),
        tiny(test=replace(TEST, pixels=TEST.pixels + np.uint8(1))),
        tiny(test=replace(TEST, labels=TEST.labels * 0)),
    ]
    assert len({tiny().digest, *(other.digest for other in others)}) == 5


def test_what_the_record_says() -> None:
    data = replace(tiny(), source="tiny:here", partial=True, details={"pillow": "12"})
    assert data.describe() == {
        "name": "tiny",
        "source": "tiny:here",
        "digest": data.digest,
        "train": 4,
        "test": 2,
        "classes": 3,
        "partial": True,
        "pillow": "12",
    }


def test_the_source_is_the_name_unless_one_is_given() -> None:
    assert tiny().source == "tiny"
    assert in_memory("tiny", TRAIN, TEST, ("a", "b", "c"), source="x").source == "x"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"pixels": np.zeros((4, 2, 2, 3), np.float32)},
            "images must be uint8 of shape (N, H, W, C). Received: float32 of shape (4, 2, 2, 3)",
        ),
        (
            {"pixels": np.zeros((4, 2, 2), np.uint8)},
            "images must be uint8 of shape (N, H, W, C). Received: uint8 of shape (4, 2, 2)",
        ),
        (
            {"labels": np.zeros(3, np.int64)},
            "labels must be of shape (4,), one an image. Received: shape (3,)",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        replace(TRAIN, **changes)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 3]), "labels must be from 0 to 2. Received: 0 to 3"),
        (np.array([-1, 0]), "labels must be from 0 to 2. Received: -1 to 0"),
        (np.zeros(0, np.int64), "expected at least one image. Received: none"),
        (
            np.zeros(2, np.int32),
            "labels must be int64 of shape (N,). Received: int32 of shape (2,)",
        ),
    ],
)
@pytest.mark.parametrize("part", ["train", "test"])
def test_labels_that_are_no_classes_are_refused(part: str, labels: Any, message: str) -> None:
    wrong = ArrayPart(labels, TEST.pixels[: len(labels)])
    with pytest.raises(InputError) as caught:
        replace(tiny(), **{part: wrong})
    name = {"train": "training", "test": "held-out"}[part]
    assert str(caught.value) == f"data tiny, {name} part: {message}"


def test_parts_of_two_sizes_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        tiny(test=ArrayPart(TEST.labels, np.zeros((2, 3, 2, 3), np.uint8)))
    assert str(caught.value) == (
        "data tiny: training and held-out images must have one shape (H, W, C). "
        "Received: (2, 2, 3) and (3, 2, 3)"
    )


@pytest.mark.parametrize("shape", [(3, 2, 3), (2, 3, 3), (2, 2, 1), (0, 2, 3), (2, 0, 3)])
def test_a_network_cannot_see_more_than_is_stored(shape: tuple[int, int, int]) -> None:
    with pytest.raises(InputError) as caught:
        replace(tiny(), image_shape=shape)
    assert str(caught.value) == (
        f"data tiny: images of shape {shape} (H, W, C) cannot be cut out of stored ones of "
        "shape (2, 2, 3)"
    )


def test_a_network_may_see_less_than_is_stored() -> None:
    assert replace(tiny(), image_shape=(1, 2, 3)).image_shape == (1, 2, 3)
