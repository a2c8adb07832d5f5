"""The record of growth, data/growth.json, read with care."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ranparity.report.reading import Fields, MalformedError, clean, parse_record

GROWTH = "data/growth.json"


@dataclass(frozen=True)
class Grown:
    """A step of a net on a backend.

    Attributes:
        model: The net.
        batch_size: Images of a batch.
        depth: The net's layers as its name counts them.
        width: Of its maps, as a part of the net's own.
        backend: The framework.
        remat: Whether parts of the net were computed twice.
        images: A second; None where it could not be run.
        peak: Bytes of memory, if that could be known.
        error: Why it could not be run.
        steps: How many the median is of, if that is recorded.
    """

    model: str
    batch_size: int
    depth: int
    width: float
    backend: str
    remat: bool = False
    images: float | None = None
    peak: int | None = None
    error: str = ""
    steps: int | None = None


@dataclass(frozen=True)
class GrowthRecord:
    """All of them, or why there are none."""

    points: tuple[Grown, ...] = ()
    environments: Mapping[str, Mapping[str, Any]] | None = None
    error: str = ""


def read(content: bytes) -> GrowthRecord:
    """Reads the record; one that cannot be read is there as an error."""
    try:
        fields = parse_record(content)
        if fields.has("error"):
            return GrowthRecord(error=fields.text("error"))
        places = fields.fields("environments")
        return GrowthRecord(
            fields.every("points", _point),
            {clean(name): places.mapping(name) for name in fields.mapping("environments")},
        )
    except MalformedError as fault:
        return GrowthRecord(error=str(fault))


def _point(row: Fields) -> Grown:
    about: dict[str, Any] = {
        "model": row.text("model"),
        "batch_size": row.count("batch_size"),
        "depth": row.count("depth"),
        "width": row.number("width"),
        "backend": row.text("backend"),
        "remat": row.flag("remat"),
    }
    if row.has("error"):
        return Grown(**about, error=row.text("error"))
    images = row.number("images_per_second")
    if images <= 0:
        raise MalformedError(f'{row.where}: expected a number above 0 as "images_per_second"')
    peak = row.count("peak_memory_bytes") if row.has("peak_memory_bytes") else None
    steps = row.count("steps") if row.has("steps") else None
    return Grown(**about, images=images, peak=peak, steps=steps)
