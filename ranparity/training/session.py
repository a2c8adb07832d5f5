"""Carries a plan out, from its beginning or from a checkpoint, and writes everything down."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from ranparity.data import digest
from ranparity.errors import InputError, TerminatedError
from ranparity.training import backends, environment, interrupt, progress, variables
from ranparity.training.backends import Backend, Trainer
from ranparity.training.checkpoint import Checkpoint
from ranparity.training.directory import SCALARS
from ranparity.training.interrupt import Stop
from ranparity.training.loop import Loop
from ranparity.training.opening import Warn, check_unchanged, open_record
from ranparity.training.plan import Plan, Segment
from ranparity.training.progress import Progress
from ranparity.training.record import Record
from ranparity.training.scalars import Scalars
from ranparity.training.update import Update
from ranparity.training.variables import Model


def train(plan: Plan, *, quiet: bool, warn: Warn) -> Record:
    """Train as planned, and give the finished record.

    Args:
        plan: What to do.
        quiet: Show no progress.
        warn: Is told of what is odd and no error.

    Raises:
        InputError: The record cannot be written or gone on with, or the loss is no number.
        KeyboardInterrupt: The run has been asked to end; it can be gone on with.
    """
    record = Record(plan.folder)  # before the long part: another process may be writing there
    try:
        check_unchanged(plan)
        _carry_out(plan, record, quiet=quiet, warn=warn)
    finally:
        record.release()
    return record


def _carry_out(plan: Plan, record: Record, *, quiet: bool, warn: Warn) -> None:
    """Build the model, open the record, and train."""
    backend, switches = backends.start(plan.backend, plan.precision)
    model = plan.entry.build(
        input_shape=plan.entry.input_shape,
        classes=plan.dataset.classes,
        classifier_activation=None,
        data_format="channels_last",
    )
    initial = variables.initialise(model, plan.tape)
    part = {
        "backend": plan.backend,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": environment.describe(plan.backend, backend.device(), switches),
    }
    saved = open_record(plan, record, digest.of_named_arrays(initial), part, warn)
    if saved:
        variables.assign(variables.named(model), saved.weights)
    with _closing(record):
        _Session(plan, record, backend, model, saved, quiet).run()


class _Session:
    """A process's part in a run."""

    def __init__(
        self,
        plan: Plan,
        record: Record,
        backend: Backend,
        model: Model,
        saved: Checkpoint | None,
        quiet: bool,
    ) -> None:
        self._plan = plan
        self._record = record
        self._backend = backend
        self._model = model
        self._saved = saved
        self._quiet = quiet
        self._stop = Stop()

    def run(self) -> None:
        """Train from where the record is to the end, and write down the results."""
        begun, before = time.perf_counter(), _seconds_so_far(self._record)
        stages = [segment.stage.name for segment in self._plan.segments]
        last = self._record.steps[-1].stage if self._record.steps else stages[0]
        with interrupt.listening(self._stop, quiet=self._quiet), self._shown() as shown:
            for segment in self._plan.segments[stages.index(last) :]:
                trainer = self._train(segment, shown)
        self._conclude(trainer, before + time.perf_counter() - begun)

    def _train(self, segment: Segment, shown: Progress) -> Trainer:
        """Train a stage from where it is to its end; the model has its weights then."""
        stage, steps = segment.stage, self._record.steps
        update = Update(stage.update, stage.momentum, stage.weight_decay)
        trainer = self._backend.trainer(self._model, update)
        done = sum(step.stage == stage.name for step in steps)
        if done and self._saved:
            trainer.restore(self._saved.weights, self._saved.slots)
        loop = Loop(
            trainer=trainer,
            update=update,
            batches=segment.batches,
            stage=stage,
            offset=len(steps) - done,
            record=self._record,
            progress=shown,
            stop=self._stop,
            checkpoint_every=self._plan.checkpoint_every,
        )
        if done:
            self._check_data(segment, done)
        loop.run(done, segment.steps)
        trainer.finish()
        return trainer

    def _check_data(self, segment: Segment, done: int) -> None:
        """Raise unless the last batch is what it was: the images, their decoder, the tape."""
        last = self._record.steps[-1]
        if (found := segment.batches.at(done - 1).digest) != last.batch_digest:
            raise InputError(
                f"{self._plan.folder}: expected the batch {last.batch_digest[:12]} for step "
                f"{last.step}, and the data give {found[:12]}: they, or what decodes them, have "
                "changed, and the run cannot go on"
            )

    def _shown(self) -> Progress:
        record = self._record
        shown = progress.show(self._plan.steps, len(record.steps), quiet=self._quiet)
        folder = record.folder / SCALARS
        if not (self._plan.tensorboard or folder.is_dir()):
            return shown
        return progress.Several(shown, Scalars(folder, record.steps, record.epochs))

    def _conclude(self, trainer: Trainer, seconds: float) -> None:
        """Write down the weights and the results."""
        record = self._record
        weights = trainer.weights()
        size = sum(array.nbytes for array in weights.values())
        record.save_weights(trainer.finish().save_weights, size)
        tested = record.epochs[-1]
        record.close(
            "finished",
            **_progress_made(record),
            final_weights_digest=digest.of_named_arrays(weights),
            final_slots_digest=digest.of_named_arrays(trainer.slots()),
            test_accuracy=tested.test_accuracy,
            test_top5_accuracy=tested.test_top5_accuracy,
            test_loss=tested.test_loss,
            stopped_early=len(record.steps) < self._plan.steps,
            seconds=seconds,
            seconds_per_step=statistics.median(step.seconds for step in record.steps),
            seconds_waiting_for_batches=math.fsum(step.seconds_waiting for step in record.steps),
            peak_memory_bytes=environment.peak_memory(),
        )


def _seconds_so_far(record: Record) -> float:
    """Give what the steps and tests took that earlier processes have done."""
    tested = math.fsum(epoch.seconds for epoch in record.epochs)
    after = record.epochs[-1].step if record.epochs else 0
    return tested + math.fsum(step.seconds for step in record.steps[after:])


def _progress_made(record: Record) -> dict[str, Any]:
    """Give the number of steps done, and the digest of all that they drew from the tape."""
    drawn = [record.run["initial_weights_digest"], *(step.batch_digest for step in record.steps)]
    return {"steps": len(record.steps), "tape_digest": digest.of_texts(drawn)}


@contextmanager
def _closing(record: Record) -> Iterator[None]:
    """Write down how a run ended that did not end well."""
    try:
        yield
    except TerminatedError:
        record.close("terminated", **_progress_made(record))
        raise
    except KeyboardInterrupt:
        record.close("interrupted", **_progress_made(record))
        raise
    except Exception as error:
        record.close("failed", **_progress_made(record), reason=f"{type(error).__name__}: {error}")
        raise
