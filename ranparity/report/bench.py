"""The report on speed: each backend's step and pass, beside plain Keras and native PyTorch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from ranparity.report import curves, growth, operations
from ranparity.report.bench_record import BENCH, Timed, TimedNet
from ranparity.report.document import (
    Block,
    Cell,
    Figure,
    Figures,
    Heading,
    Paragraph,
    Section,
    Table,
    Text,
    cell,
    code,
    columns,
    link,
    text,
)
from ranparity.report.records import Evidence
from ranparity.report.words import FAILED, NOT_RUN, NOTHING, count, listed

STEP = "training_step"
OURS = "ranparity"
TITLES = {STEP: "Training step", "forward": "Forward pass"}
INCHES = (6.4, 2.6)
MEBI, GIGA = 2**20, 1e9

INTRODUCTION = text(
    "Seconds of a training step and of a forward pass: this package on each backend, the same net "
    "in plain Keras with ",
    code("train_on_batch"),
    ", and the same net written for PyTorch alone, in the memory layout that is faster there. Each "
    "is a process of its own, and they take turns; a ratio is that of the seconds of one round, so "
    "that a machine that is busy with other things does not favour one. Given are medians over "
    "the rounds, and the smallest and largest ratio. The share is of the rate at which the fastest "
    "framework multiplies two 2048 x 2048 matrices, counting two operations a MAC, and thrice a "
    "forward pass for a step. Memory is the most that the process has had. The first step is that "
    "of a process that finds nothing kept, and then of a second one.",
)


def section(evidence: Evidence) -> Section:
    """A figure and two tables a net."""
    record = evidence.bench
    blocks: list[Block] = [Paragraph(INTRODUCTION)]
    if record is None:
        blocks.append(Paragraph(text(NOT_RUN, ": ", code("nox -s bench"), " does it."), "absent"))
    elif record.error:
        blocks.append(Paragraph(text(FAILED, ": ", code(record.error)), "fail"))
    for net in record.nets if record else ():
        blocks += _net(net)
    blocks += operations.blocks(evidence.operations)
    blocks += growth.blocks(evidence.growth)
    return Section("speed", "Speed", tuple(blocks))


def _net(net: TimedNet) -> Iterator[Block]:
    yield Heading(f"{net.model}, batch {count(net.batch_size)}")
    rates = ", ".join(f"{name} {rate / GIGA:.0f}" for name, rate in net.products.items())
    layouts = listed([f"{name} {seconds:.2f} s" for name, seconds in net.layouts.items()])
    yield Paragraph(
        text(
            f"{count(net.rounds)} rounds. Matrix products, GFLOP/s: {rates}. Native PyTorch's step "
            f"by layout: {layouts}. Record: ",
            link(BENCH, BENCH),
            ".",
        )
    )
    kinds = {what: [row for row in net.results if row.what == what] for what in TITLES}
    yield Figures(tuple(_figure(net, what, rows) for what, rows in kinds.items() if rows))
    for what, rows in kinds.items():
        if rows:
            yield _table(what, rows)


def _table(what: str, rows: Sequence[Timed]) -> Table:
    titles = ["Seconds", "Times native", "Lowest", "Highest", "Share of products", "Memory, MiB"]
    if what == STEP:
        titles += ["First step, cold", "First step, again", "Later step there", "Net built after"]
    made = columns(TITLES[what], *titles, right=tuple(range(1, len(titles) + 1)))
    return Table(made, tuple(tuple(_cells(what, row)) for row in rows))


def _cells(what: str, row: Timed) -> Iterator[Cell]:
    yield cell(row.way)
    yield cell(f"{row.seconds:.3f}")
    for ratio in (row.ratio, row.lowest, row.highest):
        yield cell(f"{ratio:.2f}")
    yield cell(f"{100 * row.share:.0f} %")
    yield cell(NOTHING if row.peak is None else count(round(row.peak / MEBI)))
    for seconds in (row.cold, row.warm, row.steady, row.built) if what == STEP else ():
        yield cell(NOTHING if seconds is None else f"{seconds:.1f} s")


def _figure(net: TimedNet, what: str, rows: Sequence[Timed]) -> Figure:
    said = "; ".join(f"{row.way} {row.ratio:.2f}" for row in rows)
    alt = f"{TITLES[what]} of {net.model}, as a multiple of native PyTorch's: {said}."
    digest = hashlib.sha256(repr((what, rows)).encode()).hexdigest()
    name = f"figures/bench-{net.model}-{net.batch_size}-{what.replace('_', '-')}"
    return curves.rendered(name, alt, digest, lambda: _drawn(what, rows))


def _drawn(what: str, rows: Sequence[Timed]) -> Any:
    from matplotlib.figure import Figure as Drawing

    drawing = Drawing(figsize=INCHES)
    axes = drawing.add_axes((0.28, 0.13, 0.68, 0.72))
    for place, row in enumerate(rows):
        colour = curves.INK if row.implementation == OURS else curves.FAINT
        axes.barh(place, row.ratio, height=0.6, color=colour)
        axes.plot((row.lowest, row.highest), (place, place), color=curves.LINES[0], linewidth=2)
    axes.axvline(1, color=curves.INK, linewidth=1, linestyle=(0, (3, 2)))
    title = f"{TITLES[what]}, times native PyTorch's (line: all rounds)"
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_yticks(range(len(rows)), [curves.plain(row.way) for row in rows])
    axes.invert_yaxis()
    axes.grid(axis="x", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    return drawing


def problems(evidence: Evidence) -> Iterator[Text]:
    """Says that a record cannot be read. How fast a machine is, is no problem."""
    if evidence.bench and evidence.bench.error:
        source = link(BENCH, BENCH)
        yield text("Speed: FAILED: ", code(evidence.bench.error), " (", source, ")")
    yield from operations.problems(evidence.operations)
    yield from growth.problems(evidence.growth)


def summary(evidence: Evidence) -> str:
    """Each backend's ratios, for the first page."""
    if not evidence.bench or not evidence.bench.nets:
        return "not run."
    parts = []
    for net in evidence.bench.nets:
        ours = [row for row in net.results if row.implementation == OURS and row.what == STEP]
        each = ", ".join(f"{row.backend} {row.ratio:.2f}" for row in ours)
        parts.append(f"{net.model}, batch {count(net.batch_size)}: {each}")
    return f"a training step as a multiple of native PyTorch's: {'; '.join(parts)}."
