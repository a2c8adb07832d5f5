"""Features as points in the plane: t-SNE (van der Maaten and Hinton, JMLR 2008)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ranparity.errors import InputError
from ranparity.pictures.measures import Features

SEED = 123  # the published code's
PERPLEXITY = 30.0  # scikit-learn's default
FEWEST = 4  # images, so that each has a neighbour and others
DIGITS = 4  # decimals of a coordinate


def tsne(features: Features) -> NDArray[np.float64]:
    """Give each image's place in the plane, shape (N, 2), rounded to 4 decimals.

    On one thread, so that the number of processors does not change sums; another version of
    scikit-learn, or another processor, may still turn the picture, so a record holds the places.

    Args:
        features: Shape (N, D).

    Raises:
        InputError: There are too few images, or a feature is no finite number.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    exact = np.asarray(features, np.float64)
    if len(exact) < FEWEST:
        raise InputError(f"t-SNE: expected {FEWEST} images or more. Received: {len(exact)}")
    if not np.isfinite(exact).all():
        raise InputError("t-SNE: expected features that are finite numbers. Received: others too")
    differ = min(exact.shape) > 1 and bool(np.ptp(exact, axis=0).any())
    with threadpool_limits(limits=1):
        placed = (
            TSNE(
                n_components=2,
                perplexity=perplexity(len(exact)),
                init="pca" if differ else "random",  # equal features have no principal component
                random_state=SEED,
            )
            .fit_transform(exact)
            .astype(np.float64)
        )
    return np.asarray(np.round(placed, DIGITS) + 0.0, np.float64)  # and no -0.0


def perplexity(images: int) -> float:
    """Give the perplexity for a number of images: 30, or a third of the others if that is less.

    t-SNE needs one well below the number of images.
    """
    return min(PERPLEXITY, (images - 1) / 3)


def spread(images: int, limit: int) -> NDArray[np.int64]:
    """Give the places of at most `limit` of `images` images, evenly spaced from the first."""
    size = min(images, limit)
    return np.arange(size, dtype=np.int64) * images // size
