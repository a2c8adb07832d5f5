"""The report on how a step grows: images a second and memory, by batch, depth and width."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

from ranparity.report import curves
from ranparity.report.charts import Chart, Curve
from ranparity.report.document import (
    Block,
    Cell,
    Figure,
    Figures,
    Heading,
    Paragraph,
    Table,
    Text,
    cell,
    code,
    columns,
    link,
    text,
)
from ranparity.report.growth_record import GROWTH, Grown, GrowthRecord
from ranparity.report.words import FAILED, NOT_RUN, NOTHING, count

MEBI, PERCENT = 2**20, 100
INTRODUCTION = text(
    "A training step of this package alone, in a process of its own, after two others: the median "
    "of several, and the most memory that they had. The nets differ from the first one in one "
    "thing each: the images of a batch, the depth, or the width of all maps. With ",
    code("--remat"),
    " parts of the net are computed a second time on the way back, in place of being kept.",
)


@dataclasses.dataclass(frozen=True)
class Axis:
    """What grows.

    Attributes:
        title: Its name in a title.
        label: What a figure has below it.
        name: Its name in a file's.
        of: A point's value of it.
        rest: What else a point has: the points of a curve have it alike.
    """

    title: str
    label: str
    name: str
    of: Callable[[Grown], float]
    rest: Callable[[Grown], tuple[float, ...]]


AXES = (
    Axis(
        "the batch",
        "images of a batch",
        "batch",
        lambda point: point.batch_size,
        lambda point: (point.depth, point.width),
    ),
    Axis(
        "the depth",
        "layers as the name counts them",
        "depth",
        lambda point: point.depth,
        lambda point: (point.batch_size, point.width, point.remat),
    ),
    Axis(
        "the width",
        "% of the net's own width",
        "width",
        lambda point: PERCENT * point.width,
        lambda point: (point.batch_size, point.depth, point.remat),
    ),
)


MEASURED: Mapping[str, tuple[str, Callable[[Grown], float | None]]] = {
    "images": ("Images a second", lambda point: point.images),
    "memory": ("Memory, MiB", lambda point: None if point.peak is None else point.peak / MEBI),
}


def blocks(record: GrowthRecord | None) -> Iterator[Block]:
    """Figures and a table."""
    yield Heading("How it grows")
    yield Paragraph(INTRODUCTION)
    if record is None:
        yield Paragraph(text(NOT_RUN, ": ", code("nox -s growth"), " does it."), "absent")
    elif record.error:
        yield Paragraph(text(FAILED, ": ", code(record.error)), "fail")
    elif record.points:
        yield Paragraph(text("Record: ", link(GROWTH, GROWTH), _steps(record.points), "."))
        yield from map(Paragraph, _price(record.points))
        for axis in AXES:
            if drawn := tuple(_figures(axis, record.points)):
                yield Figures(drawn)
        yield _table(record.points)


def _steps(points: Sequence[Grown]) -> str:
    """How many steps a median is of, where the record says it of all of them alike."""
    known = {point.steps for point in points if not point.error}
    return f", medians of {known.pop()} steps" if len(known) == 1 and None not in known else ""


def problems(record: GrowthRecord | None) -> Iterator[Text]:
    """Says that the record cannot be read, or that a point could not be run."""
    source = link(GROWTH, GROWTH)
    if record and record.error:
        yield text("Growth: FAILED: ", code(record.error), " (", source, ")")
    for point in record.points if record else ():
        if point.error:
            where = f"{point.model}, batch {count(point.batch_size)}, on {_way(point)}"
            yield text(f"Growth: {where}: ", code(point.error), " (", source, ")")


def _figures(axis: Axis, points: Sequence[Grown]) -> Iterator[Figure]:
    """Images a second, and memory."""
    for name, (title, value) in MEASURED.items():
        made = tuple(_curves(axis, points, value))
        if made:
            chart = Chart(f"{title}, by {axis.title}", axis.label, made, "above", unit="point")
            yield curves.figure(f"figures/growth-{axis.name}-{name}", chart)


def _curves(
    axis: Axis, points: Sequence[Grown], value: Callable[[Grown], float | None]
) -> Iterator[Curve]:
    """A curve for each backend, of the points that the most others differ from in this alone."""
    rests = [axis.rest(point) for point in points]
    kept = [point for point in points if axis.rest(point) == max(rests, key=rests.count)]
    ways = {_way(point): point for point in kept}
    backends = list(dict.fromkeys(point.backend for point in kept))
    for way, one in ways.items():
        found = sorted(
            (axis.of(point), known)
            for point in kept
            if _way(point) == way and (known := value(point)) is not None
        )
        if found:
            looks = (backends.index(one.backend), one.remat)
            yield Curve(way, [x for x, _ in found], [y for _, y in found], looks)


def _way(point: Grown) -> str:
    return f"{point.backend} --remat" if point.remat else point.backend


def _price(points: Sequence[Grown]) -> Iterator[Text]:
    """Say of each backend what computing parts twice saves, and what it costs."""
    once = {_about(point): point for point in points if not point.remat}
    pairs = [(once[_about(p)], p) for p in points if p.remat and _about(p) in once]
    for backend in dict.fromkeys(point.backend for point in points):
        shown = [
            f"{twice.peak / plain.peak:.0%} of the memory and {plain.images / twice.images:.2f} x "
            f"the time at batch {count(twice.batch_size)}"
            for plain, twice in pairs
            if plain.backend == backend
            if plain.peak and twice.peak and plain.images and twice.images
        ]
        if shown:
            yield text("With ", code("--remat"), f" a step on {backend} takes {', '.join(shown)}.")


def _about(point: Grown) -> tuple[str, int, str]:
    return point.model, point.batch_size, point.backend


def _table(points: Sequence[Grown]) -> Table:
    titles = ("Batch", "Backend", "Images a second", "Memory, MiB")
    made = columns("Model", *titles, right=(1, 3, 4))
    return Table(made, tuple(tuple(_cells(point)) for point in points))


def _cells(point: Grown) -> Iterator[Cell]:
    yield cell(point.model)
    yield cell(count(point.batch_size))
    yield cell(_way(point))
    yield cell(FAILED if point.images is None else f"{point.images:.1f}")
    yield cell(NOTHING if point.peak is None else count(round(point.peak / MEBI)))
