"""Writes a run's numbers where TensorBoard reads them.

tensorboardX is used because it needs none of the frameworks: a run on JAX has neither PyTorch nor
TensorFlow beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ranparity.training.progress import Quiet
from ranparity.training.record import Epoch, Step


class Scalars(Quiet):
    """Loss and learning rate of each step, loss and accuracies of each test.

    Args:
        folder: Where the event files go.
        done: Steps that the run has gone back to; TensorBoard drops what it has after them.
    """

    def __init__(self, folder: Path, done: int = 0) -> None:
        from tensorboardX import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder), purge_step=done + 1)

    def __exit__(self, *_: object) -> None:
        """Write what is left."""
        self._writer.close()

    def step(self, step: Step) -> None:
        """Write a step's numbers."""
        self._writer.add_scalar("train/loss", step.loss, step.step)
        self._writer.add_scalar("train/learning_rate", step.learning_rate, step.step)

    def epoch(self, epoch: Epoch) -> None:
        """Write a test's numbers."""
        for name, value in (
            ("train/epoch_loss", epoch.train_loss),
            ("test/loss", epoch.test_loss),
            ("test/accuracy", epoch.test_accuracy),
            ("test/top5_accuracy", epoch.test_top5_accuracy),
        ):
            self._writer.add_scalar(name, value, epoch.step)
