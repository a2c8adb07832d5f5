"""How a step's seconds and memory grow with the batch, the net's depth and its width.

And what it saves, and costs, to compute parts of the net twice in place of keeping them.
"""

from __future__ import annotations

import dataclasses
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ranparity.benchmarks import book
from ranparity.benchmarks.case import OURS, STEP, Case, Way
from ranparity.benchmarks.run import opened
from ranparity.benchmarks.worker import FORGET
from ranparity.errors import InputError
from ranparity.workers import WorkerError

NET, BATCH = "attention56-cifar", 16
DEPTHS = (56, 92, 128, 164, 236, 452)
BATCHES = (4, 8, 16, 32, 64, 128)
RECOMPUTED = (32, 64, 128)  # batches that are timed with parts computed twice too
NARROWER = (8, 4, 2, 1)  # every width of the net, divided by these
WARM_UP, STEPS = 2, 9
Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Point:
    """One of the nets that are compared; they differ from the first in one thing.

    Attributes:
        model: The net.
        batch_size: Images of a batch.
        depth: The net's layers as its name counts them.
        width: Of its maps, as a part of the net's own.
        remat: Whether parts of the net are computed twice.
    """

    model: str
    batch_size: int = BATCH
    depth: int = DEPTHS[0]
    width: float = 1.0
    remat: bool = False


def points() -> list[Point]:
    """Give every net and batch, each once."""
    found = [Point(NET, batch_size=batch) for batch in BATCHES]
    found += [Point(NET, batch_size=batch, remat=True) for batch in RECOMPUTED]
    for depth in DEPTHS:
        found.append(Point(re.sub(r"\d+", str(depth), NET, count=1), depth=depth))
    for factor in NARROWER:
        found.append(Point(f"{NET}@{factor}" if factor > 1 else NET, width=1 / factor))
    return list(dict.fromkeys(found))


class Book(book.Book):
    """The record of growth."""

    WRITER = "ranparity bench --growth"
    ROWS = "points"
    KEY = (*(field.name for field in dataclasses.fields(Point)), "backend")


def run(record: Book, names: Sequence[str], device: str, say: Say) -> bool:
    """Time a step of every net that the book lacks, each in a process of its own.

    Args:
        record: What is there, and what comes.
        names: The backends.
        device: One of `backends.DEVICES`.
        say: Is told what goes on, a line at a time.

    Returns:
        Whether every one of them could be run: one that asks for too much memory is ended.
    """
    well = True
    every = [(point, name, _about(point, name)) for point in points() for name in names]
    todo = [each for each in every if record.lacks(each[2])]
    for number, (point, name, about) in enumerate(todo, 1):
        environment: Mapping[str, Any] = {}
        try:
            found, environment = _measured(point, name, device)
            shown = f"{found['seconds']:.3f} s a step"
        except (WorkerError, InputError) as error:
            found, well = {"error": str(error)}, False
            shown = f"failed: {error}"
        record.add(about | found, environment)
        how = ", remat" if point.remat else ""
        what = f"{point.model}, batch {point.batch_size}{how}, {name}"
        say(f"{number}/{len(todo)} {what}: {shown}")
    return well


def _about(point: Point, name: str) -> dict[str, Any]:
    return dataclasses.asdict(point) | {"backend": name}


def _measured(point: Point, name: str, device: str) -> tuple[dict[str, Any], Mapping[str, Any]]:
    case = Case(point.model, point.batch_size, device, point.remat)
    with opened(case, Way(OURS, name)) as (ask, said):
        ask({"what": STEP, "count": WARM_UP})
        ask({"what": FORGET, "count": 1})  # what compiling took is not a step's
        found = ask({"what": STEP, "count": STEPS})
    seconds = statistics.median(found["seconds"])
    images = point.batch_size / seconds
    peak = found["peak_memory_bytes"]
    times = {"seconds": seconds, "images_per_second": images, "peak_memory_bytes": peak}
    return times | {"steps": len(found["seconds"])}, said["environment"]
