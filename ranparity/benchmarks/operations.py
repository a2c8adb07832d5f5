"""Where a step's time goes: each of a net's convolutions alone, beside its matrix product."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ranparity.benchmarks import book
from ranparity.benchmarks.case import OURS, STEP, Case, Way
from ranparity.benchmarks.convolutions import Counted, distinct
from ranparity.benchmarks.run import Ask, opened
from ranparity.benchmarks.worker import CONVOLUTION
from ranparity.errors import InputError
from ranparity.workers import WorkerError

WARM_UP, STEPS = 2, 3
TURNS = 5  # of each pass of a convolution, after as many as `WARM_UP`
Say = Callable[[str], None]


class Book(book.Book):
    """The record of operations: a row for each net, batch, device asked for and backend."""

    WRITER = "ranparity bench --operations"
    ROWS = "nets"
    KEY = ("model", "batch_size", "device_asked", "backend")


def run(record: Book, cases: Sequence[Case], names: Sequence[str], say: Say) -> bool:
    """Time the convolutions of every net that the book lacks, in a process for each backend.

    Args:
        record: What is there, and what comes.
        cases: The nets.
        names: The backends.
        say: Is told what goes on, a line at a time.

    Returns:
        Whether every one of them could be run: one that asks for too much memory is ended.

    Raises:
        InputError: A net is not known.
    """
    well = True
    todo = [(case, name) for case in cases for name in names if record.lacks(_about(case, name))]
    found = {case: distinct(case) for case, _ in todo}
    for number, (case, name) in enumerate(todo, 1):
        where = f"{number}/{len(todo)} {case.model}, batch {case.batch_size}, {name}: "
        environment: Mapping[str, Any] = {}
        try:
            row, environment = _measured(case, name, found[case], _after(where, say))
        except (WorkerError, InputError) as error:
            row, well = {"error": str(error)}, False
            say(f"{where}failed: {error}")
        record.add(_about(case, name) | row, environment)
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
    return dict(zip(Book.KEY, key, strict=True))
