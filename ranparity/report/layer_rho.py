"""What the ladder found of each layer of a net, from its records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ranparity.report.ladder_record import STALE, LadderRecord, Level
from ranparity.report.records import Evidence

LEVELS = (1, 2)
PRECISION = "float32"


@dataclass(frozen=True)
class Measured:
    """What a level found on a backend: the largest rho of each layer, None where there is none."""

    backend: str
    level: int
    rhos: tuple[float | None, ...]


@dataclass(frozen=True)
class LayerRho:
    """What was found of a net's layers.

    Attributes:
        layers: Their names, in graph order.
        measured: By level, then by backend.
        size: Height and width, in pixels.
        limit: The largest rho that is a rounding.
        path: The record, relative to the reports folder.
    """

    layers: tuple[str, ...]
    measured: tuple[Measured, ...]
    size: str
    limit: float
    path: str


def of(evidence: Evidence, model: str) -> LayerRho | None:
    """What the records say of a net in float32, at the size that they say most of."""
    records = [record for record in (evidence.ladder, evidence.quick) if record]
    found = [each for record in records if (each := _of(evidence, record, model))]
    return max(found, key=lambda each: len(each.measured), default=None)


def _of(evidence: Evidence, record: LadderRecord, model: str) -> LayerRho | None:
    levels = list(_levels(evidence, record, model))
    if not levels:
        return None
    first = levels[0]
    alike = [
        each for each in levels if (each.size, [*each.layers]) == (first.size, [*first.layers])
    ]
    measured = tuple(Measured(x.backend, x.level, tuple(x.layers.values())) for x in alike)
    return LayerRho(tuple(first.layers), measured, first.size, record.limit, record.path)


def _levels(evidence: Evidence, record: LadderRecord, model: str) -> Iterator[Level]:
    """Those that tell of layers and are not stale, by level and backend."""
    for level in LEVELS:
        for backend in evidence.backends:
            for each in record.levels:
                asked = (each.model, each.level, each.backend, each.how)
                fresh = each.layers and each.verdict != STALE
                if fresh and asked == (model, level, backend, PRECISION):
                    yield each
