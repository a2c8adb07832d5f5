"""The figure of runs that part: how far their losses are apart, and how far twins may be."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from ranparity.report import curves
from ranparity.report.document import Figure
from ranparity.report.parting import Parting
from ranparity.report.words import plural
from ranparity.training.twins import FACTOR

BAND = 0.18  # how much of its colour the band has
LARGEST = 1e300  # that a scale has a place for


def draw(name: str, parting: Parting, label: str) -> Figure:
    """Draws the distance of runs' losses over the band that their twins allow.

    Args:
        name: Path of the files, without a suffix.
        parting: The runs, with twins.
        label: What the distance is of.
    """
    end = "nowhere" if parting.beyond is None else f"from step {parting.beyond} on"
    alt = (
        f"Distance of the losses of {label} over {plural(parting.steps, 'step')}, the distances of "
        f"{plural(len(parting.off), 'twin')} from their runs, and the band of {FACTOR:g} times the "
        f"largest of these so far: beyond it {end}."
    )
    drawn = repr((parting.distances, parting.off, label, FACTOR))
    digest = hashlib.sha256(drawn.encode()).hexdigest()
    return curves.rendered(name, alt, digest, lambda: _drawing(parting, label))


def _drawing(parting: Parting, label: str) -> Any:
    from matplotlib.figure import Figure as Drawing

    drawing = Drawing(figsize=curves.INCHES)
    axes = drawing.add_axes((0.14, 0.15, 0.83, 0.72))
    band, lines = [FACTOR * most for most in parting.allowed], (parting.distances, *parting.off)
    seen = [value for curve in (band, *lines) for value in curve if _fits(value)]
    if seen:
        _band(axes, band, min(seen))
        for number, twin in enumerate(parting.off):
            style = {"color": curves.LINES[1], "linewidth": 0.7, "alpha": 0.7}
            _line(axes, twin, "twins from their runs" if number == 0 else None, **style)
        _line(axes, parting.distances, curves.plain(label), color=curves.INK, linewidth=1.6)
        axes.set_yscale("log")
        curves.logarithmic(axes.yaxis)
    if parting.beyond is not None:
        dashes = (0, (2, 2))
        axes.axvline(parting.beyond, color=curves.FAINT, linewidth=1, linestyle=dashes)
        axes.plot([], [], color=curves.FAINT, linestyle=dashes, label="the first step beyond")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8.5, loc="lower right")
    axes.set_title("Distance of losses, and what twins allow", loc="left", fontsize=11)
    axes.set_xlabel("step")
    axes.grid(axis="y", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0, which="both")
    return drawing


def _fits(value: float) -> bool:
    """Whether a logarithmic scale has a place for a number."""
    return 0 < value < LARGEST


def _band(axes: Any, band: Sequence[float], floor: float) -> None:
    points = [(step, value) for step, value in enumerate(band, start=1) if _fits(value)]
    if points:
        steps, most = zip(*points, strict=True)
        words = f"{FACTOR:g} times the twins' largest so far"
        colour = curves.LINES[0]
        axes.fill_between(steps, floor, most, color=colour, alpha=BAND, linewidth=0, label=words)


def _line(axes: Any, values: Sequence[float], label: str | None, **style: Any) -> None:
    points = [(step, value) for step, value in enumerate(values, start=1) if _fits(value)]
    if points:
        axes.plot(*zip(*points, strict=True), label=label, **style)
