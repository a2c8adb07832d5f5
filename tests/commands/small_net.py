"""A net and data that are small enough to test in a second."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ranparity.data.dataset import ArrayPart, Dataset, in_memory
from ranparity.models import zoo
from tests.models.cases import TINY

SIDE, CLASSES, TESTED = 12, 7, 21
NAME = "tiny"
NAMES = tuple("abcdefg")


def part(count: int, side: int, seed: int) -> ArrayPart:
    """Random images whose classes are 0, 1, ..., 5, 0, ...: none is of class 6."""
    pixels = np.random.default_rng(seed).integers(256, size=(count, side, side, 3), dtype=np.uint8)
    return ArrayPart(np.arange(count) % (CLASSES - 1), pixels)


def dataset(stored: int = SIDE, **changes: Any) -> Dataset:
    """Images stored at one size, of which a net sees SIDE."""
    made = in_memory("squares", part(10, stored, 1), part(TESTED, stored, 2), NAMES)
    return dataclasses.replace(made, **{"image_shape": (SIDE, SIDE, 3), **changes})


def tiny() -> zoo.Entry:
    """The zoo's entry of the small net."""
    usual = zoo.entry("attention56-cifar")
    return dataclasses.replace(
        usual, name=NAME, config=TINY, input_shape=(SIDE, SIDE, 3), classes=CLASSES
    )
