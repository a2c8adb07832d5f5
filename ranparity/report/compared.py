"""What comes of comparing runs that a user names: what is the same, and what differs first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ranparity.parity.ladder.rounding import in_json
from ranparity.report import settings
from ranparity.report.document import Text, code, plain, text
from ranparity.report.given import Given
from ranparity.report.groups import Group
from ranparity.report.parting import Pair, pairs
from ranparity.report.runs import FinishedRun
from ranparity.report.settings import MISSING, Difference
from ranparity.report.words import listed
from ranparity.training.twins import FACTOR

NAMED = 6  # differences that a line names; the table has all


@dataclass(frozen=True)
class Compared:
    """Runs beside each other.

    Attributes:
        given: The runs and their twins.
        recipe: What they were asked to do differently.
        environment: What is different where they ran.
        pairs: Each two of them.
    """

    given: Given
    recipe: tuple[Difference, ...]
    environment: tuple[Difference, ...]
    pairs: tuple[Pair, ...]

    @cached_property
    def group(self) -> Group:
        """The runs as those of one task, which they are where their recipes are the same."""
        runs = self.given.runs
        task = None if self.recipe else runs[0].task
        return Group(task, runs, (), self.given.twins)

    def label(self, run: FinishedRun) -> str:
        """What a run or a twin is called."""
        return self.group.label(run)

    @property
    def labels(self) -> list[str]:
        """What the runs are called."""
        return [self.label(run) for run in self.given.runs]

    def names(self, pair: Pair) -> str:
        """What a pair is called."""
        return f"{self.label(pair.one)} and {self.label(pair.other)}"

    @property
    def judged(self) -> tuple[Pair, ...]:
        """The pairs that have twins and steps to be held against."""
        return tuple(pair for pair in self.pairs if pair.allowed)

    def problems(self) -> Iterator[Text]:
        """Says what is not the same and should be, and which losses part beyond the twins."""
        if self.recipe:
            yield text("the recipe or the data are not the same: ", _names(self.recipe))
        for pair in self.pairs:
            between = (code(self.label(pair.one)), " and ", code(self.label(pair.other)), ": ")
            for fault in _faults(pair):
                yield text(*between, fault)

    def other_places(self) -> Iterator[tuple[FinishedRun, FinishedRun, list[str]]]:
        """Gives twins that ran elsewhere than their runs: twin, run, and what differs."""
        for twin in self.given.twins:
            for run in self.given.runs_of[twin.id]:
                places = [settings.environment(each) for each in (run, twin)]
                if found := settings.differences(places):
                    yield twin, run, [row.name for row in found]


def compare(given: Given) -> Compared:
    """Compares runs."""
    return Compared(
        given,
        settings.differences([settings.recipe(run) for run in given.runs]),
        settings.differences([settings.environment(run) for run in given.runs]),
        pairs(given),
    )


def _names(rows: tuple[Difference, ...]) -> str:
    """The names of differences, the first of them where they are many."""
    names = [row.name for row in rows]
    more = f"{len(names) - NAMED} more"
    return listed(names if len(names) <= NAMED else [*names[:NAMED], more])


def _faults(pair: Pair) -> Iterator[str]:
    if not pair.same_start:
        yield "the initial weights are not equal"
    if pair.other_batch is not None:
        yield f"the batches first differ at step {pair.other_batch}"
    if not pair.steps:
        yield "no step is of the same stage in both"
    if pair.beyond is not None:
        yield f"the losses first part beyond the twins at step {pair.beyond}"


# For programs.


def to_json(found: Compared) -> dict[str, Any]:
    """All of it as data that JSON can hold."""
    return {
        "verdict": "differs" if list(found.problems()) else "same",
        "problems": [plain(line) for line in found.problems()],
        "runs": [_run(found, run) for run in found.given.runs],
        "twins": [
            {
                **_run(found, twin),
                "twin": twin.twin,
                "of": [found.label(run) for run in found.given.runs_of[twin.id]],
            }
            for twin in found.given.twins
        ],
        "recipe": _differences(found, found.recipe),
        "environment": _differences(found, found.environment),
        "pairs": [_pair(found, pair) for pair in found.pairs],
    }


def _run(found: Compared, run: FinishedRun) -> dict[str, Any]:
    return {
        "label": found.label(run),
        "folder": str(found.given.folders[run.id]),
        "settings": settings.recipe(run),
        "environment": settings.environment(run),
        "initial_weights_digest": run.initial_weights_digest,
        "tape_digest": run.tape_digest,
        "final_weights_digest": run.final_weights_digest,
        "final_slots_digest": run.final_slots_digest,
        "steps": len(run.steps),
        "stopped_early": run.stopped_early,
        "test_accuracy": run.test_accuracy,
        "test_top5_accuracy": run.test_top5_accuracy,
        "test_loss": run.test_loss,
        "seconds": run.seconds,
        "seconds_per_step": run.seconds_per_step,
        "seconds_of_first_step": run.steps[0].seconds if run.steps else None,
        "seconds_waiting_for_batches": run.seconds_waiting,
        "beside_steps": run.beside_steps,
        "peak_memory_bytes": run.peak_memory,
        "losses": [step.loss for step in run.steps],
    }


def _differences(found: Compared, rows: tuple[Difference, ...]) -> dict[str, Any]:
    """Differences by name; a run whose record does not say one is left out of it."""
    return {
        "same": not rows,
        "differences": [
            {
                "name": row.name,
                "values": {
                    label: value
                    for label, value in zip(found.labels, row.values, strict=True)
                    if value is not MISSING
                },
            }
            for row in rows
        ],
    }


def _pair(found: Compared, pair: Pair) -> dict[str, Any]:
    return {
        "runs": [found.label(pair.one), found.label(pair.other)],
        "steps": pair.steps,
        "initial_weights_equal": pair.same_start,
        "first_step_of_other_batch": pair.other_batch,
        "first_step_of_other_loss": pair.other_loss,
        "final_weights_equal": pair.same_end,
        "final_slots_equal": pair.same_slots,
        "twins": len(pair.off),
        "factor": FACTOR,
        "first_step_beyond_twins": pair.beyond,
        "largest_of_twins": in_json(pair.ratio) if pair.allowed else None,
        "distances": [in_json(value) for value in pair.distances],
        "twins_so_far": [in_json(value) for value in pair.allowed],
    }
