"""scikit-learn's digits: 1,797 scans of 8x8 pixels in ten classes, inside its own wheel.

They are the smallest real images that need no download, so the first training of a newcomer uses
them. Every step from the file to the tensors is fixed and exact in float32: pixels 0..16 are scaled
to (x - 8) / 8, each is repeated 4x4 to make 32x32, and the one channel is stacked three times.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ranparity.data.dataset import Dataset, Images

ENLARGEMENT = 4  # 8x8 becomes 32x32, the input of the CIFAR nets
CHANNELS = 3
HELD_OUT_EVERY = 5  # records 0, 5, 10, ... are held out: 360 of 1,797


def load() -> Dataset:
    """Give the digits: 1,437 images for training and 360 held out, 32x32x3, ten classes."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = enlarge(digits.images)
    labels = digits.target.astype(np.int64)
    held_out = np.arange(len(labels)) % HELD_OUT_EVERY == 0
    return Dataset(
        name="digits",
        train_images=images[~held_out],
        train_labels=labels[~held_out],
        test_images=images[held_out],
        test_labels=labels[held_out],
        classes=10,
    )


def enlarge(images: NDArray[np.float64]) -> Images:
    """Scale 8x8 images with values 0..16 to [-1, 1] and enlarge them.

    Args:
        images: Shape (N, 8, 8).

    Returns:
        Shape (N, 32, 32, 3), NHWC, float32.
    """
    scaled = ((images - 8) / 8).astype(np.float32)
    tall = np.repeat(scaled, ENLARGEMENT, axis=1)
    square = np.repeat(tall, ENLARGEMENT, axis=2)
    return np.repeat(square[..., np.newaxis], CHANNELS, axis=3)
