"""What every data set is, once loaded: two parts of labelled 8-bit images.

Pixels stay as they are stored until a batch is made, so that a set takes a quarter of the memory
that float32 would, and so that all statistics of it are sums of integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ranparity.data import digest
from ranparity.errors import InputError

Pixels = NDArray[np.uint8]
Images = NDArray[np.float32]
Labels = NDArray[np.int64]


class Part(Protocol):
    """Labelled images, in memory or in files; `len(part.labels)` is how many."""

    @property
    def labels(self) -> Labels:
        """Each image's class, shape (N,)."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image, as stored."""

    def read(self, chosen: NDArray[np.int64]) -> Pixels:
        """Give images by their places; several threads may read at once.

        Args:
            chosen: Places in [0, N), shape (n,).

        Returns:
            Shape (n, H, W, C), in the order of `chosen`; a new array.

        Raises:
            InputError: An image cannot be read from its file.
        """


@dataclass(frozen=True, eq=False)
class ArrayPart:
    """A part that is in memory.

    Attributes:
        labels: Classes, int64, shape (N,).
        pixels: Images, uint8, NHWC.

    Raises:
        InputError: The arrays do not fit each other.
    """

    labels: Labels
    pixels: Pixels

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4 or self.pixels.dtype != np.uint8:
            raise InputError(
                "images must be uint8 of shape (N, H, W, C). "
                f"Received: {self.pixels.dtype} of shape {self.pixels.shape}"
            )
        if self.labels.shape != self.pixels.shape[:1]:
            raise InputError(
                f"labels must be of shape {self.pixels.shape[:1]}, one an image. "
                f"Received: shape {self.labels.shape}"
            )
        for array in (self.labels, self.pixels):
            array.flags.writeable = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        height, width, channels = self.pixels.shape[1:]
        return height, width, channels

    def read(self, chosen: NDArray[np.int64]) -> Pixels:
        """Give images by their places, shape (n, H, W, C)."""
        return self.pixels[chosen]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images for training, and others held out for testing.

    Attributes:
        name: What kind of data: digits, cifar10, cifar100 or folder.
        source: What the user asked for, for the record, without the place on this machine.
        train: Images for training.
        test: Images held out.
        class_names: The classes by label.
        top: The largest value that a pixel can have.
        image_shape: Height, width and channels that a network sees; no larger than the images are
            stored, and batches crop what is larger.
        partial: Whether the set has fewer or other images than the one it is named after.
        digest: SHA-256 that tells this set from others.
        details: What else the record is to say, as JSON.

    Raises:
        InputError: The parts do not fit one another.
    """

    name: str
    source: str
    train: Part
    test: Part
    class_names: tuple[str, ...]
    top: int
    image_shape: tuple[int, int, int]
    partial: bool
    digest: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_labels("training", self.train)
        self._check_labels("held-out", self.test)
        if self.train.shape != self.test.shape:
            raise InputError(
                f"data {self.name}: training and held-out images must have one shape (H, W, C). "
                f"Received: {self.train.shape} and {self.test.shape}"
            )
        stored, seen = self.train.shape, self.image_shape
        if seen[2] != stored[2] or not 1 <= seen[0] <= stored[0] or not 1 <= seen[1] <= stored[1]:
            raise InputError(
                f"data {self.name}: images of shape {seen} (H, W, C) cannot be cut out of stored "
                f"ones of shape {stored}"
            )

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def describe(self) -> dict[str, Any]:
        """Give what a run's record says of its data, as JSON."""
        return {
            "name": self.name,
            "source": self.source,
            "digest": self.digest,
            "train": len(self.train.labels),
            "test": len(self.test.labels),
            "classes": self.classes,
            "partial": self.partial,
            **self.details,
        }

    def _check_labels(self, name: str, part: Part) -> None:
        """Raise unless there are labels and each is a class."""
        where, labels = f"data {self.name}, {name} part", part.labels
        if labels.ndim != 1 or labels.dtype != np.int64:
            raise InputError(
                f"{where}: labels must be int64 of shape (N,). "
                f"Received: {labels.dtype} of shape {labels.shape}"
            )
        if not len(labels):
            raise InputError(f"{where}: expected at least one image. Received: none")
        if labels.min() < 0 or labels.max() >= self.classes:
            raise InputError(
                f"{where}: labels must be from 0 to {self.classes - 1}. "
                f"Received: {labels.min()} to {labels.max()}"
            )


def in_memory(
    name: str,
    train: ArrayPart,
    test: ArrayPart,
    class_names: tuple[str, ...],
    *,
    top: int = 255,
    source: str | None = None,
    partial: bool = False,
) -> Dataset:
    """Give the data set of two parts in memory; its digest is of all pixels and labels.

    Args:
        name: Kind of data.
        train: Images for training.
        test: Images held out, of the same shape.
        class_names: The classes by label.
        top: The largest value that a pixel can have.
        source: What the user asked for; the name if not given.
        partial: Whether there are fewer or other images than in the set of that name.

    Raises:
        InputError: The parts do not fit one another.
    """
    contents = digest.of_arrays((train.pixels, train.labels, test.pixels, test.labels))
    return Dataset(
        name=name,
        source=source or name,
        train=train,
        test=test,
        class_names=class_names,
        top=top,
        image_shape=train.shape,
        partial=partial,
        digest=contents,
    )
