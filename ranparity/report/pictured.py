"""What the records of pictures of a run have in common: which run they are of, and what drew."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ranparity.report.reading import Fields, MalformedError, parse_record

Files = Mapping[str, bytes]  # of one run, by name
_RUN = re.compile(r"data/runs/([^/]+)/([^/]+)")


@dataclass(frozen=True)
class Of:
    """Which run a record is of.

    Attributes:
        run: The name of the run's folder.
        path: The record, relative to the reports folder.
        error: Why there is nothing to show; empty if there is.
        model: The network, as far as the record says; as all below.
        data: What it was trained on.
        trained_on: The backend that trained it.
        backend: The backend that computed what is shown.
        environment: Where it did.
    """

    run: str
    path: str
    error: str = ""
    model: str = ""
    data: str = ""
    trained_on: str = ""
    backend: str = ""
    environment: Mapping[str, Any] | None = None

    @property
    def title(self) -> str:
        """The run in words; its folder's name where the record cannot be read."""
        if self.error:
            return self.run
        return f"{self.model} on {self.data}, trained on {self.trained_on}"

    @property
    def file_name(self) -> str:
        """The run's name as part of a file's name, another for each run."""
        plain = re.sub(r"[^A-Za-z0-9]+", "-", self.run).strip("-")[:80]
        if plain == self.run:
            return plain
        return f"{plain}-{hashlib.sha256(self.run.encode()).hexdigest()[:8]}"


def of_each(files: Files, name: str) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Gives the runs that have a file of that name, in order, with the files of each.

    Args:
        files: All, by path relative to the reports folder.
        name: Of the record.
    """
    runs: dict[str, dict[str, bytes]] = {}
    for path in sorted(files):
        if match := _RUN.fullmatch(path):
            runs.setdefault(match[1], {})[match[2]] = files[path]
    yield from ((run, parts) for run, parts in runs.items() if name in parts)


def of(run: str, path: str, fields: Fields, files: Files) -> Of:
    """Reads which run a record is of.

    Raises:
        MalformedError: There is an error in its place; it does not say; or it is of other weights
            than the run has now.
    """
    if fields.has("error"):
        raise MalformedError(fields.text("error"))
    digest = fields.text("weights_digest")
    current = _weights_digest(files.get("run.json"))
    if current not in (None, digest):
        raise MalformedError(
            f"it is of weights of digest {digest[:12]}, and the run's are {str(current)[:12]}"
        )
    return Of(
        run=run,
        path=path,
        model=fields.text("model"),
        data=fields.fields("data").text("name"),
        trained_on=fields.text("trained_on"),
        backend=fields.text("backend"),
        environment=fields.environment(),
    )


def _weights_digest(run: bytes | None) -> str | None:
    """Gives what a run's record says of its final weights; None if it cannot be read."""
    try:
        return parse_record(run).text("final_weights_digest") if run else None
    except MalformedError:
        return None
