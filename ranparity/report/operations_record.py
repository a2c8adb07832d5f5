"""The record of operations, data/operations.json, read with care."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ranparity.benchmarks.convolutions import FORWARD, PASSES, PRODUCT, WEIGHT
from ranparity.report.reading import Fields, MalformedError, clean, parse_record

OPERATIONS = "data/operations.json"
MAP, PAIR = 4, 2  # numbers of a map's shape, NCHW, and of a kernel's


@dataclass(frozen=True)
class Operation:
    """A convolution that layers of a net have alike, alone.

    Attributes:
        layer: Caffe's name of the first of them.
        layers: How many they are.
        bottom: What it reads, NCHW.
        top: What it makes, NCHW.
        kernel: Height and width.
        stride: Likewise.
        dilation: Likewise.
        group: Number of groups.
        flops: Operations of one pass, two a MAC.
        passes: Seconds of each pass that a step makes.
        product: Seconds of the matrix product of the same work as one pass.
    """

    layer: str
    layers: int
    bottom: tuple[int, ...]
    top: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    group: int
    flops: float
    passes: Mapping[str, float]
    product: float

    @property
    def seconds(self) -> float:
        """What a step spends on it, in all of its layers."""
        return self.layers * sum(self.passes.values())

    @property
    def product_seconds(self) -> float:
        """What as many matrix products of the same work take."""
        return self.layers * len(self.passes) * self.product

    @property
    def work(self) -> float:
        """Operations of a step, in all of its layers."""
        return self.layers * len(self.passes) * self.flops

    def rate(self, what: str) -> float | None:
        """Operations a second of a pass or the product; None of a pass that no step makes."""
        seconds = self.product if what == PRODUCT else self.passes.get(what)
        return None if seconds is None else self.flops / seconds


@dataclass(frozen=True)
class OperatedNet:
    """A net's step on a backend, and its convolutions.

    Attributes:
        model: The net.
        batch_size: Images of a batch.
        backend: The framework.
        step: Seconds of a training step.
        operations: The convolutions, that on which a step spends the longest first.
        error: Why it could not be run.
    """

    model: str
    batch_size: int
    backend: str
    step: float = 0.0
    operations: tuple[Operation, ...] = ()
    error: str = ""

    @property
    def seconds(self) -> float:
        """What a step spends on convolutions, each as long as it takes alone."""
        return sum(operation.seconds for operation in self.operations)

    @property
    def rate(self) -> float:
        """Operations a second of the convolutions."""
        return sum(operation.work for operation in self.operations) / self.seconds

    @property
    def of_products(self) -> float:
        """Their rate as a part of that of their matrix products."""
        return sum(operation.product_seconds for operation in self.operations) / self.seconds

    def share(self, seconds: float) -> float:
        """A part of the step."""
        return seconds / self.step


@dataclass(frozen=True)
class OperationsRecord:
    """All of them, or why there are none."""

    nets: tuple[OperatedNet, ...] = ()
    environments: Mapping[str, Mapping[str, Any]] | None = None
    error: str = ""


def read(content: bytes) -> OperationsRecord:
    """Reads the record; one that cannot be read is there as an error."""
    try:
        fields = parse_record(content)
        if fields.has("error"):
            return OperationsRecord(error=fields.text("error"))
        places = fields.fields("environments")
        return OperationsRecord(
            fields.every("nets", _net),
            {clean(name): places.mapping(name) for name in fields.mapping("environments")},
        )
    except MalformedError as fault:
        return OperationsRecord(error=str(fault))


def _net(row: Fields) -> OperatedNet:
    model, batch_size, backend = row.text("model"), row.count("batch_size"), row.text("backend")
    if row.has("error"):
        return OperatedNet(model, batch_size, backend, error=row.text("error"))
    operations = row.every("convolutions", _operation)
    if not operations:
        raise MalformedError(f"{row.where}: no convolutions of {model}")
    longest = sorted(operations, key=lambda operation: operation.seconds, reverse=True)
    step = _above_0(row, "step_seconds")
    return OperatedNet(model, batch_size, backend, step, tuple(longest))


def _operation(row: Fields) -> Operation:
    seconds = row.fields("seconds")
    passes = PASSES if row.flag("input_gradient") else (FORWARD, WEIGHT)
    return Operation(
        layer=row.text("layer"),
        layers=_many(row, "layers"),
        bottom=_lengths(row, "bottom", MAP),
        top=_lengths(row, "top", MAP),
        kernel=_lengths(row, "kernel", PAIR),
        stride=_lengths(row, "stride", PAIR),
        dilation=_lengths(row, "dilation", PAIR),
        group=_many(row, "group"),
        flops=_above_0(row, "flops"),
        passes={what: _above_0(seconds, what) for what in passes},
        product=_above_0(seconds, PRODUCT),
    )


def _above_0(row: Fields, key: str) -> float:
    number = row.number(key)
    if number <= 0:
        raise MalformedError(f'{row.where}: expected a number above 0 as "{key}"')
    return number


def _many(row: Fields, key: str) -> int:
    count = row.count(key)
    if not count:
        raise MalformedError(f'{row.where}: expected 1 or more as "{key}"')
    return count


def _lengths(row: Fields, key: str, many: int) -> tuple[int, ...]:
    lengths = row.numbers(key)
    if len(lengths) != many or any(length < 1 or length % 1 for length in lengths):
        raise MalformedError(f'{row.where}: expected {many} integers above 0 as "{key}"')
    return tuple(map(int, lengths))
