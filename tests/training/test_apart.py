"""A step in parts, of a stand-in whose gradients can be written down: a sum of squares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ranparity.errors import LostDeviceError
from ranparity.training.backends import apart
from ranparity.training.scaling import Scaling


class Squares:
    """Its loss is the mean of (w - x)^2 over the images' numbers; its statistic counts parts."""

    def __init__(self, scaling: Scaling | None = None, largest: float = np.inf) -> None:
        self.weight = np.array([0.5])
        self.scaling, self.largest = scaling, largest
        self.statistic = 0
        self.seen: list[list[float]] = []
        self.moved: list[tuple[float, Sequence[float]]] = []

    def gradients(
        self, images: NDArray[Any], targets: NDArray[Any], scale: float
    ) -> tuple[float, list[NDArray[Any]]]:
        self.seen.append(images.ravel().tolist())
        assert len(images) == len(targets)
        self.statistic += 1
        apart_by = self.weight - images.ravel()
        gradient = np.array([np.mean(2 * apart_by)]) * scale
        gradient[np.abs(gradient) > self.largest] = np.inf
        return float(np.mean(apart_by**2)), [gradient]

    def are_finite(self, gradients: list[Any]) -> bool:
        return bool(np.isfinite(gradients).all())

    def statistics(self) -> int:
        return self.statistic

    def put_back(self, statistics: int) -> None:
        self.statistic = statistics

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
    expected, gradients = whole.gradients(IMAGES, TARGETS, 1.0)
    loss = apart.step(divided, IMAGES, TARGETS, (0.1,), parts)
    assert loss == pytest.approx(expected, rel=1e-14)
    ((gradient, scalars),) = divided.moved
    assert gradient == pytest.approx(float(gradients[0][0]), rel=1e-14)
    assert scalars == (0.1,)


def test_every_part_is_seen_once_and_in_order() -> None:
    trainer = Squares()
    apart.step(trainer, IMAGES, TARGETS, (0.1,), 3)
    assert trainer.seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


@pytest.mark.parametrize("parts", [1, 3])
def test_a_scaled_loss_has_the_same_loss_and_the_same_update(parts: int) -> None:
    plain, scaled = Squares(), Squares(Scaling())
    losses = [apart.step(each, IMAGES, TARGETS, (0.1,), parts) for each in (plain, scaled)]
    assert losses[0] == losses[1]
    assert plain.moved == scaled.moved
    assert (plain.scaling, scaled.scaling) == (None, Scaling(good=1))
    assert scaled.statistic == parts


@pytest.mark.parametrize("parts", [1, 3])
def test_a_step_whose_gradients_overflow_changes_nothing_but_the_scale(parts: int) -> None:
    trainer = Squares(Scaling(2.0**10), largest=2.0**10)
    losses = [apart.step(trainer, IMAGES, TARGETS, (0.1,), parts) for _ in range(2)]
    assert trainer.moved == []
    assert trainer.statistic == 0
    assert trainer.scaling == Scaling(2.0**8, 0, 2)
    expected, _ = Squares().gradients(IMAGES, TARGETS, 1.0)
    assert losses == pytest.approx([expected] * 2, rel=1e-14)
    while not trainer.moved:
        apart.step(trainer, IMAGES, TARGETS, (0.1,), parts)
    assert trainer.statistic == parts
    assert trainer.scaling.good == 1


class Losing(Squares):
    """Loses a device in its second part."""

    def gradients(
        self, images: NDArray[Any], targets: NDArray[Any], scale: float
    ) -> tuple[float, list[NDArray[Any]]]:
        found = super().gradients(images, targets, scale)
        if len(self.seen) == 2:
            raise LostDeviceError("device 2 of 2")
        return found


def test_a_step_in_which_a_device_is_lost_changes_nothing() -> None:
    trainer = Losing()
    with pytest.raises(LostDeviceError):
        apart.step(trainer, IMAGES, TARGETS, (0.1,), 3)
    assert len(trainer.seen) == 2
    assert (trainer.statistic, trainer.moved) == (0, [])
