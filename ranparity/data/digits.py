"""scikit-learn's digits: 1,797 scans of 8x8 pixels in ten classes, inside its own wheel.

They are the smallest real images that need no download, so the first training of a newcomer uses
them. Pixels are whole numbers from 0 to 16; each is repeated 4x4 to make 32x32, and the one channel
is stacked three times.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.data.dataset import ArrayPart, Dataset, Pixels, in_memory

SIDE = 8
FILE = "datasets/data/digits.csv.gz"  # in scikit-learn
ENLARGEMENT = 4  # 8x8 becomes 32x32, the input of the CIFAR nets
CHANNELS = 3
TOP = 16  # the largest value of a pixel
HELD_OUT_EVERY = 5  # records 0, 5, 10, ... are held out: 360 of 1,797
CLASS_NAMES = tuple("0123456789")


def load() -> Dataset:
    """Give the digits: 1,437 images for training and 360 held out, 32x32x3, ten classes."""
    records = stored()
    pixels = enlarge(records[:, :-1].reshape(-1, SIDE, SIDE))
    labels = records[:, -1].astype(np.int64)
    held_out = np.arange(len(labels)) % HELD_OUT_EVERY == 0
    return in_memory(
        "digits",
        ArrayPart(labels[~held_out], pixels[~held_out]),
        ArrayPart(labels[held_out], pixels[held_out]),
        CLASS_NAMES,
        top=TOP,
    )


def stored() -> NDArray[np.float64]:
    """Give the records, shape (1797, 65): the pixels of each, row by row, and its class.

    They are read from scikit-learn's file without scikit-learn, whose import would take a second of
    every process that trains; where there is no such file, scikit-learn gives them.
    """
    package = importlib.util.find_spec("sklearn")
    folders = package.submodule_search_locations or () if package else ()
    for folder in folders:
        file = Path(folder, FILE)
        if file.is_file():
            return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits

    digits = load_digits()
    return np.column_stack([digits.data, digits.target])


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
