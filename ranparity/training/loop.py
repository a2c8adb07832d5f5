"""The loop of a run, written once for every backend."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranparity.data.batches import Batches
from ranparity.data.dataset import Images, Labels
from ranparity.errors import InputError
from ranparity.training.backends import Trainer
from ranparity.training.progress import Progress
from ranparity.training.recipe import Recipe
from ranparity.training.record import Epoch, Record, Step


@dataclass(frozen=True)
class Loop:
    """A run's parts.

    Attributes:
        trainer: The model on its backend.
        batches: What each step sees.
        recipe: Its rate of each step and its number of epochs.
        record: Where everything is written down.
        progress: Where everything is shown.
    """

    trainer: Trainer
    batches: Batches
    recipe: Recipe
    record: Record
    progress: Progress

    def run(self, steps: int) -> None:
        """Train for a number of steps; after each epoch, and at the end, test.

        Raises:
            InputError: The loss is no longer a number.
        """
        per_epoch = self.batches.steps_per_epoch
        for start in range(0, steps, per_epoch):
            self._epoch(range(start, min(start + per_epoch, steps)))

    def _epoch(self, steps: range) -> None:
        begun = time.perf_counter()
        done = [self._step(index) for index in steps]
        dataset = self.batches.dataset
        loss, accuracy = evaluate(
            self.trainer, dataset.test_images, dataset.test_labels, self.batches.batch_size
        )
        epoch = Epoch(
            epoch=done[0].epoch,
            train_loss=math.fsum(step.loss for step in done) / len(done),
            test_loss=loss,
            test_accuracy=accuracy,
            seconds=time.perf_counter() - begun,
        )
        self.record.add_epochs(epoch)
        self.progress.epoch(epoch)

    def _step(self, index: int) -> Step:
        """Take one step, counted from 0; what is written counts from 1."""
        begun = time.perf_counter()
        batch = self.batches.at(index)
        rate = self.recipe.rate(index)
        loss = self.trainer.step(batch.images, batch.labels, rate)
        step = Step(
            step=index + 1,
            epoch=index // self.batches.steps_per_epoch + 1,
            loss=loss,
            learning_rate=rate,
            batch_digest=batch.digest,
            seconds=time.perf_counter() - begun,
        )
        if not math.isfinite(loss):
            raise InputError(f"step {step.step}: the loss is {loss}: lower --learning-rate")
        self.record.add_step(step)
        self.progress.step(step)
        return step


def evaluate(
    trainer: Trainer, images: Images, labels: Labels, batch_size: int
) -> tuple[float, float]:
    """Give the mean loss and the top-1 accuracy, from logits in inference mode, in float64.

    Args:
        trainer: The model.
        images: NHWC.
        labels: Classes, shape (N,).
        batch_size: Images at a time.
    """
    outputs = logits(trainer, images, batch_size)
    correct = np.argmax(outputs, axis=1) == labels
    return cross_entropy(outputs, labels), float(correct.mean())


def logits(trainer: Trainer, images: Images, batch_size: int) -> NDArray[np.float64]:
    """Give a model's outputs for any number of images (NHWC), shape (N, classes).

    The last batch is filled up with zeros, so that a compiled backend sees one shape only.
    """
    outputs = []
    for start in range(0, len(images), batch_size):
        part = images[start : start + batch_size]
        filled = np.zeros((batch_size, *images.shape[1:]), images.dtype)
        filled[: len(part)] = part
        outputs.append(trainer.logits(filled)[: len(part)])
    return np.concatenate(outputs).astype(np.float64)


def cross_entropy(outputs: NDArray[np.float64], labels: Labels) -> float:
    """Give the mean softmax cross-entropy.

    Args:
        outputs: Logits, shape (N, classes).
        labels: Classes, shape (N,).
    """
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    normaliser = np.log(np.exp(shifted).sum(axis=1))
    chosen = np.take_along_axis(shifted, labels[:, np.newaxis], axis=1)[:, 0]
    return float((normaliser - chosen).mean())
