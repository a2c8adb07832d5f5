"""How pixels become a network's numbers: (pixel - mean) / deviation, in float32.

The statistics are of the training images alone. They are sums of whole numbers, exact in any order,
divided once in float64 and rounded once to float32, so they are the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ranparity import files
from ranparity.data import digest
from ranparity.data.dataset import Dataset, Images, Pixels
from ranparity.errors import InputError

KINDS: Final = ("range", "pixel-mean", "channel-mean", "channel-standard", "imagenet")

# Of ImageNet's training images in RGB from 0 to 1, to three decimals, as PyTorch's vision models
# expect (pytorch/vision, references/classification/presets.py).
IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION: Final = (0.229, 0.224, 0.225)

MOST_FILES: Final = 20_000  # to decode all of ImageNet for a mean would take hours
_CHUNK: Final = 1 << 24  # bytes of pixels read at a time
_FIELDS: Final = ("kind", "mean", "deviation", "images")  # of a file


@dataclass(frozen=True, eq=False)
class Normalisation:
    """What is taken from each pixel, and what the difference is divided by.

    Attributes:
        kind: One of `KINDS`.
        mean: float32, shape (1, 1, 1), (1, 1, C) or (H, W, C), in the pixels' units.
        deviation: float32, shape (1, 1, 1) or (1, 1, C), in the pixels' units, above 0.
        images: How many images the statistics are of; 0 if they are of none of the data's ("range"
            and "imagenet").
    """

    kind: str
    mean: Images
    deviation: Images
    images: int

    def __call__(self, pixels: Pixels) -> Images:
        """Give pixels (N, H, W, C) as float32: a subtraction and a division, each rounded once."""
        scaled = pixels.astype(np.float32)
        scaled -= _wide(self.mean, pixels.shape[2])
        scaled /= _wide(self.deviation, pixels.shape[2])  # no rounding if it is 1
        return scaled

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the mean and the deviation."""
        return digest.of_arrays((self.mean, self.deviation))

    def save(self, path: Path) -> None:
        """Write an .npz file, whole or not at all.

        Raises:
            OSError: It cannot be written; what was there before is untouched.
        """
        with files.replacing(path) as file:
            np.savez(
                file,
                kind=np.array(self.kind),
                mean=self.mean,
                deviation=self.deviation,
                images=np.array(self.images, np.int64),
            )


def fit(
    kind: str, dataset: Dataset, limit: int | None = None, *, show: bool = False
) -> Normalisation:
    """Give the normalisation of a kind for a data set.

    "range" maps [0, top] to [-1, 1] and reads no image. "pixel-mean" takes away the mean at each
    position and channel and divides by nothing, as Caffe's mean file does; "channel-mean" takes
    away one number a channel; "channel-standard" also divides by each channel's population
    standard deviation. "imagenet" takes the published mean and deviation of each of ImageNet's
    three channels, whatever the data, and reads no image.

    Args:
        kind: One of `KINDS`.
        dataset: Its training images are counted.
        limit: Count no more than so many of them, spaced evenly; if not given, all that are in
            memory, and `MOST_FILES` of those in files.
        show: Show progress on stderr if that is a terminal and it takes long.

    Raises:
        InputError: There is no such kind, a channel has one value only, or there are not three.
    """
    if kind not in KINDS:
        raise InputError(f"normalisation: expected one of {', '.join(KINDS)}. Received: {kind!r}")
    if limit is None and dataset.name == "folder":
        limit = MOST_FILES
    one = np.ones((1, 1, 1), np.float32)
    if kind == "range":
        half = one * np.float32(dataset.top / 2)
        return Normalisation(kind, half, half, 0)
    if kind == "imagenet":
        return _imagenet(dataset)
    counted = _evenly(len(dataset.train.labels), limit)
    sums, squares = _sums(dataset, counted, squared=kind == "channel-standard", show=show)
    if kind == "pixel-mean":
        return Normalisation(kind, (sums / len(counted)).astype(np.float32), one, len(counted))
    samples = len(counted) * sums.shape[0] * sums.shape[1]
    totals = sums.sum(axis=(0, 1)).tolist()
    deviation = one
    if kind == "channel-standard":
        deviation = _deviations(dataset.name, totals, squares, samples)
    return Normalisation(kind, _channels(totals, samples), deviation, len(counted))


def _imagenet(dataset: Dataset) -> Normalisation:
    """Give ImageNet's mean and deviation in the units of a data set's pixels."""
    if (channels := dataset.train.shape[2]) != len(IMAGENET_MEAN):
        raise InputError(
            f"normalisation imagenet: expected images of {len(IMAGENET_MEAN)} channels, which "
            f"{dataset.name} has not. Received: {channels}"
        )
    mean, deviation = (
        _shaped([value * dataset.top for value in values])
        for values in (IMAGENET_MEAN, IMAGENET_DEVIATION)
    )
    return Normalisation("imagenet", mean, deviation, 0)


