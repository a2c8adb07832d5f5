"""The images that masks are drawn over: held-out ones of the run's data, or files."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.data import augment, batches, digest, digits, normalisation
from ranparity.data.dataset import ArrayPart, Dataset, Images, Labels, Pixels
from ranparity.data.images import CHANNELS, decode
from ranparity.data.normalisation import Normalisation
from ranparity.errors import InputError
from ranparity.pictures.opening import Finished
from ranparity.training import directory
from ranparity.training.trained import normalisation_for


@dataclass(frozen=True, eq=False)
class Chosen:
    """Images.

    Attributes:
        pixels: As they are seen by an eye, from 0 to `top`; shape (N, H, W, C).
        top: The largest value that a pixel can have.
        images: What the network takes: normalised, NHWC, of its own size.
        titles: What to call each, in a few words.
        described: What a record says of each.
    """

    pixels: Pixels
    top: int
    images: Images
    titles: tuple[str, ...]
    described: tuple[dict[str, Any], ...]


def held_out(run: Finished, dataset: Dataset, count: int) -> Chosen:
    """Give held-out images of the run's data: the first of each class, then the second, ...

    Args:
        run: For its normalisation.
        dataset: Its data.
        count: How many, if there are so many.

    Raises:
        InputError: The data are not what the network takes.
    """
    normalise = normalisation_for(run.trained, dataset)
    places = in_turn(dataset.test.labels)[:count]
    part = ArrayPart(dataset.test.labels[places], dataset.test.read(places))
    some = dataclasses.replace(dataset, test=part)
    ((images, labels),) = batches.held_out(some, normalise, len(places))
    names = [dataset.class_names[label] for label in labels]
    return Chosen(
        pixels=_middle(part.pixels, dataset.image_shape),
        top=dataset.top,
        images=images,
        titles=tuple(f"class {name}" for name in names),
        described=tuple(
            {"held_out": int(place), "class": name, "digest": digest.of_arrays([pixels])}
            for place, name, pixels in zip(places, names, part.pixels, strict=True)
        ),
    )


def in_turn(labels: Labels) -> NDArray[np.int64]:
    """Give the places of all images: the first of each class by rising class, then the second, ...

    Args:
        labels: Classes, shape (N,).
    """
    turns = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        turns[labels == label] = np.arange((labels == label).sum())
    return np.lexsort((labels, turns)).astype(np.int64)


def of_files(run: Finished, paths: Sequence[Path]) -> Chosen:
    """Give images from files, brought to the network's size, and normalised as the run's were.

    The square in the middle of each is stored as large as the run's data were and cut to what the
    network sees, by the rule of `ranparity.data.images`.

    Args:
        run: For its normalisation and its network's input.
        paths: JPEG or PNG files.

    Raises:
        InputError: One cannot be read, or the network takes no RGB images.
    """
    trained, shape = run.trained, run.trained.entry.input_shape
    fitted = normalisation.load(run.folder / directory.NORMALISATION)
    side, top = _stored(run, fitted), _top(run, fitted)
    if shape[2] != CHANNELS:
        raise InputError(
            f"image files have {CHANNELS} channels, and {trained.entry.name} takes {shape[2]}: "
            "leave them out, and held-out images are drawn"
        )
    decoded = np.stack([decode(path, side) for path in paths])
    pixels = np.rint(decoded * (top / 255)).astype(np.uint8)
    return Chosen(
        pixels=_middle(pixels, shape),
        top=top,
        images=augment.centre(fitted(pixels), shape[:2]),
        titles=tuple(path.name for path in paths),
        described=tuple(
            {"file": path.name, "digest": digest.of_arrays([image])}
            for path, image in zip(paths, pixels, strict=True)
        ),
    )


def _stored(run: Finished, fitted: Normalisation) -> int:
    """Give the side of the squares that the run's images were before the network's part was cut."""
    if fitted.mean.shape[0] > 1:  # a mean of each position
        return int(fitted.mean.shape[0])
    return int(run.run["data"].get("stored_size") or run.trained.entry.input_shape[0])


def _top(run: Finished, fitted: Normalisation) -> int:
    """Give the largest value that a pixel of the run's data can have."""
    usual = digits.TOP if run.run["data"].get("name") == "digits" else 255
    return normalisation.top_of(fitted) or usual


def _middle(pixels: Pixels, shape: Sequence[int]) -> Pixels:
    """Cut out what a network sees of images (NHWC) that are stored larger."""
    height, width = (min(side, seen) for side, seen in zip(pixels.shape[1:3], shape, strict=False))
    top, left = (pixels.shape[1] - height) // 2, (pixels.shape[2] - width) // 2
    return pixels[:, top : top + height, left : left + width]
