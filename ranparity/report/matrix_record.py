"""The record of many runs, data/matrix-NAME.json, read with care."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ranparity.report.reading import Fields, MalformedError, parse_record

FILE = "matrix.json"  # in the folder of the runs
PATH = re.compile(r"data/matrix-([^/]+)\.json")
STATUSES = ("waiting", "running", "interrupted", "finished", "failed")


@dataclass(frozen=True)
class Row:
    """A run of a plan.

    Attributes:
        name: Its folder's.
        backend: What trains.
        settings: What the plan says of it, by option.
        status: One of `STATUSES`.
        tries: How many processes it has had.
        error: Why it failed, if it has.
        accuracy: Of the held-out images, in parts of 1, if it is finished,
        loss: and theirs.
        seconds: What it took.
    """

    name: str
    backend: str
    settings: Mapping[str, Any]
    status: str
    tries: int
    error: str = ""
    accuracy: float | None = None
    loss: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class MatrixRecord:
    """Many runs from one plan.

    Attributes:
        name: That of the file.
        path: The file, relative to the reports folder.
        error: Why there is no evidence; empty if there is.
        place: Where they ran, in words.
        at_once: How many at a time.
        rows: The runs.
        environments: Where each backend ran.
    """

    name: str
    path: str
    error: str = ""
    place: str = ""
    at_once: int = 0
    rows: tuple[Row, ...] = ()
    environments: Mapping[str, Any] = field(default_factory=dict)


def read(files: Mapping[str, bytes]) -> Iterator[MatrixRecord]:
    """Reads all such records; what cannot be read is there as an error."""
    for path in sorted(files):
        if match := PATH.fullmatch(path):
            try:
                yield _record(match[1], path, parse_record(files[path]))
            except MalformedError as fault:
                yield MatrixRecord(match[1], path, error=str(fault))


def _record(name: str, path: str, fields: Fields) -> MatrixRecord:
    if fields.has("error"):
        return MatrixRecord(name, path, error=fields.text("error"))
    environments = fields.mapping("environments")
    for backend, given in environments.items():
        if not isinstance(given, dict):
            raise MalformedError(f'expected an object as the environment of "{backend}"')
    return MatrixRecord(
        name,
        path,
        place=fields.text("place"),
        at_once=fields.count("at_once"),
        rows=fields.every("runs", _row),
        environments=environments,
    )


def _row(fields: Fields) -> Row:
    status = fields.text("status")
    if status not in STATUSES:
        raise MalformedError(f'expected {", ".join(STATUSES)} as "status", found "{status}"')
    finished = status == "finished"
    return Row(
        name=fields.text("name"),
        backend=fields.text("backend"),
        settings=fields.mapping("settings"),
        status=status,
        tries=fields.count("tries"),
        error=fields.text("error") if status == "failed" else "",
        accuracy=fields.share("test_accuracy") if finished else None,
        loss=fields.number("test_loss") if finished else None,
        seconds=fields.number("seconds") if finished else None,
    )
