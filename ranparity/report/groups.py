"""Trainings sorted by what they train, so that what can be compared stands together.

A twin of a run begins with other weights on purpose, so it is none of those that should be equal:
it is kept apart, and `ranparity compare` holds runs against it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ranparity.report.logs import Step, same_steps
from ranparity.report.records import Evidence
from ranparity.report.runs import FailedRun, FinishedRun, Run, Task
from ranparity.report.words import count

NAME_LENGTH = 100
FIRST = "digits"  # the data that come before others


@dataclass(frozen=True)
class Group:
    """Runs of one task, which can be compared.

    Attributes:
        task: What they train; None where only failed runs speak of it.
        finished: Those with a result.
        failed: Those without.
        twins: Those with a result that are twins of such runs.
    """

    task: Task | None
    finished: tuple[FinishedRun, ...]
    failed: tuple[FailedRun, ...]
    twins: tuple[FinishedRun, ...] = ()

    @property
    def title(self) -> str:
        """What is trained, in words."""
        if self.task is None:
            known = (f"{run.model} on {run.data}" for run in self.failed if run.model and run.data)
            return next(known, "Training")
        task = self.task
        return f"{task.model} on {data_in_words(task)}, {task.how}"

    @property
    def name(self) -> str:
        """A name for its files, whatever its records call themselves."""
        if self.task is None:
            return "failed"
        words = f"{self.task.model}-{self.task.data}-seed{self.task.seed}"
        return re.sub(r"[^A-Za-z0-9]+", "-", words).strip("-")[:NAME_LENGTH]

    @property
    def runs(self) -> tuple[Run, ...]:
        """All that stand beside each other."""
        return (*self.finished, *self.failed)

    def label(self, run: Run) -> str:
        """A run's backend, with its folder's name where the backend does not tell it apart."""
        label = _backend(run)
        if not label:
            return run.id
        alike = [other for other in (*self.runs, *self.twins) if _backend(other) == label]
        return label if len(alike) == 1 else f"{label} ({run.id})"

    def same_steps(self) -> list[tuple[Step, ...]]:
        """The steps that all finished runs made, in order: for each, that of every run."""
        return same_steps(run.steps for run in self.finished)


def data_in_words(task: Task) -> str:
    """What is trained on: `digits`, `folder:birds`, `5,085 + 1,017 records of cifar10, partial`."""
    if task.partial:
        return f"{count(task.train)} + {count(task.test)} records of {task.data}, partial"
    return task.source if task.data == "folder" else task.data


def _backend(run: Run) -> str:
    """What trained; a run that moved from one backend to another names both, a twin its number."""
    name = " then ".join(run.backends) if isinstance(run, FinishedRun) else run.backend
    return f"{name} twin {run.twin}" if name and run.twin else name


def groups(evidence: Evidence) -> list[Group]:
    """Sorts runs by task, digits first.

    A failed run that does not say all of what it was to do goes with the first task of its model
    and data.
    """
    runs: list[Run] = [*evidence.finished, *evidence.failed]
    known = {run.task for run in runs if run.task}
    homes: dict[Task | None, list[FailedRun]] = {task: [] for task in sorted(known, key=_order)}
    for run in evidence.failed:
        homes.setdefault(run.task or _likely(run, list(homes)), []).append(run)
    return [_group(task, evidence.finished, failed) for task, failed in homes.items()]


def _group(task: Task | None, finished: Sequence[FinishedRun], failed: list[FailedRun]) -> Group:
    mine = [run for run in finished if run.task == task]
    runs, twins = ([run for run in mine if bool(run.twin) == is_twin] for is_twin in (False, True))
    return Group(task, tuple(runs), tuple(failed), tuple(twins))


def _order(task: Task) -> tuple[Any, ...]:
    what = (task.data != FIRST, task.data, task.model, task.recipe_name, task.seed, task.precision)
    return (*what, task.source, task.partial, task.train, task.test, task.recipe, task.parts)


def _likely(run: FailedRun, tasks: Sequence[Task | None]) -> Task | None:
    """The first task that a failed run may be of."""
    for task in tasks:
        if task and run.model in ("", task.model) and run.data in ("", task.data):
            return task
    return None


def named(found: Sequence[Group]) -> Iterator[tuple[str, Group]]:
    """Gives each group a name of its own for its files."""
    seen: Counter[str] = Counter()
    for group in found:
        seen[group.name] += 1
        yield group.name + (f"-{seen[group.name]}" if seen[group.name] > 1 else ""), group