def top_of(found: Normalisation) -> int | None:
    """Give the largest pixel value that a normalisation is made for, where it depends on that."""
    if found.kind == "range":
        return int(2 * found.mean.max())
    if found.kind == "imagenet":
        return round(float(found.mean.max()) / max(IMAGENET_MEAN))
    return None


def load(path: Path) -> Normalisation:
    """Read what `Normalisation.save` wrote.

    Raises:
        InputError: The file is missing, damaged or something else.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            found = {name: archive[name] for name in _FIELDS}
    except FileNotFoundError:
        raise InputError(f"{path}: expected a normalisation, and there is no such file") from None
    except Exception as error:  # a damaged archive raises many kinds, by what is wrong
        raise InputError(f"{path}: cannot be read as a normalisation: {error}") from error
    mean, deviation, images = (found[name] for name in _FIELDS[1:])
    if not (
        str(found["kind"]) in KINDS
        and all(_usable(array) for array in (mean, deviation))
        and deviation.min() > 0
        and images.shape == ()
    ):
        raise InputError(
            f"{path}: expected a kind of normalisation, with finite float32 means and deviations "
            "above 0 of shape (H, W, C)"
        )
    return Normalisation(str(found["kind"]), mean, deviation, int(images))


def _wide(array: Images, width: int) -> Images:
    """Repeat a value of each channel for a row of pixels: NumPy is five times as fast with it."""
    return np.repeat(array, width, axis=1) if array.shape[1] == 1 else array


def _usable(array: NDArray[Any]) -> bool:
    """Whether an array can be a mean or a deviation."""
    return bool(
        array.dtype == np.float32 and array.ndim == 3 and array.size and np.isfinite(array).all()
    )


def _evenly(count: int, limit: int | None) -> NDArray[np.int64]:
    """Give the places of `limit` of `count` images: floor(i * count / limit), i = 0, 1, ..."""
    if limit is not None and limit < 1:
        raise InputError(f"normalisation: expected a limit of 1 or more. Received: {limit}")
    size = min(count, limit or count)
    return np.arange(size, dtype=np.int64) * count // size


def _sums(
    dataset: Dataset, counted: NDArray[np.int64], *, squared: bool, show: bool
) -> tuple[NDArray[np.int64], list[int]]:
    """Give the sum over images, shape (H, W, C), and the sum of squares of each channel.

    An image of 255s has a square sum of 65,025 a pixel, so int64 holds 10^14 pixels.
    """
    shape = dataset.train.shape
    sums, squares = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for chunk in _chunks(counted, math.prod(shape), show=show):
        pixels = dataset.train.read(chunk)
        sums += pixels.sum(axis=0, dtype=np.int64)
        if squared:  # 255^2 still fits into uint16
            squares += (pixels.astype(np.uint16) ** 2).sum(axis=0, dtype=np.int64)
    return sums, squares.sum(axis=(0, 1)).tolist()


def _chunks(
    counted: NDArray[np.int64], bytes_each: int, *, show: bool
) -> Iterator[NDArray[np.int64]]:
    """Give the places in pieces whose pixels fit into memory."""
    from tqdm import tqdm

    size, hidden = max(1, _CHUNK // bytes_each), None if show else True
    with tqdm(
        total=len(counted), unit="image", desc="mean of the images", delay=2, disable=hidden
    ) as bar:
        for start in range(0, len(counted), size):
            yield counted[start : start + size]
            bar.update(len(counted[start : start + size]))


def _channels(totals: list[int], samples: int) -> Images:
    return _shaped([total / samples for total in totals])


def _deviations(name: str, totals: list[int], squares: list[int], samples: int) -> Images:
    """Give each channel's population standard deviation.

    variance = (n * sum of squares - sum^2) / n^2, in Python's integers, which never overflow and
    whose division is rounded correctly.
    """
    spreads = [samples * square - total**2 for total, square in zip(totals, squares, strict=True)]
    if 0 in spreads:
        raise InputError(
            f"normalisation channel-standard: every pixel of channel {spreads.index(0)} of {name} "
            "has one value, and nothing can be divided by its deviation: choose channel-mean"
        )
    return _shaped([math.sqrt(spread / samples**2) for spread in spreads])


def _shaped(values: list[float]) -> Images:
    return np.array(values, np.float64).astype(np.float32).reshape(1, 1, -1)
