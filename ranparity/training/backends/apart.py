"""A step in two: the gradients of one part of a batch after another, and then the update.

What lies between is done here, alike for all frameworks: the parts' gradients are added up in their
order, and divided by the number of parts, so that the update is that of the whole batch. It makes a
difference only where layers look at a batch as a whole: batch normalisation takes the mean and the
variance of each part, and its moving statistics move once a part. Where the loss is scaled, it is
seen here whether its gradients are numbers; if one is not, the step is left out whole. A step of
one part on one device whose loss is not scaled is one program, in its framework's fastest form, and
nothing of this runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ranparity.errors import LostDeviceError
from ranparity.training.scaling import Scaling

Gradients = Any  # of the trained variables, in their order, as the framework has them


class Separable(Protocol):
    """A trainer whose step can be taken in two."""

    scaling: Scaling | None
    """Of the loss; None where it is taken as it is."""

    def gradients(
        self, images: NDArray[Any], targets: NDArray[Any], scale: float
    ) -> tuple[float, Gradients]:
        """Give the loss of some images and its gradients; statistics move, and nothing else.

        Args:
            images: NHWC.
            targets: As in `Trainer.step`.
            scale: What the gradients, and not the loss, are multiplied by on their way.
        """

    def added(self, one: Gradients, other: Gradients) -> Gradients:
        """Give the sums of gradients, which may take the place of the first ones."""

    def multiplied(self, gradients: Gradients, factor: float) -> Gradients:
        """Give gradients times a factor, which may take their place."""

    def are_finite(self, gradients: Gradients) -> bool:
        """Whether every element is a finite number."""

    def statistics(self) -> Any:
        """Give what is not trained, as it is now."""

    def put_back(self, statistics: Any) -> None:
        """Have it as `statistics` gave it."""

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

    Raises:
        LostDeviceError: A device has been lost. All variables are what they were before the step.
    """
    scaling, before = trainer.scaling, trainer.statistics()
    scale = scaling.scale if scaling else 1.0
    losses, total = [], None
    try:
        for part in zip(np.split(images, parts), np.split(targets, parts), strict=True):
            loss, gradients = trainer.gradients(*part, scale)
            total = gradients if total is None else trainer.added(total, gradients)
            losses.append(loss)
    except LostDeviceError:
        trainer.put_back(before)
        raise
    total = trainer.multiplied(total, 1 / (parts * scale))
    finite = scaling is None or trainer.are_finite(total)
    if finite:
        trainer.move(total, scalars)
    else:
        trainer.put_back(before)
    if scaling:
        trainer.scaling = scaling.after(finite=finite)
    return math.fsum(losses) / parts
