"""The report on where a step's time goes: its convolutions, beside their matrix products."""

from __future__ import annotations

from collections.abc import Iterator

from ranparity.benchmarks.convolutions import FORWARD, INPUT, PRODUCT, WEIGHT
from ranparity.report.document import (
    Block,
    Cell,
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
from ranparity.report.operations_record import (
    OPERATIONS,
    OperatedNet,
    Operation,
    OperationsRecord,
)
from ranparity.report.words import FAILED, NOT_RUN, NOTHING, count, percent, plural, seconds

GIGA = 1e9
MOST = 15  # rows of a table
RATES = {
    FORWARD: "Forward",
    WEIGHT: "Weight gradient",
    INPUT: "Input gradient",
    PRODUCT: "Matrix product",
}
TITLES = (
    "First layer",
    "Layers",
    "Bottom",
    "Top",
    "Kernel / stride",
    "Share of the step",
    *RATES.values(),
)
INTRODUCTION = text(
    "Each convolution of a net alone, in the form that a step of this package has it, in the "
    "process that also timed the step: its forward pass, the gradient for its weight, that for its "
    "input, and the product of matrices that is the same work: (N Ho Wo, kh kw I) times "
    "(kh kw I, O). They take turns; given are medians of five after two others. Layers of equal "
    "shapes are timed once and counted. A share is the time of all passes in all of these layers, "
    "as a part of the step's; everything else is what is left of the step, less than nothing where "
    "convolutions take longer alone, each a call of its own. Rates are GFLOP/s, two operations a "
    "MAC."
)


def blocks(record: OperationsRecord | None) -> Iterator[Block]:
    """A sentence and a table for each net and backend."""
    yield Heading("Where a step's time goes")
    yield Paragraph(INTRODUCTION)
    if record is None:
        yield Paragraph(text(NOT_RUN, ": ", code("nox -s operations"), " does it."), "absent")
    elif record.error:
        yield Paragraph(text(FAILED, ": ", code(record.error)), "fail")
    for net in record.nets if record else ():
        yield from _net(net)


def problems(record: OperationsRecord | None) -> Iterator[Text]:
    """Says that the record cannot be read, or that a net could not be run."""
    source = link(OPERATIONS, OPERATIONS)
    if record and record.error:
        yield text("Operations: FAILED: ", code(record.error), " (", source, ")")
    for net in record.nets if record else ():
        if net.error:
            yield text(f"Operations: {_where(net)}: ", code(net.error), " (", source, ")")


def said(net: OperatedNet) -> str:
    """What the convolutions of a net come to, in a sentence."""
    return (
        f"convolutions take {seconds(net.seconds)} of a step of {seconds(net.step)}, "
        f"{_percent(net, net.seconds)}; they reach {net.rate / GIGA:.0f} GFLOP/s, which is "
        f"{percent(net.of_products, 0)} of what their matrix products reach there"
    )


def kernel(operation: Operation) -> str:
    """A convolution's kernel and stride, and what else is not as usual."""
    parts = [f"{_by(operation.kernel)} / {_by(operation.stride)}"]
    if max(operation.dilation) > 1:
        parts.append(f"dilation {_by(operation.dilation)}")
    if operation.group > 1:
        parts.append(plural(operation.group, "group"))
    return ", ".join(parts)


def _where(net: OperatedNet) -> str:
    return f"{net.model}, batch {count(net.batch_size)}, on {net.backend}"


def _net(net: OperatedNet) -> Iterator[Block]:
    if net.error:
        yield Paragraph(text(f"{_where(net)}: ", FAILED, ": ", code(net.error)), "fail")
        return
    source = link(OPERATIONS, OPERATIONS)
    yield Paragraph(text(f"{_where(net)}: {said(net)}. Record: ", source, "."))
    yield _table(net)


def words(net: OperatedNet, operation: Operation) -> list[str]:
    """A row of `TITLES`."""
    rates = [operation.rate(what) for what in RATES]
    return [
        operation.layer,
        count(operation.layers),
        _by(operation.bottom),
        _by(operation.top),
        kernel(operation),
        _percent(net, operation.seconds),
        *(NOTHING.text if rate is None else f"{rate / GIGA:.1f}" for rate in rates),
    ]


def _table(net: OperatedNet) -> Table:
    right = (1, *range(5, len(TITLES)))
    shown, others = net.operations[:MOST], net.operations[MOST:]
    rows = [tuple(_cells(net, operation)) for operation in shown]
    if others:
        layers = sum(operation.layers for operation in others)
        spent = sum(operation.seconds for operation in others)
        rows.append(_sum(net, f"{count(len(others))} other shapes", spent, layers))
    rows.append(_sum(net, "everything else", net.step - net.seconds))
    return Table(columns(*TITLES, right=right), tuple(rows))


def _cells(net: OperatedNet, operation: Operation) -> Iterator[Cell]:
    layer, *others = words(net, operation)
    yield cell(code(layer))
    yield from map(cell, others)


def _sum(net: OperatedNet, name: str, spent: float, layers: int | None = None) -> tuple[Cell, ...]:
    """A row of what has none of its own."""
    nothing = cell(NOTHING)
    many = nothing if layers is None else cell(count(layers))
    share = cell(_percent(net, spent))
    return (cell(name), many, *[nothing] * 3, share, *[nothing] * len(RATES))


def _percent(net: OperatedNet, spent: float) -> str:
    return percent(net.share(spent), 1)


def _by(lengths: tuple[int, ...]) -> str:
    return "x".join(map(str, lengths))
