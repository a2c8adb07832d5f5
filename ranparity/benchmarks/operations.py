"""Where a step's time goes: each of a net's convolutions alone, beside its matrix product."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ranparity.benchmarks.case import OURS, STEP, Case, Way
from ranparity.benchmarks.convolutions import Counted, distinct
from ranparity.benchmarks.run import Ask, opened
from ranparity.benchmarks.worker import CONVOLUTION
from ranparity.errors import InputError
from ranparity.files import check_writable, write_text
from ranparity.parity.sessions import read_record
from ranparity.workers import WorkerError

WARM_UP, STEPS = 2, 3
TURNS = 5  # of each pass of a convolution, after as many as `WARM_UP`
KEY = ("model", "batch_size", "device_asked", "backend")
Say = Callable[[str], None]


class Book:
    """The record of operations, written again after each net and backend.

    Args:
        path: Its file; None keeps no record.
        source: Digest of this package's source.

    Raises:
        InputError: What is there is no such record.
    """

    def __init__(self, path: Path | None, source: str) -> None:
        self._path, self._source = path, source
        self.content: dict[str, Any] = {"nets": [], "environments": {}}
        if path:
            check_writable(path)
            self.content = read_record(path, "ranparity bench --operations", _check) or self.content

    def lacks(self, case: Case, backend: str) -> bool:
        """Whether it has nothing of this net, batch and backend that is of this source."""
        wanted = _key(_about(case, backend))
        return not any(
            _key(row) == wanted and row["source_digest"] == self._source and "error" not in row
            for row in self.content["nets"]
        )

    def add(self, row: Mapping[str, Any], environment: Mapping[str, Any]) -> None:
        """Take a net on a backend in, in the place of what was there of it."""
        others = [other for other in self.content["nets"] if _key(other) != _key(row)]
        self.content["nets"] = [*others, {**row, "source_digest": self._source}]
        if environment:
            self.content["environments"][row["backend"]] = dict(environment)
        if self._path:
            write_text(self._path, json.dumps(self.content, indent=1, allow_nan=False) + "\n")


def run(book: Book, cases: Sequence[Case], names: Sequence[str], say: Say) -> bool:
    """Time the convolutions of every net that the book lacks, in a process for each backend.

    Args:
        book: The record.
        cases: The nets.
        names: The backends.
        say: Is told what goes on, a line at a time.

    Returns:
        Whether every one of them could be run: one that asks for too much memory is ended.

    Raises:
        InputError: A net is not known.
    """
    well = True
    todo = [(case, name) for case in cases for name in names if book.lacks(case, name)]
    found = {case: distinct(case) for case, _ in todo}
    for number, (case, name) in enumerate(todo, 1):
        where = f"{number}/{len(todo)} {case.model}, batch {case.batch_size}, {name}: "
        environment: Mapping[str, Any] = {}
        try:
            row, environment = _measured(case, name, found[case], _after(where, say))
        except (WorkerError, InputError) as error:
            row, well = {"error": str(error)}, False
            say(f"{where}failed: {error}")
        book.add(_about(case, name) | row, environment)
    return well


def _measured(
    case: Case, name: str, found: Sequence[Counted], say: Say
) -> tuple[dict[str, Any], Mapping[str, Any]]:
    with opened(case, Way(OURS, name)) as (ask, said):
        ask({"what": STEP, "count": WARM_UP})
        step = statistics.median(ask({"what": STEP, "count": STEPS})["seconds"])
        say(f"{step:.3f} s a step")
        rows = []
        for number, counted in enumerate(found, 1):
            rows.append(_row(ask, counted))
            say(f"convolution {number}/{len(found)}, as in {counted.layer}")
    return {"step_seconds": step, "convolutions": rows}, said["environment"]


def _after(words: str, say: Say) -> Say:
    """Tells the same, with words before each line."""
    return lambda line: say(f"{words}{line}")


def _row(ask: Ask, counted: Counted) -> dict[str, Any]:
    """A convolution's shapes, work and medians."""
    shapes = dataclasses.asdict(counted.convolution)
    seconds = ask({"what": CONVOLUTION, "of": shapes, "warm_up": WARM_UP, "count": TURNS})
    return {
        "layer": counted.layer,
        "layers": counted.layers,
        **shapes,
        "flops": counted.convolution.flops,
        "seconds": {what: statistics.median(each) for what, each in seconds["seconds"].items()},
    }


def _about(case: Case, backend: str) -> dict[str, Any]:
    key = (case.model, case.batch_size, case.device, backend)
    return dict(zip(KEY, key, strict=True))


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEY)


def _check(content: Any) -> None:
    _ = [(_key(row), row["source_digest"]) for row in content["nets"]], content["environments"]
