from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ranparity.data.dataset import Dataset
from ranparity.errors import InputError


def tiny() -> Dataset:
    return Dataset(
        name="tiny",
        train_images=np.zeros((4, 2, 2, 1), np.float32),
        train_labels=np.array([0, 1, 2, 0]),
        test_images=np.ones((2, 2, 2, 1), np.float32),
        test_labels=np.array([0, 1]),
        classes=3,
    )


def test_its_arrays_cannot_be_changed() -> None:
    data = tiny()
    with pytest.raises(ValueError, match="read-only"):
        data.train_images[0] = 1


def test_its_digest_covers_every_array() -> None:
    data = tiny()
    others = [
        replace(data, train_images=data.train_images + 1),
        replace(data, train_labels=data.train_labels[::-1].copy() * 0),
        replace(data, test_images=data.test_images + 1),
        replace(data, test_labels=data.test_labels * 0),
    ]
    assert len({data.digest, *(other.digest for other in others)}) == 5


NAN = np.full((4, 2, 2, 1), np.nan, np.float32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train_images": np.zeros((4, 2, 2, 1))},
            "training part: images must be float32 of shape (N, H, W, C). "
            "Received: float64 of shape (4, 2, 2, 1)",
        ),
        (
            {"train_images": np.zeros((4, 2, 2), np.float32)},
            "training part: images must be float32 of shape (N, H, W, C). "
            "Received: float32 of shape (4, 2, 2)",
        ),
        (
            {"train_labels": np.zeros(3, np.int64)},
            "training part: labels must be int64 of shape (4,). Received: int64 of shape (3,)",
        ),
        (
            {"train_labels": np.zeros(4, np.int32)},
            "training part: labels must be int64 of shape (4,). Received: int32 of shape (4,)",
        ),
        (
            {"test_labels": np.array([0, 3])},
            "held-out part: labels must be from 0 to 2. Received: 0 to 3",
        ),
        (
            {"test_labels": np.array([-1, 0])},
            "held-out part: labels must be from 0 to 2. Received: -1 to 0",
        ),
        (
            {
                "test_images": np.zeros((0, 2, 2, 1), np.float32),
                "test_labels": np.zeros(0, np.int64),
            },
            "held-out part: expected at least one image. Received: none",
        ),
        ({"train_images": NAN}, "training part: images must be finite. Received: nan or inf"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        replace(tiny(), **changes)
    assert str(caught.value) == f"data tiny, {message}"


def test_parts_of_two_sizes_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        replace(tiny(), test_images=np.zeros((2, 3, 2, 1), np.float32))
    assert str(caught.value) == (
        "data tiny: training and held-out images must have one shape (H, W, C). "
        "Received: (2, 2, 1) and (3, 2, 1)"
    )
