"""A step in two: the gradients of one part of a batch after another, and then the update.

What lies between is done here, alike for all frameworks: the parts' gradients are added up in their
order, and divided by the number of parts, so that the update is that of the whole batch. Only where
layers look at a batch as a whole does it make a difference: batch normalisation takes the mean and
the variance of each part, and its moving statistics move once a part. A step that is of one part on
one device is one program where a framework compiles it, and nothing of this runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Gradients = Any  # of the trained variables, in their order, as the framework has them


class Separable(Protocol):
    """A trainer whose step can be taken in two."""

    def gradients(self, images: NDArray[Any], targets: NDArray[Any]) -> tuple[float, Gradients]:
        """Give the loss of some images and its gradients; statistics move, and nothing else.

        Args:
            images: NHWC.
            targets: As in `Trainer.step`.
        """

    def added(self, one: Gradients, other: Gradients) -> Gradients:
        """Give the sums of gradients, which may take the place of the first ones."""

    def multiplied(self, gradients: Gradients, factor: float) -> Gradients:
        """Give gradients times a factor, which may take their place."""

    def move(self, gradients: Gradients, scalars: Sequence[float]) -> None:
        """Update the trained variables and their slots.

        Args:
            gradients: Of the loss of the whole batch.
            scalars: As in `Trainer.step`.
        """


def step(
    trainer: Separable,
    images: NDArray[Any],
    targets: NDArray[Any],
    scalars: Sequence[float],
    parts: int,
) -> float:
    """Take a step, part by part; see `Trainer.step`.

    Args:
        trainer: What takes it.
        images: NHWC, as many as can be divided by the parts.
        targets: (N, classes).
        scalars: The step's numbers.
        parts: Into how many the batch is divided.
    """
    if parts == 1:
        loss, gradients = trainer.gradients(images, targets)
        trainer.move(gradients, scalars)
        return loss
    losses, total = [], None
    for part in zip(np.split(images, parts), np.split(targets, parts), strict=True):
        loss, gradients = trainer.gradients(*part)
        total = gradients if total is None else trainer.added(total, gradients)
        losses.append(loss)
    trainer.move(trainer.multiplied(total, 1 / parts), scalars)
    return math.fsum(losses) / parts
