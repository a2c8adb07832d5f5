"""Values as colours, images as grey, and one laid over the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ranparity.pictures.attention import Maps
from ranparity.pictures.images import Chosen

COLOURS = {"map": "magma", "mask": "viridis"}
GREY = 0.35  # share of the image in a mask drawn over it


def limits(*maps: Maps) -> tuple[float, float]:
    """Give the least and the largest value."""
    return min(float(each.min()) for each in maps), max(float(each.max()) for each in maps)


def coloured(maps: Maps, limits: tuple[float, float], kind: str) -> NDArray[np.float64]:
    """Give colours of values, shape (..., 3), in [0, 1]."""
    import matplotlib as mpl

    low, high = limits
    scaled = (maps - low) / (high - low) if high > low else np.zeros_like(maps)
    return np.asarray(mpl.colormaps[COLOURS[kind]](scaled)[..., :3], np.float64)


def of_images(chosen: Chosen) -> NDArray[np.float64]:
    """Give the images' colours, shape (N, H, W, 3), in [0, 1]."""
    return np.divide(chosen.pixels, chosen.top, dtype=np.float64)


def grey(chosen: Chosen) -> NDArray[np.float64]:
    """Give the images' brightness, shape (N, H, W), in [0, 1]: the mean over channels."""
    return np.asarray(of_images(chosen).mean(axis=-1), np.float64)


def over(drawn: NDArray[np.float64], image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lay colours (h, w, 3) over grey (H, W), each as large as the larger of the two."""
    height, width = (max(sides) for sides in zip(drawn.shape[:2], image.shape, strict=True))
    three = np.repeat(image[..., np.newaxis], 3, axis=-1)
    return (1 - GREY) * _wide(drawn, height, width) + GREY * _wide(three, height, width)


def _wide(image: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Enlarge an image (H, W, 3) by repeating its pixels."""
    rows = np.arange(height) * image.shape[0] // height
    columns = np.arange(width) * image.shape[1] // width
    return np.asarray(image[rows[:, np.newaxis], columns], np.float64)
