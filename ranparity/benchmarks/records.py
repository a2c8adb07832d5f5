"""The record of times: `results`, a row for each way and what it did; `nets`, how it was done."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ranparity import schema
from ranparity.files import check_writable, write_text
from ranparity.parity.sessions import read_record

PARTS = ("results", "nets")
KEY = ("model", "batch_size", "device_asked")  # what is measured again takes the place of what was
Record = dict[str, list[dict[str, Any]]]


def read(path: Path) -> Record:
    """Give what a record has; nothing if there is none.

    Raises:
        InputError: It is no such record.
        OSError: It could not be written.
    """
    check_writable(path)
    kept = read_record(path, "ranparity bench", lambda c: [_key(row) for row in _rows(c)])
    return kept or {part: [] for part in PARTS}


def joined(found: Sequence[Record]) -> Record:
    """Give one record of several nets' own; later ones take the place of earlier ones."""
    record: Record = {part: [] for part in PARTS}
    for each in found:
        new = {_key(row) for row in each["nets"]}
        record = {
            part: [row for row in record[part] if _key(row) not in new] + each[part]
            for part in PARTS
        }
    return record


def write(path: Path, record: Record) -> None:
    """Write a record."""
    text = json.dumps(schema.versioned(record), indent=1, allow_nan=False)
    write_text(path, text + "\n")


def _rows(record: Record) -> list[dict[str, Any]]:
    return [row for part in PARTS for row in record[part]]


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEY)
