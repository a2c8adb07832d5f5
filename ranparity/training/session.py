"""Carries a plan out, from its beginning or from a checkpoint, and writes everything down."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from ranparity import memory
from ranparity.data import digest
from ranparity.errors import InputError, TerminatedError
from ranparity.training import (
    backends,
    environment,
    interrupt,
    precisions,
    probing,
    progress,
    stages,
    starting,
    variables,
)
from ranparity.training.backends import Backend, Trainer
from ranparity.training.checkpoint import Checkpoint
from ranparity.training.directory import SCALARS, WEIGHTS, weights_of
from ranparity.training.interrupt import Stop
from ranparity.training.loop import Loop
from ranparity.training.opening import Warn, check_unchanged, open_record
from ranparity.training.plan import Plan, Segment
from ranparity.training.progress import Progress
from ranparity.training.record import Record
from ranparity.training.scalars import Scalars
from ranparity.training.scaling import Scaling
from ranparity.training.starting import Start
from ranparity.training.update import Update
from ranparity.training.variables import Model, State

Tell = Callable[[str], None]


def _nobody(_: str) -> None:
    pass


def train(plan: Plan, *, quiet: bool, warn: Warn, tell: Tell = _nobody) -> Record:
    """Train as planned, and give the finished record.

    Args:
        plan: What to do.
        quiet: Show no progress.
        warn: Is told of what is odd and no error.
        tell: Is told what has been loaded, where the run starts from a file.

    Raises:
        InputError: The record cannot be written or gone on with, or the loss is no number.
        KeyboardInterrupt: The run has been asked to end; it can be gone on with.
    """
    record = Record(plan.folder)  # before the long part: another process may be writing there
    try:
        check_unchanged(plan)
        _carry_out(plan, record, quiet=quiet, warn=warn, tell=tell)
    finally:
        record.release()
    return record


def _carry_out(plan: Plan, record: Record, *, quiet: bool, warn: Warn, tell: Tell) -> None:
    """Build the first model, open the record, and train."""
    backend, switches = backends.start(
        plan.backend,
        plan.precision,
        many_steps=True,
        device=plan.device,
        tf32=plan.tf32,
        devices=plan.devices,
    )
    probing.check(backend, plan.backend, plan.precision)
    model = starting.network(plan.entry, plan.recipe.stages[0].part, plan.dataset.classes)
    part = {
        "backend": plan.backend,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": environment.describe(plan.backend, backend.device(), switches),
    }
    start, saved = open_record(plan, record, model, part, warn)
    if start and start.line:
        tell(start.line)
    with _closing(record):
        _Session(plan, record, backend, model, start, saved, quiet).run()


class _Session:
    """A process's part in a run."""

    def __init__(
        self,
        plan: Plan,
        record: Record,
        backend: Backend,
        model: Model,
        start: Start | None,
        saved: Checkpoint | None,
        quiet: bool,
    ) -> None:
        self._plan = plan
        self._record = record
        self._backend = backend
        self._model = model
        self._part = plan.recipe.stages[0].part  # that the model is
        self._start = start
        self._saved = saved
        self._quiet = quiet
        self._stop = Stop()
        self._weights: State = {}  # at the end of the stage before
        self._loops: list[Loop] = []

    def run(self) -> None:
        """Train from where the record is to the end, and write down the results."""
        begun, before = time.perf_counter(), _seconds_so_far(self._record)
        segments = self._plan.segments
        names = [segment.stage.name for segment in segments]
        last = self._record.steps[-1].stage if self._record.steps else names[0]
        with interrupt.listening(self._stop, quiet=self._quiet), self._shown() as shown:
            for index in range(names.index(last), len(segments)):
                self._enter(index)
                trainer = self._train(segments[index], shown)
                self._leave(index, trainer)
        self._conclude(trainer, before + time.perf_counter() - begun)

    def _enter(self, index: int) -> None:
        """Make the model that of a stage, with the weights that it starts from or has come to."""
        stage, steps = self._plan.segments[index].stage, self._record.steps
        if stage.part != self._part:
            self._model = starting.network(self._plan.entry, stage.part, self._plan.dataset.classes)
            self._part = stage.part
        if steps and steps[-1].stage == stage.name and self._saved:
            variables.assign(variables.named(self._model), self._saved.weights)
            facts = stages.begun(self._record, index, stage, self._model, self._start)
        else:
            facts = stages.beginning(stage, len(steps) + 1, self._model, self._started(index))
        self._record.begin_stage(index, **facts)

    def _started(self, index: int) -> Start:
        """Give what a stage starts from, which is then in its model."""
        if index == 0:
            assert self._start  # noqa: S101  (a run at its first step has it)
            return self._start
        before = self._plan.segments[index - 1].stage.name
        return starting.later(self._plan, self._model, self._weights, before)

    def _leave(self, index: int, trainer: Trainer) -> None:
        """Write down what has come of a stage; the weights of the last one are the run's."""
        stage, record = self._plan.segments[index].stage, self._record
        self._weights = trainer.weights()
        final = index == len(self._plan.segments) - 1
        size = sum(array.nbytes for array in self._weights.values())
        name = WEIGHTS if final else weights_of(stage.name)
        record.save_weights(trainer.finish().save_weights, size, name)
        record.end_stage(**stages.results(record, stage, self._weights))

    def _train(self, segment: Segment, shown: Progress) -> Trainer:
        """Train a stage from where it is to its end; the model has its weights then."""
        stage, steps = segment.stage, self._record.steps
        update = Update(stage.update, stage.momentum, stage.weight_decay)
        trainer = self._backend.trainer(
            self._model,
            update,
            remat=self._plan.remat,
            accumulate=self._plan.accumulate,
            devices=self._plan.devices,
            scaled=precisions.is_scaled(self._plan.precision),
        )
        done = sum(step.stage == stage.name for step in steps)
        if done and self._saved:
            scaling = self._saved.state.scaling
            trainer.restore(
                self._saved.weights, self._saved.slots, Scaling(**scaling) if scaling else None
            )
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
        self._loops.append(loop)
        if done:
            self._check_data(segment, done)
        loop.run(done, segment.steps)
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
        """Write down the results."""
        record = self._record
        tested = record.epochs[-1]
        record.close(
            "finished",
            **_progress_made(record),
            final_weights_digest=digest.of_named_arrays(self._weights),
            final_slots_digest=digest.of_named_arrays(trainer.slots()),
            test_accuracy=tested.test_accuracy,
            test_top5_accuracy=tested.test_top5_accuracy,
            test_loss=tested.test_loss,
            **_left_out(record),
            stopped_early=len(record.steps) < self._plan.steps,
            seconds=seconds,
            seconds_per_step=statistics.median(step.seconds for step in record.steps),
            seconds_waiting_for_batches=math.fsum(step.seconds_waiting for step in record.steps),
            seconds_in_steps=math.fsum(loop.computing for loop in self._loops),
            seconds_beside_steps=math.fsum(loop.beside for loop in self._loops),
            peak_memory_bytes=memory.peak(),
        )


def _seconds_so_far(record: Record) -> float:
    """Give what the steps and tests took that earlier processes have done."""
    tested = math.fsum(epoch.seconds for epoch in record.epochs)
    after = record.epochs[-1].step if record.epochs else 0
    return tested + math.fsum(step.seconds for step in record.steps[after:])


def _left_out(record: Record) -> dict[str, Any]:
    """Give how many steps were left out; nothing where the loss is not scaled."""
    if all(step.loss_scale is None for step in record.steps):
        return {}
    return {"skipped_steps": sum(bool(step.skipped) for step in record.steps)}


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
