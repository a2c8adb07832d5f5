"""The record of the kills on a backend, data/endurance-<backend>.json, read with care."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ranparity.report.reading import Fields, MalformedError, clean, is_count, parse_record

PATH = re.compile(r"data/endurance-([^/]+)\.json")


@dataclass(frozen=True)
class EnduranceRecord:
    """What came of killing a run again and again, as `ranparity.parity.endurance` tells it.

    Attributes:
        backend: Its name, which is that of the file.
        path: The file, relative to the reports folder.
        error: Why there is no evidence; empty if there is.
        kills: How many, by kind.
        steps: How many steps the log had at each kill.
        rounds: How many runs were needed for all kills.
        differences: What differed from the undisturbed run.
        options: Of the runs, as the command line has them.
        seed: Of the moments.
        environment: What it ran on, if that is recorded.
    """

    backend: str
    path: str
    error: str = ""
    kills: Mapping[str, int] = field(default_factory=dict)
    steps: tuple[int, ...] = ()
    rounds: int = 0
    differences: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    seed: int = 0
    environment: Mapping[str, Any] | None = None


def read(files: Mapping[str, bytes]) -> Iterator[EnduranceRecord]:
    """Reads all such records; what cannot be read is there as an error."""
    for path in sorted(files):
        if match := PATH.fullmatch(path):
            try:
                yield _record(match[1], path, parse_record(files[path]))
            except MalformedError as fault:
                yield EnduranceRecord(match[1], path, error=str(fault))


def _record(backend: str, path: str, fields: Fields) -> EnduranceRecord:
    if fields.text("backend") != backend:
        stated = fields.text("backend")
        raise MalformedError(f"the record is of backend {stated}, in the file of {backend}")
    if fields.has("error"):
        return EnduranceRecord(backend, path, error=fields.text("error"))
    record = EnduranceRecord(
        backend=backend,
        path=path,
        kills={clean(kind): _count(kind, n) for kind, n in fields.mapping("kills").items()},
        steps=tuple(_count("steps_at_kills", step) for step in fields.items("steps_at_kills")),
        rounds=fields.count("rounds"),
        differences=fields.texts("differences"),
        options=fields.texts("options"),
        seed=fields.integer("seed"),
        environment=fields.environment(),
    )
    _refuse_contradictions(record, fields.text("verdict"))
    return record


def _count(what: str, value: Any) -> int:
    if not is_count(value):
        raise MalformedError(f'expected an integer of 0 or more in "{clean(what)}"')
    return int(value)


def _refuse_contradictions(record: EnduranceRecord, verdict: str) -> None:
    """Raises where a record does not agree with itself, or has nothing to show."""
    killed = sum(record.kills.values())
    if killed != len(record.steps):
        raise MalformedError(f"{killed} kills by kind, and the steps at {len(record.steps)} kills")
    if not killed:
        raise MalformedError("no run was killed")
    if verdict != ("differs" if record.differences else "same"):
        found = len(record.differences)
        raise MalformedError(f'the verdict "{verdict}" contradicts {found} differences')
