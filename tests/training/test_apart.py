"""A step in parts, of a stand-in whose gradients can be written down: a sum of squares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ranparity.training.backends import apart


class Squares:
    """Its loss is the mean of (w - x)^2 over the images' numbers, times their targets' sums."""

    def __init__(self) -> None:
        self.weight = np.array([0.5])
        self.seen: list[list[float]] = []
        self.moved: list[tuple[float, Sequence[float]]] = []

    def gradients(
        self, images: NDArray[Any], targets: NDArray[Any]
    ) -> tuple[float, list[NDArray[Any]]]:
        self.seen.append(images.ravel().tolist())
        assert len(images) == len(targets)
        apart_by = self.weight - images.ravel()
        return float(np.mean(apart_by**2)), [np.array([np.mean(2 * apart_by)])]

    def added(self, one: list[Any], other: list[Any]) -> list[Any]:
        return [a + b for a, b in zip(one, other, strict=True)]

    def multiplied(self, gradients: list[Any], factor: float) -> list[Any]:
        return [gradient * factor for gradient in gradients]

    def move(self, gradients: list[Any], scalars: Sequence[float]) -> None:
        self.moved.append((float(gradients[0][0]), scalars))


IMAGES, TARGETS = np.arange(12.0).reshape(12, 1, 1, 1), np.ones((12, 2))


@pytest.mark.parametrize("parts", [1, 2, 3, 4, 12])
def test_a_step_in_parts_is_that_of_the_whole_batch(parts: int) -> None:
    whole, divided = Squares(), Squares()
    expected, gradients = whole.gradients(IMAGES, TARGETS)
    loss = apart.step(divided, IMAGES, TARGETS, (0.1,), parts)
    assert loss == pytest.approx(expected, rel=1e-14)
    ((gradient, scalars),) = divided.moved
    assert gradient == pytest.approx(float(gradients[0][0]), rel=1e-14)
    assert scalars == (0.1,)


def test_every_part_is_seen_once_and_in_order() -> None:
    trainer = Squares()
    apart.step(trainer, IMAGES, TARGETS, (0.1,), 3)
    assert trainer.seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
