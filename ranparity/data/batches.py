"""The batches of a run, each of which can be made without making those before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from ranparity.data import augment, digest, noise
from ranparity.data.augment import Augmentation
from ranparity.data.dataset import Dataset, Images, Labels
from ranparity.data.normalisation import Normalisation
from ranparity.data.tape import Tape
from ranparity.errors import InputError

_UNCHANGED = Augmentation()


@dataclass(frozen=True, eq=False)
class Batch:
    """What one step sees.

    Attributes:
        images: NHWC, float32.
        targets: Each image's probability of each class, float32, shape (N, classes).
    """

    images: Images
    targets: NDArray[np.float32]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the images and targets."""
        return digest.of_arrays((self.images, self.targets))


@dataclass(frozen=True, eq=False)
class Batches:
    """The batches of a run, or of one stage of it, by step.

    An epoch takes the training images in an order of its own (from the tape) and leaves out those
    that do not fill a batch: fewer than a batch, and others each epoch. What is drawn for a batch
    comes from the streams of its epoch and its place in it, and the wrong labels from a stream of
    the whole data set. Several threads may make batches at once.

    Attributes:
        dataset: Where the images come from.
        tape: The run's randomness.
        batch_size: Images in a batch.
        normalisation: How pixels become numbers.
        augmentation: What is done to the images then.
        label_noise: The chance that an image's label is wrong, for the whole run.
        prefix: Put before the purpose of each stream but the labels', so that stages of a run
            differ.

    Raises:
        InputError: The batch is empty or larger than the training part, or what is to be done to
            the images does not fit them.
    """

    dataset: Dataset
    tape: Tape
    batch_size: int
    normalisation: Normalisation
    augmentation: Augmentation = _UNCHANGED
    label_noise: float = 0.0
    prefix: str = ""

    def __post_init__(self) -> None:
        images, name = len(self.dataset.train.labels), self.dataset.name
        if not 1 <= self.batch_size <= images:
            raise InputError(
                f"batch size: expected 1 to {images}, the training images of {name}. "
                f"Received: {self.batch_size}"
            )
        side = min(self.dataset.image_shape[:2])
        for option in ("padding", "shift"):
            value = getattr(self.augmentation, option)
            if value > side:
                raise InputError(
                    f"{option}: expected 0 to {side}, the side of an image of {name}. "
                    f"Received: {value}"
                )
        _ = self.labels  # so that a noise out of range is known at once

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in an epoch."""
        return len(self.dataset.train.labels) // self.batch_size

    @cached_property
    def labels(self) -> Labels:
        """Classes of all training images, shape (N,), some of them wrong if that is asked for."""
        right, classes = self.dataset.train.labels, self.dataset.classes
        return noise.noisy(right, classes, self.label_noise, self.tape)

    @property
    def changed_labels(self) -> int:
        """How many of the training images have a label that is wrong on purpose."""
        return int((self.labels != self.dataset.train.labels).sum())

    def at(self, step: int) -> Batch:
        """Give the batch of a step, counted from 0 over the whole run or stage."""
        epoch, position = divmod(step, self.steps_per_epoch)
        start = position * self.batch_size
        chosen = self.order(epoch)[start : start + self.batch_size]
        images = self.normalisation(self.dataset.train.read(chosen))
        draws = _Draws(self.tape, self.prefix, epoch, position, self.batch_size)
        images = self._moved(images, draws)
        targets = one_hot(self.labels[chosen], self.dataset.classes)
        if self.augmentation.mixes(epoch):
            partners, share = draws.mixture(self.augmentation.mixup)
            images = augment.mix(images, partners, share)
            targets = augment.mix(targets, partners, share)
        return Batch(images, targets)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Give the order in which an epoch, counted from 0, takes the training images."""
        return _order(self.tape, f"{self.prefix}order", len(self.dataset.train.labels), epoch)

    def _moved(self, images: Images, draws: _Draws) -> Images:
        """Crop, flip, shift and brighten images, shape (N, H, W, C) as stored."""
        images = augment.padded(images, self.augmentation.padding)
        height, width, _ = self.dataset.image_shape
        rows, columns = images.shape[1] - height, images.shape[2] - width
        if rows or columns:
            top = draws.integers("crop/row", rows + 1)
            left = draws.integers("crop/column", columns + 1)
            images = augment.crop(images, top, left, (height, width))
        if self.augmentation.flip:
            images = augment.flip(images, draws.integers("flip", 2) == 1)
        if reach := self.augmentation.shift:
            down = draws.integers("shift/row", 2 * reach + 1) - reach
            right = draws.integers("shift/column", 2 * reach + 1) - reach
            images = augment.shift(images, down, right)
        if (level := self.augmentation.e4040_noise) is not None:
            unit = self.dataset.top / 255 / self.normalisation.deviation.astype(np.float64)
            images = augment.brightened(images, draws.normals("e4040 noise"), level, unit)
        return images


@dataclass(frozen=True)
class _Draws:
    """What is drawn for one batch: the streams of an epoch and a position in it."""

    tape: Tape
    prefix: str
    epoch: int
    position: int
    size: int

    def integers(self, purpose: str, below: int) -> NDArray[np.int64]:
        """Give one integer in [0, below) for each image."""
        return self.tape.integers(
            self.prefix + purpose, self.size, below, epoch=self.epoch, step=self.position
        )

    def normals(self, purpose: str) -> NDArray[np.float64]:
        """Give one standard normal for each image."""
        return self.tape.normals(
            self.prefix + purpose, self.size, epoch=self.epoch, step=self.position
        )

    def mixture(self, alpha: float) -> tuple[NDArray[np.int64], float]:
        """Give each image's partner, and the one share of the batch."""
        place = {"epoch": self.epoch, "step": self.position}
        partners = self.tape.permutation(f"{self.prefix}mixup/partner", self.size, **place)
        (share,) = self.tape.betas(f"{self.prefix}mixup/share", 1, alpha, **place)
        return partners, float(share)


@lru_cache(maxsize=2)  # sorting a million words takes longer than a step does
def _order(tape: Tape, purpose: str, count: int, epoch: int) -> NDArray[np.int64]:
    order = tape.permutation(purpose, count, epoch=epoch)
    order.flags.writeable = False
    return order


def one_hot(labels: Labels, classes: int) -> NDArray[np.float32]:
    """Give the probability 1 to each label's class, float32, shape (N, classes)."""
    targets = np.zeros((len(labels), classes), np.float32)
    targets[np.arange(len(labels)), labels] = 1
    return targets


def held_out(
    dataset: Dataset, normalisation: Normalisation, batch_size: int
) -> Iterator[tuple[Images, Labels]]:
    """Give the held-out images in their order, the middle of each, with their labels.

    Args:
        dataset: Where they come from.
        normalisation: How pixels become numbers.
        batch_size: Images at a time; the last time there may be fewer.
    """
    labels = dataset.test.labels
    for start in range(0, len(labels), batch_size):
        chosen = np.arange(start, min(start + batch_size, len(labels)))
        images = normalisation(dataset.test.read(chosen))
        yield augment.centre(images, dataset.image_shape[:2]), labels[chosen]
