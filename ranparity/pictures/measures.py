"""How close the features of a class lie together, and how far those of two classes are apart.

Float64 throughout, and sums over classes are exact (`math.fsum`). A class without images counts
for nothing. The definitions are those of the published DRA-Net's evaluation.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.data.dataset import Labels
from ranparity.errors import InputError

Features = NDArray[np.floating[Any]]
Means = NDArray[np.float64]


def intra_class_compactness(features: Features, labels: Labels) -> float:
    """Give the mean over classes of the mean Euclidean distance to the class mean; 0 is closest.

    It is in the units of the features: features twice as large are twice as far apart.

    Args:
        features: Shape (N, D).
        labels: Classes, shape (N,).

    Raises:
        InputError: There is no image, or a feature is no finite number.
    """
    parts = _by_class(features, labels)
    distances = [np.linalg.norm(part - part.mean(axis=0), axis=1).mean() for part in parts]
    return math.fsum(distances) / len(distances)


def inter_class_distance(features: Features, labels: Labels) -> float:
    """Give the mean over pairs of classes of 1 - cosine similarity of their means, in [0, 2].

    It is of directions from the origin: the features' scale does not change it, and a shift of all
    of them does. A mean of zeros has no direction, and is as far from any other as a right angle.

    Args:
        features: Shape (N, D).
        labels: Classes, shape (N,).

    Raises:
        InputError: There are fewer than two classes, or a feature is no finite number.
    """
    directions = [_direction(part.mean(axis=0)) for part in _by_class(features, labels)]
    if len(directions) < 2:
        raise InputError(
            "distance between classes: expected images of two classes or more. "
            f"Received: {len(directions)}"
        )
    apart = [1 - math.fsum(a * b) for a, b in combinations(directions, 2)]
    return max(0.0, math.fsum(apart) / len(apart))  # rounding can make it -1e-16


def _by_class(features: Features, labels: Labels) -> list[Means]:
    """Give the features of each class that has images, by rising class, as float64."""
    exact = np.asarray(features, np.float64)
    if not len(exact) or len(exact) != len(labels):
        raise InputError(
            f"features: expected one row an image. Received: {len(exact)} of {len(labels)} images"
        )
    if not np.isfinite(exact).all():
        raise InputError("features: expected finite numbers. Received: others too")
    return [exact[labels == label] for label in np.unique(labels)]


def _direction(mean: Means) -> Means:
    """Give a vector of length 1, or the zeros."""
    largest = np.abs(mean).max()
    scaled = mean / largest if largest else mean  # or the squares of tiny numbers would be 0
    return scaled / (np.linalg.norm(scaled) or 1.0)
