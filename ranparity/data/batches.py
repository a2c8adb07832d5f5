"""The batches of a run, each of which can be made without making those before it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ranparity.data import digest
from ranparity.data.dataset import Dataset, Images, Labels
from ranparity.data.tape import Tape
from ranparity.errors import InputError


@dataclass(frozen=True, eq=False)
class Batch:
    """What one step sees.

    Attributes:
        images: NHWC, float32.
        labels: int64, shape (N,).
    """

    images: Images
    labels: Labels

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the images and labels."""
        return digest.of_arrays((self.images, self.labels))


@dataclass(frozen=True)
class Batches:
    """The batches of a run, by step.

    An epoch takes the training images in an order of its own (from the tape) and leaves out those
    that do not fill a batch: fewer than a batch, and others each epoch.

    Attributes:
        dataset: Where the images come from.
        tape: The run's randomness.
        batch_size: Images in a batch.

    Raises:
        InputError: The batch is empty or larger than the training part.
    """

    dataset: Dataset
    tape: Tape
    batch_size: int

    def __post_init__(self) -> None:
        images = len(self.dataset.train_labels)
        if not 1 <= self.batch_size <= images:
            raise InputError(
                f"batch size: expected 1 to {images}, the training images of "
                f"{self.dataset.name}. Received: {self.batch_size}"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in an epoch."""
        return len(self.dataset.train_labels) // self.batch_size

    def at(self, step: int) -> Batch:
        """Give the batch of a step, counted from 0 over the whole run."""
        epoch, position = divmod(step, self.steps_per_epoch)
        start = position * self.batch_size
        chosen = self.order(epoch)[start : start + self.batch_size]
        return Batch(self.dataset.train_images[chosen], self.dataset.train_labels[chosen])

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Give the order in which an epoch, counted from 0, takes the training images."""
        return self.tape.permutation("order", len(self.dataset.train_labels), epoch=epoch)
