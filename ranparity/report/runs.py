"""The record of one training, as its run directory holds it, read with care."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ranparity.report.reading import Fields, MalformedError, parse_json


@dataclass(frozen=True)
class Step:
    """A line of steps.jsonl."""

    loss: float
    batch_digest: str
    seconds: float


@dataclass(frozen=True)
class Epoch:
    """A row of epochs.csv."""

    test_loss: float
    test_accuracy: float


@dataclass(frozen=True)
class Task:
    """What is trained and how: runs of one task can be compared, whatever their backend.

    Attributes:
        model: The network's name.
        data: The data's name.
        recipe: The whole recipe, as JSON with sorted keys.
        seed: Of all randomness.
    """

    model: str
    data: str
    recipe: str
    seed: int


@dataclass(frozen=True)
class FinishedRun:
    """A training that ended well.

    Attributes:
        id: The name of its folder.
        path: Its run.json, relative to the reports folder.
        backend: What trained.
        task: What was trained.
        recipe_name: What the recipe is called.
        train: Number of images for training.
        test: Number of images for testing.
        data_digest: Of all images and labels.
        initial_weights_digest: Of the weights at the start.
        tape_digest: Of all that the run drew.
        steps: In order, the first is step 1.
        epochs: In order, the first is epoch 1.
        test_accuracy: At the end, in [0, 1].
        test_loss: At the end.
        seconds: What the training took.
        seconds_per_step: The median step's.
        environment: What it ran on, if that is recorded.
    """

    id: str
    path: str
    backend: str
    task: Task
    recipe_name: str
    train: int
    test: int
    data_digest: str
    initial_weights_digest: str
    tape_digest: str
    steps: tuple[Step, ...]
    epochs: tuple[Epoch, ...]
    test_accuracy: float
    test_loss: float
    seconds: float
    seconds_per_step: float
    environment: Mapping[str, Any] | None


@dataclass(frozen=True)
class FailedRun:
    """A training that did not end well, or whose record is damaged.

    Attributes:
        id: The name of its folder.
        path: Its run.json, relative to the reports folder.
        reason: Why there is no result.
        backend: What was to train, as far as the record says; as the next two.
        model: What was to be trained.
        data: On what.
    """

    id: str
    path: str
    reason: str
    backend: str = ""
    model: str = ""
    data: str = ""


Run = FinishedRun | FailedRun


def read_run(name: str, files: Mapping[str, bytes | None]) -> Run:
    """Reads a run's files: run.json, steps.jsonl, epochs.csv; one that is not there is None."""
    path = f"data/runs/{name}/run.json"
    try:
        fields = Fields(_parsed("run.json", files["run.json"]))
    except MalformedError as fault:
        return FailedRun(name, path, str(fault))
    try:
        _refuse_unfinished(fields)
        return _finished(name, path, fields, files)
    except MalformedError as fault:
        return FailedRun(name, path, str(fault), **_known(fields))


def _parsed(file: str, content: bytes | None) -> Any:
    if content is None:
        raise MalformedError(f"{file}: no such file in the record")
    try:
        return parse_json(content)
    except MalformedError as fault:
        raise MalformedError(f"{file}: {fault}") from None


def _refuse_unfinished(fields: Fields) -> None:
    """Raises for a run that says itself that it has no result."""
    if fields.has("error"):
        raise MalformedError(fields.text("error"))
    status = fields.text("status")
    if status != "finished":
        reason = f": {fields.text('reason')}" if fields.has("reason") else ""
        raise MalformedError(f'its status is "{status}", not "finished"{reason}')


def _known(fields: Fields) -> dict[str, str]:
    """What a failed run's record says of itself all the same."""
    known = {}
    for key in ("backend", "model"):
        with contextlib.suppress(MalformedError):
            known[key] = fields.text(key)
    with contextlib.suppress(MalformedError):
        known["data"] = fields.fields("data").text("name")
    return known


def _finished(
    name: str, path: str, fields: Fields, files: Mapping[str, bytes | None]
) -> FinishedRun:
    data, recipe = fields.fields("data"), fields.mapping("recipe")
    steps = _steps(files["steps.jsonl"])
    if len(steps) != fields.count("steps"):
        raise MalformedError(
            f"steps.jsonl: {len(steps)} steps, where run.json has {fields.count('steps')}"
        )
    return FinishedRun(
        id=name,
        path=path,
        backend=fields.text("backend"),
        task=Task(
            fields.text("model"),
            data.text("name"),
            json.dumps(recipe, sort_keys=True),
            fields.integer("seed"),
        ),
        recipe_name=Fields(recipe, "recipe").text("name"),
        train=data.count("train"),
        test=data.count("test"),
        data_digest=data.text("digest"),
        initial_weights_digest=fields.text("initial_weights_digest"),
        tape_digest=fields.text("tape_digest"),
        steps=steps,
        epochs=_epochs(files["epochs.csv"]),
        test_accuracy=_accuracy(fields),
        test_loss=fields.number("test_loss"),
        seconds=fields.number("seconds"),
        seconds_per_step=fields.number("seconds_per_step"),
        environment=fields.mapping("environment") if fields.has("environment") else None,
    )


def _accuracy(fields: Fields) -> float:
    accuracy = fields.number("test_accuracy")
    if not 0 <= accuracy <= 1:
        raise MalformedError(f'expected 0 to 1 as "test_accuracy", found {accuracy:g}')
    return accuracy


def _steps(content: bytes | None) -> tuple[Step, ...]:
    if content is None:
        raise MalformedError("steps.jsonl: no such file in the record")
    lines = content.splitlines()
    return tuple(_step(place, line) for place, line in enumerate(lines, start=1))


def _step(place: int, line: bytes) -> Step:
    where = f"steps.jsonl line {place}"
    fields = Fields(_parsed(where, line), where)
    if fields.integer("step") != place:
        raise MalformedError(f"{where}: expected step {place}, found step {fields.integer('step')}")
    return Step(fields.number("loss"), fields.text("batch_digest"), fields.number("seconds"))


def _epochs(content: bytes | None) -> tuple[Epoch, ...]:
    if content is None:
        raise MalformedError("epochs.csv: no such file in the record")
    try:
        rows = list(csv.DictReader(content.decode("utf-8", "replace").splitlines()))
    except csv.Error as error:
        raise MalformedError(f"epochs.csv: {error}") from None
    return tuple(_epoch(place, row) for place, row in enumerate(rows, start=1))


def _epoch(place: int, row: Mapping[str, str | None]) -> Epoch:
    where = f"epochs.csv row {place}"
    numbers: dict[str, Any] = {}
    for key in ("epoch", "test_loss", "test_accuracy"):
        try:
            numbers[key] = float(row.get(key) or "")
        except ValueError:
            raise MalformedError(f'{where}: expected a number as "{key}"') from None
    fields = Fields(numbers, where)
    if fields.number("epoch") != place:
        raise MalformedError(f"{where}: expected epoch {place}, found epoch {row['epoch']}")
    return Epoch(fields.number("test_loss"), fields.number("test_accuracy"))
