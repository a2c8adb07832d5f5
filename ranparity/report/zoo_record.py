"""The record of a go through the zoo on a backend, data/zoo-<backend>.json, read with care."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ranparity.report.reading import Fields, MalformedError, clean, parse_record

PATH = re.compile(r"data/zoo-([^/]+)\.json")
PARTS = ("build", "forward", "level 0")  # of a net, each with its seconds


@dataclass(frozen=True)
class NetRow:
    """A net on a backend; `error` says why there is no result, and is empty where there is one.

    Attributes:
        model: Its name.
        title: Its name in tables.
        error: As said.
        parameters: Trainable ones.
        seconds: By part.
        faults: What is wrong with its outputs.
        differ: Facts of level 0 that differ,
        compared: of so many.
        prototxt_digest: SHA-256 of the prototxt of level 0; empty if the record does not say it.
        stale: Why the result is no evidence any more; empty if it is.
        row: What `ranparity.parity.nets` holds rows against one another by.
    """

    model: str
    title: str
    error: str = ""
    parameters: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    differ: int = 0
    compared: int = 0
    prototxt_digest: str = ""
    stale: str = ""
    row: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether it has a result, and nothing is wrong with it."""
        return not (self.error or self.stale or self.faults or self.differ)


@dataclass(frozen=True)
class TrainingRow:
    """A short training on a backend; `error` as in `NetRow`."""

    model: str
    error: str = ""
    options: tuple[str, ...] = ()
    steps: int = 0
    first_loss: float = 0.0
    last_loss: float = 0.0
    accuracy: float = 0.0
    seconds: float = 0.0
    faults: tuple[str, ...] = ()
    row: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether it has a result, and nothing is wrong with it."""
        return not (self.error or self.faults)


@dataclass(frozen=True)
class ZooRecord:
    """The zoo on a backend.

    Attributes:
        backend: Its name, which is that of the file.
        path: The file, relative to the reports folder.
        error: Why there is no evidence; empty if there is.
        nets: By the net's name.
        trainings: Likewise.
        environment: What it ran on, if that is recorded.
    """

    backend: str
    path: str
    error: str = ""
    nets: Mapping[str, NetRow] = field(default_factory=dict)
    trainings: Mapping[str, TrainingRow] = field(default_factory=dict)
    environment: Mapping[str, Any] | None = None


def read(files: Mapping[str, bytes]) -> Iterator[ZooRecord]:
    """Reads all such records; what cannot be read is there as an error."""
    for path in sorted(files):
        if match := PATH.fullmatch(path):
            try:
                yield _record(match[1], path, parse_record(files[path]))
            except MalformedError as fault:
                yield ZooRecord(match[1], path, error=str(fault))


def _record(backend: str, path: str, fields: Fields) -> ZooRecord:
    if fields.text("backend") != backend:
        stated = fields.text("backend")
        raise MalformedError(f"the record is of backend {stated}, in the file of {backend}")
    if fields.has("error"):
        return ZooRecord(backend, path, error=fields.text("error"))
    return ZooRecord(
        backend,
        path,
        nets={row.model: row for row in map(_net, _rows(fields, "nets"))},
        trainings={row.model: row for row in map(_training, _rows(fields, "trainings"))},
        environment=fields.environment(),
    )


def _rows(fields: Fields, part: str) -> Iterator[Fields]:
    for place, item in enumerate(fields.items(part), start=1):
        yield Fields(item, f"{part} {place}")


def _net(fields: Fields) -> NetRow:
    model, title = fields.text("model"), fields.text("title")
    if fields.has("error"):
        return NetRow(model, title, fields.text("error"))
    seconds = fields.fields("seconds")
    found = NetRow(
        model,
        title,
        parameters=fields.count("parameters"),
        seconds={part: seconds.number(part) for part in PARTS},
        faults=fields.texts("faults"),
        differ=fields.count("differ"),
        compared=fields.count("compared"),
        prototxt_digest=fields.text("prototxt_digest") if fields.has("prototxt_digest") else "",
        row={
            "initial_weights_digest": fields.text("initial_weights_digest"),
            "image_digest": fields.text("image_digest"),
            "logits": _logits(fields),
        },
    )
    _refuse_contradiction(model, fields.text("verdict"), found.passed and found.compared > 0)
    return found


def _logits(fields: Fields) -> str:
    """Gives the numbers as the record has them: one line, blanks between them."""
    stated = fields.text("logits")
    try:
        _ = [float(value) for value in stated.split()]
    except ValueError:
        raise MalformedError(
            f'{fields.where}: expected numbers as "logits", found {clean(stated[:20])}'
        ) from None
    return stated


def _training(fields: Fields) -> TrainingRow:
    model = fields.text("model")
    if fields.has("error"):
        return TrainingRow(model, fields.text("error"))
    found = TrainingRow(
        model,
        options=fields.texts("options"),
        steps=fields.count("steps"),
        first_loss=fields.number("first_loss"),
        last_loss=fields.number("last_loss"),
        accuracy=fields.share("test_accuracy"),
        seconds=fields.number("seconds"),
        faults=fields.texts("faults"),
        row={
            "initial_weights_digest": fields.text("initial_weights_digest"),
            "tape_digest": fields.text("tape_digest"),
        },
    )
    _refuse_contradiction(model, fields.text("verdict"), found.passed)
    return found


def _refuse_contradiction(model: str, verdict: str, passed: bool) -> None:
    """Raises where a row's verdict is not what its evidence says."""
    if verdict != ("pass" if passed else "fail"):
        raise MalformedError(f'{model}: the verdict "{verdict}" contradicts its evidence')
