"""Writes a run's numbers where TensorBoard reads them.

tensorboardX is used because it needs none of the frameworks: a run on JAX has neither PyTorch nor
TensorFlow beside it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ranparity.training.logs import Epoch, Step
from ranparity.training.progress import Quiet


class Scalars(Quiet):
    """Loss and learning rate of each step, loss and accuracies of each test.

    A run that goes on writes all of it again: a process that was killed had not written its last.

    Args:
        folder: Where the event files go; what is there goes.
        steps: The steps so far.
        epochs: The epochs so far.
    """

    def __init__(
        self, folder: Path, steps: Iterable[Step] = (), epochs: Iterable[Epoch] = ()
    ) -> None:
        from tensorboardX import SummaryWriter

        shutil.rmtree(folder, ignore_errors=True)
        self._writer: Any = SummaryWriter(str(folder))
        for step in steps:
            self.step(step)
        for epoch in epochs:
            self.epoch(epoch)

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
