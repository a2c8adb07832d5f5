"""The record of times, data/bench.json, read with care."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ranparity.report.reading import Fields, MalformedError, clean, parse_record

BENCH = "data/bench.json"
PAIR = 2  # numbers of a range


@dataclass(frozen=True)
class Timed:
    """What one way of a net took for one thing.

    Attributes:
        implementation: `ranparity`, `keras` or `native`.
        backend: The framework.
        what: `training_step` or `forward`.
        seconds: The median of the rounds.
        ratio: The median of the ratios to native PyTorch, each within a round.
        lowest: The smallest of them,
        highest: and the largest.
        share: Of the rate of matrix products.
        peak: Bytes of memory, if that could be known.
        cold: Seconds of the first step with nothing kept; None for a forward pass.
        warm: The same in a second process.
        steady: Seconds of a later step in that process.
        built: Seconds from the second process's start until its net was built.
    """

    implementation: str
    backend: str
    what: str
    seconds: float
    ratio: float
    lowest: float
    highest: float
    share: float
    peak: int | None = None
    cold: float | None = None
    warm: float | None = None
    steady: float | None = None
    built: float | None = None

    @property
    def way(self) -> str:
        """How it is called."""
        return f"{self.implementation} on {self.backend}"


@dataclass(frozen=True)
class TimedNet:
    """A net's times.

    Attributes:
        model: Its name.
        batch_size: Images.
        rounds: How often each way had its turn.
        products: Each framework's operations a second in 2048 x 2048 products.
        layouts: Seconds of the native net's step, by the layout of its maps.
        results: The times.
        environments: Where each way ran.
    """

    model: str
    batch_size: int
    rounds: int
    products: Mapping[str, float]
    layouts: Mapping[str, float]
    results: tuple[Timed, ...]
    environments: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class BenchRecord:
    """All of them, or why there are none."""

    nets: tuple[TimedNet, ...] = ()
    error: str = ""


def read(content: bytes) -> BenchRecord:
    """Reads the record; one that cannot be read is there as an error."""
    try:
        fields = parse_record(content)
        if fields.has("error"):
            return BenchRecord(error=fields.text("error"))
        results = fields.every("results", lambda row: (_key(row), _timed(row)))
        return BenchRecord(fields.every("nets", lambda net: _net(net, results)))
    except MalformedError as fault:
        return BenchRecord(error=str(fault))


def _key(row: Fields) -> tuple[str, int, str]:
    return row.text("model"), row.count("batch_size"), row.text("device_asked")


def _timed(row: Fields) -> Timed:
    ratios = row.numbers("ratio_range")
    if len(ratios) != PAIR or min(*ratios, row.number("seconds")) <= 0:
        raise MalformedError(f'{row.where}: expected two ratios above 0 as "ratio_range"')
    return Timed(
        implementation=row.text("implementation"),
        backend=row.text("backend"),
        what=row.text("what"),
        seconds=row.number("seconds"),
        ratio=row.number("ratio_to_native"),
        lowest=ratios[0],
        highest=ratios[1],
        share=row.number("share_of_matmul_rate"),
        peak=row.count("peak_memory_bytes") if row.has("peak_memory_bytes") else None,
        cold=_some(row, "first_step_seconds_cold"),
        warm=_some(row, "first_step_seconds_warm"),
        steady=_some(row, "steady_step_seconds_warm"),
        built=_some(row, "built_after_seconds_warm"),
    )


def _some(row: Fields, key: str) -> float | None:
    return row.number(key) if row.has(key) else None


def _net(net: Fields, results: tuple[tuple[tuple[str, int, str], Timed], ...]) -> TimedNet:
    key = _key(net)
    found = tuple(timed for of, timed in results if of == key)
    if not found:
        raise MalformedError(f"{net.where}: no results of {key[0]}, batch {key[1]}")
    places = net.fields("environments")
    return TimedNet(
        model=key[0],
        batch_size=key[1],
        rounds=net.count("rounds"),
        products=_numbers(net, "matrix_products"),
        layouts=_numbers(net, "native_layout_seconds"),
        results=found,
        environments={clean(way): places.mapping(way) for way in net.mapping("environments")},
    )


def _numbers(net: Fields, key: str) -> dict[str, float]:
    fields = net.fields(key)
    return {clean(name): fields.number(name) for name in net.mapping(key)}
