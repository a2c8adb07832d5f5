"""Where runs part: the first step that differs, and the first that no twin explains."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ranparity.report.comparison import first_other_batch
from ranparity.report.given import Given
from ranparity.report.groups import Group
from ranparity.report.logs import Step, same_steps
from ranparity.report.runs import FinishedRun
from ranparity.training import twins


@dataclass(frozen=True)
class Parting:
    """How far runs part, and how far their twins have parted from them; steps count from 1.

    Attributes:
        one: The first of them.
        distances: Between their losses, the largest of each step that all of them made.
        off: The distances of each of their twins from its run.
    """

    one: FinishedRun
    distances: tuple[float, ...]
    off: tuple[tuple[float, ...], ...]

    @property
    def steps(self) -> int:
        """How many steps all made, up to where one is in another stage."""
        return len(self.distances)

    @cached_property
    def allowed(self) -> list[float]:
        """How far the twins have been from their runs so far; empty without twins.

        Not less than can be told from nothing. A twin that stopped early counts for as long as it
        went.
        """
        if not self.off or not self.distances:
            return []
        curves = np.zeros((len(self.off), self.steps))
        for row, twin in zip(curves, self.off, strict=True):
            row[: len(twin)] = twin[: self.steps]
        losses = [step.loss for step in self.one.steps[: self.steps]]
        return twins.so_far([*curves, twins.resolution(losses, self.one.task.precision)])

    @property
    def ratio(self) -> float:
        """The largest of the distances over what the twins allow without the factor."""
        return max(twins.ratios(self.distances, self.allowed), default=0.0)

    @property
    def beyond(self) -> int | None:
        """The first step at which the losses are further apart than the twins allow."""
        place = twins.first_beyond(self.distances, self.allowed)
        return None if place is None else place + 1


@dataclass(frozen=True)
class Pair(Parting):
    """Two runs beside each other; steps count from 1.

    Attributes:
        other: The second of them.
        other_batch: The first step whose batches are not the same bytes; None if none.
        other_loss: The first step whose losses are not the same bits; None if none.
    """

    other: FinishedRun
    other_batch: int | None
    other_loss: int | None

    @property
    def same_start(self) -> bool:
        """Whether they begin with the same weights."""
        return self.one.initial_weights_digest == self.other.initial_weights_digest

    @property
    def same_end(self) -> bool:
        """Whether they end with the same weights."""
        return self.one.final_weights_digest == self.other.final_weights_digest

    @property
    def same_slots(self) -> bool:
        """Whether they end with the same optimizer slots."""
        return self.one.final_slots_digest == self.other.final_slots_digest


def of_group(group: Group) -> Parting:
    """Holds all finished runs of a task against one another and against the twins of each.

    A twin is of the run on its backend; where there are several, of the one nearest to it.
    """
    rows = [[step.loss for step in row] for row in group.same_steps()]
    off = []
    for twin in group.twins:
        own = [run for run in group.finished if run.backends == twin.backends]
        off += sorted((_distances(run, twin) for run in own), key=sum)[:1]
    return Parting(group.finished[0], tuple(max(row) - min(row) for row in rows), tuple(off))


def pairs(given: Given) -> tuple[Pair, ...]:
    """Holds each two runs against each other and against the twins of both."""
    return tuple(
        pair(one, other, given.twins_of(one), given.twins_of(other))
        for one, other in itertools.combinations(given.runs, 2)
    )


def pair(
    one: FinishedRun,
    other: FinishedRun,
    twins_of_one: Sequence[FinishedRun] = (),
    twins_of_other: Sequence[FinishedRun] = (),
) -> Pair:
    """Holds two runs against each other and against the twins of both."""
    held = [(one, twin) for twin in twins_of_one] + [(other, twin) for twin in twins_of_other]
    return Pair(
        one,
        _distances(one, other),
        tuple(_distances(run, twin) for run, twin in held),
        other,
        first_other_batch(Group(None, (one, other), ())),
        _first(same_steps((one.steps, other.steps)), lambda step: step.loss.hex()),
    )


def _distances(one: FinishedRun, other: FinishedRun) -> tuple[float, ...]:
    return tuple(abs(a.loss - b.loss) for a, b in same_steps((one.steps, other.steps)))


def _first(rows: Iterable[tuple[Step, ...]], of: Callable[[Step], str]) -> int | None:
    """The first step at which something is not the same in all runs."""
    for place, alike in enumerate(rows, start=1):
        if len({of(step) for step in alike}) > 1:
            return place
    return None
