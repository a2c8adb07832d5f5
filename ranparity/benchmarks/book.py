"""A record that a benchmark goes on with: what it has of this source is not timed again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ranparity import schema
from ranparity.files import check_writable, write_text
from ranparity.parity.sessions import read_record


class Book:
    """Rows and where they were timed, written again after each row.

    Args:
        path: Its file; None keeps no record.
        source: Digest of this package's source.

    Attributes:
        WRITER: What writes such a record, as a person calls it.
        ROWS: The record's name of its rows.
        KEY: What makes a row another one.

    Raises:
        InputError: What is there is no such record.
    """

    WRITER: ClassVar[str]
    ROWS: ClassVar[str]
    KEY: ClassVar[tuple[str, ...]]

    def __init__(self, path: Path | None, source: str) -> None:
        self._path, self._source = path, source
        content: dict[str, Any] = {self.ROWS: [], "environments": {}}
        if path:
            check_writable(path)
            content = read_record(path, self.WRITER, self._check) or content
        self.content = schema.versioned(content)

    def lacks(self, about: Mapping[str, Any]) -> bool:
        """Whether it has no row of this source with the values of `KEY`."""
        return not any(
            self._key(row) == self._key(about)
            and row["source_digest"] == self._source
            and "error" not in row
            for row in self.content[self.ROWS]
        )

    def add(self, row: Mapping[str, Any], environment: Mapping[str, Any]) -> None:
        """Take a row of a backend in, in the place of what was there of it."""
        others = [other for other in self.content[self.ROWS] if self._key(other) != self._key(row)]
        self.content[self.ROWS] = [*others, {**row, "source_digest": self._source}]
        if environment:
            self.content["environments"][row["backend"]] = dict(environment)
        if self._path:
            write_text(self._path, json.dumps(self.content, indent=1, allow_nan=False) + "\n")

    def _key(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(row[name] for name in self.KEY)

    def _check(self, content: Any) -> None:
        rows = [(self._key(row), row["source_digest"]) for row in content[self.ROWS]]
        _ = rows, content["environments"]
