"""The figure of two runs that part: how far their losses are apart, and how far twins may be."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from ranparity.report import curves
from ranparity.report.document import Figure
from ranparity.report.parting import Pair
from ranparity.training.twins import FACTOR

INCHES = (6.4, 4.0)
BAND = 0.18  # how much of its colour the band has
LARGEST = 1e300  # that a scale has a place for


def draw(name: str, pair: Pair, label: str) -> Figure:
    """Draws the distance of two runs' losses over the band that their twins allow.

    Args:
        name: Path of the files, without a suffix.
        pair: The runs, with twins.
        label: What they are called.
    """
    end = "nowhere" if pair.beyond is None else f"from step {pair.beyond} on"
    alt = (
        f"Distance of the losses of {label} over {pair.steps} steps, {len(pair.off)} twins' "
        f"distances from their runs, and the band of {FACTOR:g} times the largest of these so far: "
        f"beyond it {end}."
    )
    digest = hashlib.sha256(repr((pair.distances, pair.off, label, FACTOR)).encode()).hexdigest()
    return curves.rendered(name, alt, digest, lambda: _drawing(pair, label))


def _drawing(pair: Pair, label: str) -> Any:
    from matplotlib.figure import Figure as Drawing

    drawing = Drawing(figsize=INCHES)
    axes = drawing.add_axes((0.12, 0.12, 0.85, 0.77))
    band = [FACTOR * most for most in pair.allowed]
    seen = [value for curve in (pair.distances, band, *pair.off) for value in curve if _fits(value)]
    if seen:
        _band(axes, band, min(seen))
        for number, twin in enumerate(pair.off):
            style = {"color": curves.LINES[1], "linewidth": 0.7, "alpha": 0.7}
            _line(axes, twin, "twins from their runs" if number == 0 else None, **style)
        _line(axes, pair.distances, curves.plain(label), color=curves.INK, linewidth=1.6)
        axes.set_yscale("log")
        curves.logarithmic(axes.yaxis)
        axes.legend(frameon=False, fontsize=8.5, loc="lower right")
    if pair.beyond is not None:
        axes.axvline(pair.beyond, color=curves.FAINT, linewidth=1, linestyle=(0, (2, 2)))
    down = "" if pair.beyond is None else "; dashed: the first step beyond"
    axes.set_title(f"Distance of losses, and what twins allow{down}", loc="left", fontsize=11)
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
