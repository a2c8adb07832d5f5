"""The ladder's figures: runs and their twins over steps, and where clean ends and faults begin."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ranparity.report import curves
from ranparity.report.document import Figure
from ranparity.report.ladder_record import FreeRuns

INCHES = (6.4, 4.0)
WIDE = (8.2, 3.4)
SMALLEST = 1e-2  # of a rho that is drawn: what is identical has 0
LARGEST = 1e8


def runs(name: str, found: FreeRuns, factor: float) -> Figure:
    """Draws how far runs are from each other and from their twins, after each step.

    Args:
        name: Path of the files in the reports folder, without a suffix.
        found: The runs.
        factor: What of the twins' largest distance is allowed.
    """
    ends = "; ".join(
        f"{' and '.join(pair.backends)} are {pair.distances[-1]:.2g} apart after "
        f"{len(pair.distances) - 1} steps, their horizon is step {pair.horizon}"
        for pair in found.pairs
    )
    alt = (
        f"Distance of weights over steps, {found.model} on {found.data}: each two backends, every "
        f"run's one-ulp twins, and how far the weights have moved. {ends}."
    )
    digest = hashlib.sha256(repr((found, factor)).encode()).hexdigest()
    return curves.rendered(name, alt, digest, lambda: _runs(found, factor))


def _runs(found: FreeRuns, factor: float) -> Any:
    from matplotlib.figure import Figure as Drawing

    drawing = Drawing(figsize=INCHES)
    axes = drawing.add_axes((0.12, 0.12, 0.85, 0.77))
    for place, (backend, twins) in enumerate(found.twins.items()):
        colour = curves.LINES[place % len(curves.LINES)]
        for number, twin in enumerate(twins):
            label = f"twins of {curves.plain(backend)}" if number == 0 else None
            _draw(axes, twin, label, color=colour, linewidth=0.7, alpha=0.6)
    for place, pair in enumerate(found.pairs):
        style = curves.DASHES[(place + 1) % len(curves.DASHES)]
        label = curves.plain(" and ".join(pair.backends))
        _draw(axes, pair.distances, label, color=curves.INK, linewidth=1.8, linestyle=style)
    if found.pairs:
        most = [factor * max(each) for each in zip(*(p.allowed for p in found.pairs), strict=True)]
        label = f"{factor:g} times the twins' largest"
        _draw(axes, most, label, color=curves.FAINT, linewidth=1.2, linestyle=(0, (1, 1.2)))
        first = min(pair.horizon for pair in found.pairs)
        axes.axvline(first, color=curves.FAINT, linewidth=1)
    moved = list(found.moved.values())
    if moved:
        farthest = [max(each) for each in zip(*moved, strict=True)]
        _draw(axes, farthest, "moved from the start", color=curves.FAINT, linewidth=1.2)
    axes.set_title("Distance of weights; the line down is the horizon", loc="left", fontsize=11)
    axes.set_xlabel("step")
    axes.set_yscale("log")
    curves.logarithmic(axes.yaxis)
    axes.grid(axis="y", linewidth=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0, which="both")
    axes.legend(frameon=False, fontsize=8.5, loc="lower right", ncols=2)
    return drawing


def _draw(axes: Any, values: Sequence[float], label: str | None, **style: Any) -> None:
    points = [(step, value) for step, value in enumerate(values) if value > 0]
    if points:
        axes.plot(*zip(*points, strict=True), label=label, **style)


def spread(name: str, groups: Mapping[str, Sequence[float]], limit: float) -> Figure:
    """Draws groups of rho, a point each, and the constant between them.

    Args:
        name: Path of the files in the reports folder, without a suffix.
        groups: The largest rho of each comparison, by what it is of.
        limit: The constant.
    """
    said = "; ".join(
        f"{title}: {len(values)} from {min(values):.3g} to {max(values):.3g}"
        for title, values in groups.items()
        if values
    )
    alt = f"The largest rho of each comparison, the constant being {limit:g}. {said}."
    digest = hashlib.sha256(repr((dict(groups), limit)).encode()).hexdigest()
    return curves.rendered(name, alt, digest, lambda: _spread(groups, limit))


def _spread(groups: Mapping[str, Sequence[float]], limit: float) -> Any:
    from matplotlib.figure import Figure as Drawing

    drawing = Drawing(figsize=WIDE)
    axes = drawing.add_axes((0.22, 0.13, 0.75, 0.76))
    for place, values in enumerate(groups.values()):
        drawn = [min(max(value, SMALLEST), LARGEST) for value in sorted(values)]
        heights = [place + 0.32 * math.sin(2.4 * number) for number in range(len(drawn))]
        axes.scatter(
            drawn,
            heights,
            s=14,
            marker=curves.MARKERS[place % len(curves.MARKERS)],
            color=curves.LINES[place % len(curves.LINES)],
            alpha=0.7,
            linewidths=0,
        )
    axes.axvline(limit, color=curves.INK, linewidth=1.2, linestyle=(0, (3, 2)))
    axes.set_title(f"Largest rho of a comparison; dashed: {limit:g}", loc="left", fontsize=11)
    axes.set_xscale("log")
    curves.logarithmic(axes.xaxis)
    axes.set_yticks(range(len(groups)), [curves.plain(title) for title in groups])
    axes.invert_yaxis()
    axes.grid(axis="x", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0, which="both")
    return drawing
