"""Small images enlarged for a network that takes larger ones, when they are read.

The arithmetic is this project's own and of whole numbers, so that every machine gives the same
bytes. It is bilinear interpolation between pixel centres, as Pillow's and PyTorch's is
(`align_corners=False`): pixel i of n' has the place (i + 1/2) n / n' - 1/2 among the n that it is
made of, and beyond the outermost centres the outermost pixel goes on. The exact value is rounded
once, halves upwards. (Pillow rounds after the columns and again after the rows, and so is at most 1
away.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ranparity.data.dataset import Dataset, Labels, Part, Pixels

RULE: Final = "bilinear between pixel centres, whole numbers, rounded once"


@dataclass(frozen=True)
class Places:
    """Where the pixels of a line come from, each from two, by shares that are whole numbers.

    Attributes:
        low: The first pixel of the two, int64, shape (larger,).
        high: The second.
        share: How much of the second counts, int64 in [0, whole), shape (larger,).
        whole: What both shares add up to; even.
    """

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    share: NDArray[np.int64]
    whole: int


def places(size: int, larger: int) -> Places:
    """Give the places of a line of `larger` pixels in one of `size`.

    In units of 1 / (2 larger) of a pixel, the place of pixel i is (2 i + 1) size - larger; both are
    first divided by their greatest common divisor, so that the shares are small.
    """
    divisor = math.gcd(size, larger)
    few, many = size // divisor, larger // divisor
    exact = np.clip((2 * np.arange(larger) + 1) * few - many, 0, 2 * many * (size - 1))
    low, share = np.divmod(exact, 2 * many)
    return Places(low, np.minimum(low + 1, size - 1), share, 2 * many)


def bilinear(images: Pixels, side: int) -> Pixels:
    """Enlarge images to a square.

    Args:
        images: Shape (N, H, W, C), uint8; no larger than `side`.
        side: Height and width of the result.

    Returns:
        Shape (N, side, side, C), uint8.
    """
    rows, columns = (places(size, side) for size in images.shape[1:3])
    whole = rows.whole * columns.whole
    kind = next(k for k in (np.uint16, np.uint32, np.uint64) if 256 * whole <= np.iinfo(k).max + 1)
    tall = _between(images.astype(kind), rows, axis=1)
    wide = _between(tall, columns, axis=2)
    wide += kind(whole // 2)
    wide //= kind(whole)
    return wide.astype(np.uint8)


def _between(images: NDArray[Any], line: Places, axis: int) -> NDArray[Any]:
    """Give the sums of two pixels, each times its share, along an axis."""
    shape = [-1 if place == axis else 1 for place in range(4)]
    share = line.share.astype(images.dtype).reshape(shape)
    mixed: NDArray[Any] = images.take(line.low, axis)
    mixed *= images.dtype.type(line.whole) - share
    mixed += images.take(line.high, axis) * share
    return mixed


@dataclass(frozen=True, eq=False)
class EnlargedPart:
    """A part whose images are enlarged whenever they are read, so that memory holds small ones.

    Attributes:
        part: The images as they are.
        side: Height and width that they get.
    """

    part: Part
    side: int

    @property
    def labels(self) -> Labels:
        """Each image's class, shape (N,)."""
        return self.part.labels

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        return self.side, self.side, self.part.shape[2]

    def read(self, chosen: NDArray[np.int64]) -> Pixels:
        """Give images by their places, shape (n, side, side, C)."""
        return bilinear(self.part.read(chosen), self.side)


def enlarged(dataset: Dataset, side: int) -> Dataset:
    """Give a data set for a network of another input size; one of that size or less stays.

    Its digest stays that of the images as they are, and the record says how they are enlarged.

    Args:
        dataset: Any.
        side: Height and width that the network takes.
    """
    height, width, channels = dataset.image_shape
    if side <= max(height, width):
        return dataset
    how = {"from": [height, width], "to": [side, side], "rule": RULE}
    return replace(
        dataset,
        train=EnlargedPart(dataset.train, side),
        test=EnlargedPart(dataset.test, side),
        image_shape=(side, side, channels),
        details={**dataset.details, "enlarged": how},
    )
