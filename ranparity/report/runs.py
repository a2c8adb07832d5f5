"""What the report knows of one training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ranparity.report.logs import Epoch, Step


@dataclass(frozen=True)
class Task:
    """What is trained and how: runs of one task can be compared, whatever their backend.

    Attributes:
        model: The network's name.
        data: The data's name.
        source: What the data were asked for as.
        partial: Whether the data are fewer or others than those of that name.
        train: Number of images for training.
        test: Number of images for testing.
        recipe_name: What the recipe is called.
        recipe: The whole recipe, as JSON with sorted keys.
        seed: Of all randomness.
        precision: Of the weights and of all arithmetic.
        start: The weights that it starts from, in words; empty where they are the tape's.
        parts: Into how many each step divides its batch, batch statistics being those of a part.
    """

    model: str
    data: str
    source: str
    partial: bool
    train: int
    test: int
    recipe_name: str
    recipe: str
    seed: int
    precision: str
    start: str = ""
    parts: int = 1

    @property
    def how(self) -> str:
        """How it is trained, in words."""
        divided = f", batches in {self.parts} parts" if self.parts > 1 else ""
        return f"recipe {self.recipe_name}, seed {self.seed}, {self.precision}{divided}"


@dataclass(frozen=True)
class Part:
    """What one process did of a run: it began with a step, counted from 1, on a backend."""

    first_step: int
    backend: str
    environment: Mapping[str, Any] | None


@dataclass(frozen=True)
class FinishedRun:
    """A training that ended well.

    Attributes:
        id: The name of its folder.
        path: Its run.json, relative to the reports folder.
        backend: What trained, at the end.
        parts: What each process did, in order.
        task: What was trained.
        data_digest: Of all images and labels.
        initial_weights_digest: Of the weights at the start.
        tape_digest: Of all that the run drew.
        final_weights_digest: Of the weights at the end.
        final_slots_digest: Of the optimizer's slots at the end.
        steps: In order, the first is step 1.
        epochs: In order, of all stages.
        test_accuracy: At the end, in [0, 1].
        test_top5_accuracy: At the end, in [0, 1].
        test_loss: At the end.
        stopped_early: Whether a stage ran out of patience before its end.
        seconds: What the training took.
        seconds_per_step: The median step's.
        seconds_waiting: What steps waited for their batches.
        beside_steps: What the loop of the last process took beside its steps, as a part of them, if
            that is recorded.
        peak_memory: The most memory that the last process had, in bytes, if that is known.
        environment: What it ran on, if that is recorded.
        planned_steps: What it was to make if no stage ran out of patience, if that is recorded.
        remat: Whether steps computed parts of the net twice.
        twin: Which twin of a run of this task it is, from 1; 0 is no twin.
    """

    id: str
    path: str
    backend: str
    parts: tuple[Part, ...]
    task: Task
    data_digest: str
    initial_weights_digest: str
    tape_digest: str
    final_weights_digest: str
    final_slots_digest: str
    steps: tuple[Step, ...]
    epochs: tuple[Epoch, ...]
    test_accuracy: float
    test_top5_accuracy: float
    test_loss: float
    stopped_early: bool
    seconds: float
    seconds_per_step: float
    seconds_waiting: float
    beside_steps: float | None
    peak_memory: int | None
    environment: Mapping[str, Any] | None
    planned_steps: int | None = None
    remat: bool = False
    twin: int = 0

    @property
    def spans(self) -> tuple[tuple[int, int, str], ...]:
        """First step, last step and backend of each part, of those whose steps have lasted.

        A part that went back to a checkpoint did the steps after it again.
        """
        found, last = [], len(self.steps)
        for part in reversed(self.parts):
            if part.first_step <= last:
                found.append((part.first_step, last, part.backend))
                last = part.first_step - 1
        return tuple(reversed(found))

    @property
    def backends(self) -> tuple[str, ...]:
        """What trained, in order, each once."""
        return tuple(dict.fromkeys(backend for _, _, backend in self.spans)) or (self.backend,)


@dataclass(frozen=True)
class FailedRun:
    """A training that did not end well, or whose record is damaged.

    Attributes:
        id: The name of its folder.
        path: Its run.json, relative to the reports folder.
        reason: Why there is no result.
        backend: What was to train, as far as the record says; as the next three.
        model: What was to be trained.
        data: On what.
        task: All of what was to be done.
        twin: Which twin of a run of this task it was to be, from 1; 0 is no twin.
    """

    id: str
    path: str
    reason: str
    backend: str = ""
    model: str = ""
    data: str = ""
    task: Task | None = None
    twin: int = 0


Run = FinishedRun | FailedRun
