"""scikit-learn's digits: 1,797 scans of 8x8 pixels in ten classes, inside its own wheel.

They are the smallest real images that need no download, so the first training of a newcomer uses
them. Pixels are whole numbers from 0 to 16; each is repeated 4x4 to make 32x32, and the one channel
is stacked three times.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.data.dataset import ArrayPart, Dataset, Pixels, in_memory

ENLARGEMENT = 4  # 8x8 becomes 32x32, the input of the CIFAR nets
CHANNELS = 3
TOP = 16  # the largest value of a pixel
HELD_OUT_EVERY = 5  # records 0, 5, 10, ... are held out: 360 of 1,797
CLASS_NAMES = tuple("0123456789")


def load() -> Dataset:
    """Give the digits: 1,437 images for training and 360 held out, 32x32x3, ten classes."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = enlarge(digits.images)
    labels = digits.target.astype(np.int64)
    held_out = np.arange(len(labels)) % HELD_OUT_EVERY == 0
    return in_memory(
        "digits",
        ArrayPart(labels[~held_out], pixels[~held_out]),
        ArrayPart(labels[held_out], pixels[held_out]),
        CLASS_NAMES,
        top=TOP,
    )


def enlarge(images: NDArray[Any]) -> Pixels:
    """Make 8x8 images of whole numbers from 0 to 16 sixteen times larger, in three channels.

    Args:
        images: Shape (N, 8, 8).

    Returns:
        Shape (N, 32, 32, 3), NHWC, uint8.
    """
    tall = np.repeat(images.astype(np.uint8), ENLARGEMENT, axis=1)
    square = np.repeat(tall, ENLARGEMENT, axis=2)
    return np.repeat(square[..., np.newaxis], CHANNELS, axis=3)
