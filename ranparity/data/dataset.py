"""What every data set is, once loaded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ranparity.data import digest
from ranparity.errors import InputError

Images = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images for training, and others held out for testing.

    Attributes:
        name: What `ranparity.data.load` calls it.
        train_images: Images for training, NHWC, float32, preprocessed.
        train_labels: Their classes, int64 in [0, classes), shape (N,).
        test_images: Images held out, NHWC, float32, preprocessed alike.
        test_labels: Their classes.
        classes: Number of classes.

    Raises:
        InputError: The arrays do not fit one another.
    """

    name: str
    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels
    classes: int

    def __post_init__(self) -> None:
        self._check("training", self.train_images, self.train_labels)
        self._check("held-out", self.test_images, self.test_labels)
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise InputError(
                f"data {self.name}: training and held-out images must have one shape (H, W, C). "
                f"Received: {self.train_images.shape[1:]} and {self.test_images.shape[1:]}"
            )
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            array.flags.writeable = False

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        height, width, channels = self.train_images.shape[1:]
        return height, width, channels

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all four arrays."""
        return digest.of_arrays(
            (self.train_images, self.train_labels, self.test_images, self.test_labels)
        )

    def _check(self, part: str, images: Images, labels: Labels) -> None:
        """Raise unless the images are NHWC float32 with one valid label each."""
        where = f"data {self.name}, {part} part"
        if images.ndim != 4 or images.dtype != np.float32:
            raise InputError(
                f"{where}: images must be float32 of shape (N, H, W, C). "
                f"Received: {images.dtype} of shape {images.shape}"
            )
        if labels.shape != images.shape[:1] or labels.dtype != np.int64:
            raise InputError(
                f"{where}: labels must be int64 of shape {images.shape[:1]}. "
                f"Received: {labels.dtype} of shape {labels.shape}"
            )
        if not len(labels):
            raise InputError(f"{where}: expected at least one image. Received: none")
        if labels.min() < 0 or labels.max() >= self.classes:
            raise InputError(
                f"{where}: labels must be from 0 to {self.classes - 1}. "
                f"Received: {labels.min()} to {labels.max()}"
            )
        if not np.isfinite(images).all():
            raise InputError(f"{where}: images must be finite. Received: nan or inf")
