"""The loop of a stage, written once for every backend."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ranparity.data.batches import Batch, Batches, held_out
from ranparity.data.dataset import Images, Labels
from ranparity.data.prefetch import Prefetch
from ranparity.errors import InputError, LostDeviceError
from ranparity.training import evaluation
from ranparity.training.backends import Trainer
from ranparity.training.interrupt import Stop
from ranparity.training.logs import Epoch, Step
from ranparity.training.progress import Progress
from ranparity.training.recipe import Stage
from ranparity.training.record import Record
from ranparity.training.scaling import Scaling
from ranparity.training.update import Update

CHECKPOINT_SECONDS = 300.0  # at most so much work is lost, and a step longer


@dataclass
class Loop:
    """A stage's parts; steps count from 0 within the stage, and from 1 in what is written.

    Attributes:
        trainer: The model on its backend.
        update: The update rule, which gives each step's numbers.
        batches: What each step sees.
        stage: How to train.
        offset: Steps of the run before this stage.
        record: Where everything is written down.
        progress: Where everything is shown.
        stop: Whether the run has been asked to end.
        checkpoint_every: Steps from one checkpoint to the next; None is by time alone.
        computing: Seconds that the trainer has spent on steps.
        beside: Seconds that all else of them has taken: batches, records, progress; without tests
            and checkpoints.
    """

    trainer: Trainer
    update: Update
    batches: Batches
    stage: Stage
    offset: int
    record: Record
    progress: Progress
    stop: Stop
    checkpoint_every: int | None = None
    computing: float = field(default=0.0, init=False)
    beside: float = field(default=0.0, init=False)
    _saved: float = field(default_factory=time.monotonic, init=False)

    def run(self, first: int, last: int) -> None:
        """Train from one step up to another; test after each epoch, and at the end.

        Args:
            first: Steps of the stage that are done.
            last: Its number of steps.

        Raises:
            InputError: The loss is no longer a number.
            KeyboardInterrupt: The run has been asked to end; a checkpoint has been written.
        """
        with Prefetch(self._drawn, range(first, last)) as ahead:
            done = first
            while not self._ended(done, last):
                self._step(done, ahead)
                done += 1
                self._save_if_due(done)

    def _ended(self, done: int, last: int) -> bool:
        """Test if a test is due; say whether the stage is at its end."""
        self._test_if_due(done, last)
        return done >= last or self._impatient()

    def _drawn(self, position: int) -> Batch:
        """Draw a batch and its digest: both in the background."""
        batch = self.batches.at(position)
        _ = batch.digest
        return batch

    def _step(self, position: int, ahead: Prefetch[Batch]) -> None:
        begun = time.perf_counter()
        before = ahead.waited
        batch = next(ahead)
        rate, scaling = self.stage.rate(position), self.trainer.scaling
        taken = position - (scaling.skipped if scaling else 0)  # since the slots were zeros
        scalars, started = self.update.scalars(taken, rate), time.perf_counter()
        loss = self._computed(batch, scalars, position)
        computing = time.perf_counter() - started
        step = Step(
            step=self.offset + position + 1,
            stage=self.stage.name,
            epoch=position // self.batches.steps_per_epoch + 1,
            loss=loss,
            learning_rate=rate,
            batch_digest=batch.digest,
            seconds=time.perf_counter() - begun,
            seconds_waiting=ahead.waited - before,
            **_scaled(scaling, self.trainer.scaling),
        )
        _check(loss, f"step {step.step}: the loss")
        self.record.add_step(step)
        self.progress.step(step)
        self.computing += computing
        self.beside += time.perf_counter() - begun - computing

    def _computed(self, batch: Batch, scalars: Sequence[float], position: int) -> float:
        """Take the step; where a device has been lost in it, keep what there was before."""
        try:
            return self.trainer.step(batch.images, batch.targets, scalars)
        except LostDeviceError:
            if position:  # else nothing of this stage is lost
                self._save()
            raise

    def _test_if_due(self, done: int, last: int) -> None:
        """Test after a whole epoch and at the end, unless it has been done already."""
        of_run = self.offset + done
        due = done > 0 and (done % self.batches.steps_per_epoch == 0 or done == last)
        if due and not any(epoch.step == of_run for epoch in self.record.epochs):
            self._test(of_run)
            self._save()

    def _test(self, of_run: int) -> None:
        begun = time.perf_counter()
        number = self.record.steps[-1].epoch
        steps = [
            step
            for step in self.record.steps[-self.batches.steps_per_epoch :]
            if (step.stage, step.epoch) == (self.stage.name, number)
        ]
        scores = evaluation.scores(self.trainer, self._held_out(), self.batches.batch_size)
        _check(scores.loss, f"test after step {of_run}: the loss")
        epoch = Epoch(
            stage=self.stage.name,
            epoch=number,
            step=of_run,
            train_loss=math.fsum(step.loss for step in steps) / len(steps),
            test_loss=scores.loss,
            test_accuracy=scores.top1,
            test_top5_accuracy=scores.top5,
            seconds=math.fsum(step.seconds for step in steps) + time.perf_counter() - begun,
        )
        self.record.add_epoch(epoch)
        self.progress.epoch(epoch)

    def _held_out(self) -> Iterator[tuple[Images, Labels]]:
        """Give the held-out images, unless the run has been asked to end."""
        batches = self.batches
        for part in held_out(batches.dataset, batches.normalisation, batches.batch_size):
            if self.stop.asked:
                self._save()
                self.stop.heed()
            yield part

    def _impatient(self) -> bool:
        """Whether the best test accuracy is as many epochs ago as the stage has patience for."""
        found = [
            epoch.test_accuracy for epoch in self.record.epochs if epoch.stage == self.stage.name
        ]
        if self.stage.patience is None or not found:
            return False
        return len(found) - 1 - found.index(max(found)) >= self.stage.patience

    def _save_if_due(self, done: int) -> None:
        """Write a checkpoint after so many steps or seconds, and when the run is to end."""
        by_steps = self.checkpoint_every and done % self.checkpoint_every == 0
        by_time = time.monotonic() - self._saved > CHECKPOINT_SECONDS
        if by_steps or by_time or self.stop.asked:
            self._save()
        self.stop.heed()

    def _save(self) -> None:
        scaling = self.trainer.scaling
        told = scaling.to_json() if scaling else None
        self.record.add_checkpoint(self.trainer.weights(), self.trainer.slots(), told)
        self._saved = time.monotonic()


def _scaled(before: Scaling | None, after: Scaling | None) -> dict[str, Any]:
    """Give what a step's line says of the scale of its loss; nothing where it is not scaled."""
    if before is None or after is None:
        return {}
    return {"loss_scale": before.scale, "skipped": after.skipped > before.skipped}


def _check(loss: float, where: str) -> None:
    """Raise `InputError` unless a loss is a number."""
    if not math.isfinite(loss):
        raise InputError(f"{where} is {loss}: lower --learning-rate")
