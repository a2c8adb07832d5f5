"""Whether a training is what a claim asks for, and the numbers that it gives for one."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator, Mapping

from ranparity.claims import command
from ranparity.claims.kinds import Claim
from ranparity.report.runs import FinishedRun
from ranparity.report.words import count


def unlike(claim: Claim, asked: command.Training, run: FinishedRun) -> Iterator[str]:
    """Says why a training is not what a claim's command asks for; nothing if it is.

    Args:
        claim: The claim.
        asked: Its command.
        run: A training of its network.
    """
    task, data = run.task, claim.data
    if data is None or task.data != data.recorded:
        yield f"on {task.data}"
        return
    if task.partial or (task.train, task.test) != (data.train, data.test):
        yield f"on {count(task.train)} + {count(task.test)} images, not the whole of {data.title}"
        return
    if run.twin:
        yield f"it is twin {run.twin} of a run: its initial weights are moved"
    if task.start:
        yield f"it starts from {task.start}"
    differences = asked.differences(json.loads(task.recipe))
    yield from differences
    if not differences and not _complete(asked, run):
        yield f"{count(len(run.steps))} steps of {count(asked.steps(task.train))}"
    if not _is_the_last_test(run):
        yield "its result is not that of its last epoch"


def _complete(asked: command.Training, run: FinishedRun) -> bool:
    """Whether a run made all its steps, or ended where its patience did."""
    patient = any(stage.patience is not None for stage in asked.recipe.stages)
    steps = asked.steps(run.task.train)
    return len(run.steps) == steps or (patient and run.stopped_early and len(run.steps) < steps)


def _is_the_last_test(run: FinishedRun) -> bool:
    """Whether a run's result is what its table of epochs ends with, after its last step."""
    if not run.epochs or run.epochs[-1].step != len(run.steps):
        return False
    last = run.epochs[-1]
    return (last.test_accuracy, last.test_top5_accuracy, last.test_loss) == (
        run.test_accuracy,
        run.test_top5_accuracy,
        run.test_loss,
    )


def _last_train_loss(run: FinishedRun) -> float:
    """The mean loss of the last epoch's steps."""
    before = run.epochs[-2].step if len(run.epochs) > 1 else 0
    return statistics.fmean(step.loss for step in run.steps[before:])


# What each measure is of a run; errors and accuracies in percent.
RESULTS: Mapping[str, Callable[[FinishedRun], float]] = {
    "test-error": lambda run: 100 * (1 - run.test_accuracy),
    "test-accuracy": lambda run: 100 * run.test_accuracy,
    "best-test-accuracy": lambda run: 100 * max(epoch.test_accuracy for epoch in run.epochs),
    "top-1-error": lambda run: 100 * (1 - run.test_accuracy),
    "top-5-error": lambda run: 100 * (1 - run.test_top5_accuracy),
    "train-loss": _last_train_loss,
    "test-loss": lambda run: run.test_loss,
}
