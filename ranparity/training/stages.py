"""What the record of a run says of its stages: with what each began, and with what it ended."""

from __future__ import annotations

import math
from typing import Any

from ranparity.data import digest
from ranparity.errors import InputError
from ranparity.training.directory import RUN
from ranparity.training.recipe import Stage
from ranparity.training.record import Record
from ranparity.training.starting import Start
from ranparity.training.variables import Model, State

BEGINNING = (
    "name",
    "part",
    "first_step",
    "trainable_parameters",
    "starting_weights",
    "initial_weights_digest",
)


def beginning(stage: Stage, first_step: int, model: Model, start: Start) -> dict[str, Any]:
    """Give what the record says of a stage from its start on: the values of `BEGINNING`.

    Args:
        stage: How it trains.
        first_step: Of the run, counted from 1.
        model: What is trained.
        start: What it begins with.
    """
    trained = sum(math.prod(each.shape) for each in model.trainable_variables)
    facts = (stage.name, stage.part, first_step, trained, start.words, start.digest)
    return dict(zip(BEGINNING, facts, strict=True))


def begun(
    record: Record, place: int, stage: Stage, model: Model, start: Start | None
) -> dict[str, Any]:
    """Give what a stage began with that goes on.

    Args:
        record: Of the run.
        place: Which stage, counted from 0.
        stage: How it trains.
        model: What is trained.
        start: What the first stage began with, if that is known.

    Raises:
        InputError: The record does not say it, and it is not the first stage.
    """
    stages = record.run.get("stages") or []
    known: dict[str, Any] = stages[place] if place < len(stages) else {}
    if set(BEGINNING) <= set(known):
        return {name: known[name] for name in BEGINNING}
    if place == 0 and start:  # of a version that wrote down no stages
        return beginning(stage, 1, model, start)
    raise InputError(
        f"{record.folder / RUN}: expected in stages what stage {stage.name} began with: the run "
        "cannot go on"
    )


def results(record: Record, stage: Stage, weights: State) -> dict[str, Any]:
    """Give what the record says of a stage at its end.

    Args:
        record: Of the run, with the test after the stage's last step.
        stage: Which.
        weights: All variables.
    """
    epochs = [epoch for epoch in record.epochs if epoch.stage == stage.name]
    return {
        "steps": sum(step.stage == stage.name for step in record.steps),
        "final_weights_digest": digest.of_named_arrays(weights),
        "test_accuracy": epochs[-1].test_accuracy,
        "test_top5_accuracy": epochs[-1].test_top5_accuracy,
        "test_loss": epochs[-1].test_loss,
        "seconds": math.fsum(epoch.seconds for epoch in epochs),
    }
