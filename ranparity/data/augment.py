"""Altered images: crops, flips, shifts and mixtures, of a whole batch at a time.

Each function here is one of arrays alone; what is drawn at random comes in as an argument, and
`ranparity.data.batches` draws it from the tape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ranparity.data.dataset import Images
from ranparity.errors import InputError

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Augmentation:
    """What is done to the images of a batch, in this order.

    Attributes:
        padding: Pixels of zeros put on each side before a part of the image's size is cropped.
        flip: Whether each image is mirrored left to right with a chance of 1/2.
        shift: Each image is moved by up to so many pixels in each direction.
        mixup: Alpha of mixup's Beta(alpha, alpha), up to 4; 0 is none.
        mixup_epochs: Mix only in the first so many epochs; None is in all.
        e4040_noise: The level of the brightness that is added to each image, before any are mixed;
            None adds none. See `brightened`.

    Raises:
        InputError: A number is out of range.
    """

    padding: int = 0
    flip: bool = False
    shift: int = 0
    mixup: float = 0.0
    mixup_epochs: int | None = None
    e4040_noise: float | None = None

    def __post_init__(self) -> None:
        for name in ("padding", "shift", "mixup_epochs"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise InputError(f"{name}: expected 0 or more. Received: {value}")
        if self.e4040_noise is not None and not 0 <= self.e4040_noise < math.inf:
            raise InputError(f"e4040_noise: expected 0 or more. Received: {self.e4040_noise}")
        if not 0 <= self.mixup <= 4:
            raise InputError(f"mixup: expected 0 (none) to 4. Received: {self.mixup}")

    def mixes(self, epoch: int) -> bool:
        """Say whether an epoch, counted from 0, has mixup."""
        return self.mixup > 0 and (self.mixup_epochs is None or epoch < self.mixup_epochs)


def padded(images: Images, padding: int) -> Images:
    """Put zeros around images, shape (N, H, W, C): (N, H + 2 padding, W + 2 padding, C)."""
    if padding == 0:
        return images
    count, height, width, channels = images.shape
    shape = (count, height + 2 * padding, width + 2 * padding, channels)
    result = np.zeros(shape, images.dtype)
    result[:, padding : padding + height, padding : padding + width] = images
    return result


def crop(images: Images, top: Places, left: Places, size: tuple[int, int]) -> Images:
    """Cut a rectangle out of each image.

    Args:
        images: Shape (N, H, W, C).
        top: Each rectangle's first row, in [0, H - height], shape (N,).
        left: Its first column, in [0, W - width], shape (N,).
        size: Height and width.

    Returns:
        Shape (N, height, width, C).
    """
    count, rows, columns, channels = images.shape
    height, width = size
    # A row of a rectangle lies together in memory, so it is copied as one piece.
    pieces = sliding_window_view(images.reshape(-1), width * channels)
    first = (np.arange(count) * rows + top)[:, np.newaxis] + np.arange(height)
    starts = (first * columns + left[:, np.newaxis]) * channels
    result: Images = pieces[starts].reshape(count, height, width, channels)
    return result


def centre(images: NDArray[np.float32], size: tuple[int, int]) -> Images:
    """Cut the middle out of images, shape (N, H, W, C); if it is off by a half, up and left."""
    top, left = ((side - part) // 2 for side, part in zip(images.shape[1:3], size, strict=True))
    return images[:, top : top + size[0], left : left + size[1]]


def flip(images: Images, mirrored: NDArray[np.bool_]) -> Images:
    """Mirror some of the images, shape (N, H, W, C), left to right: those where `mirrored` (N,)."""
    result = images.copy()
    result[mirrored] = images[mirrored, :, ::-1]
    return result


def shift(images: Images, down: Places, right: Places) -> Images:
    """Move each image by whole pixels; the pixels at its edge fill what becomes free.

    Args:
        images: Shape (N, H, W, C).
        down: Rows to move each image by, shape (N,); up if negative.
        right: Columns, likewise.
    """
    reach = int(max(np.abs(down).max(), np.abs(right).max()))
    around = ((0, 0), (reach, reach), (reach, reach), (0, 0))
    height, width = images.shape[1:3]
    return crop(np.pad(images, around, mode="edge"), reach - down, reach - right, (height, width))


def brightened(
    images: Images, normals: NDArray[np.float64], level: float, unit: NDArray[np.float64]
) -> Images:
    """Add one number to all of an image: to each pixel and channel the same.

    What a course project calls noise of a level of .1 to .7 (ecbme4040/
    e4040-2021Fall-Project-REAL-xh2510-qt2139-kl3350 at commit 6b9497f, utils/noise_level.py): for
    each training image, each time, one draw from a normal distribution of standard deviation
    1 + level, in units of which a pixel has 255. Nothing is cut off. It is no share of images or of
    labels, and half a percent of a pixel's range.

    Args:
        images: Normalised, shape (N, H, W, C).
        normals: Standard normals, shape (N,).
        level: 0 or more.
        unit: What a 255th of a pixel's range is in a normalised image, shape (1, 1, 1) or
            (1, 1, C).
    """
    amounts = (normals * (1 + level)).reshape(-1, 1, 1, 1) * unit
    result: Images = images + amounts.astype(np.float32)
    return result


def mix(values: NDArray[np.float32], partners: Places, share: float) -> NDArray[np.float32]:
    """Give share * value + (1 - share) * its partner's, each product and the sum rounded once.

    The two shares are rounded to float32 and still add up to exactly 1, so mixed probabilities do.

    Args:
        values: Shape (N, ...): images, or probabilities of the classes.
        partners: Each one's partner in the batch, shape (N,).
        share: In [0, 1].
    """
    own = np.float32(share)
    mixed = values[partners]
    mixed *= np.float32(1) - own
    mixed += values * own
    return mixed
