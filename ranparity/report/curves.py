"""The curves of trainings, drawn with matplotlib: the same records give the same bytes.

Lines differ in colour (Okabe and Ito's, which the colour-blind can tell apart), in dashes and in
markers, so that no one of these is needed. Colours are light-mode ones; an HTML page gets the
drawing with its style sheet's colours in their place.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

from ranparity.report.charts import (
    Chart,
    Curve,
    Runs,
    accuracy,
    describe,
    distance,
    fingerprint,
    loss,
)
from ranparity.report.document import Figure, Figures

# As drawn; the style sheet's variable that replaces it within a page.
INK, FAINT, GRID, GROUND = "#1f2428", "#57606b", "#d9dee4", "#fffffe"
LINES = ("#0072b2", "#d55e00", "#009e73", "#aa4499")
VARIABLES = {INK: "ink", FAINT: "faint", GRID: "grid", GROUND: "ground"} | {
    colour: f"line-{place}" for place, colour in enumerate(LINES, start=1)
}
DASHES = ("-", (0, (5, 2)), (0, (1, 1.4)), (0, (6, 2, 1, 2)))
MARKERS = ("o", "s", "^", "D")
INCHES = (4.5, 3.1)
PIXELS_AN_INCH = 160
MARKS = 8  # markers on a line
NEAR = 50  # times the lowest value: below that, 2 and 5 are labelled too
LABEL_LENGTH = 40


def draw(name: str, runs: Runs, required: float | None, held: Figure | None = None) -> Figures:
    """Draws loss, its distance between runs, and test accuracy.

    Args:
        name: Path of the files in the reports folder, to which `-loss` and such is added.
        runs: By their labels.
        required: The accuracy to be reached, in [0, 1].
        held: The distance as it stands against twins, in place of the distance alone.
    """
    drawn = [figure(f"{name}-loss", loss(runs))]
    if held:
        drawn.append(held)
    elif len(runs) > 1:
        drawn.append(figure(f"{name}-distance", distance(runs)))
    return Figures((*drawn, figure(f"{name}-accuracy", accuracy(runs, required))))


def figure(name: str, chart: Chart) -> Figure:
    """Draws a chart as SVG and PNG."""
    return rendered(name, describe(chart), fingerprint(chart), lambda: _drawing(chart))


def rendered(
    name: str, alt: str, digest: str, make: Callable[[], Any], *, wide: bool = False
) -> Figure:
    """Makes the files of a drawing.

    Args:
        name: Their path in the reports folder, without a suffix.
        alt: What it shows, in words.
        digest: Of what it draws.
        make: Gives matplotlib's figure; called with this module's style set.
        wide: Whether it takes the width of the page.
    """
    import matplotlib as mpl

    style: Any = _style(name)
    note: Any = {"Software": None, "Description": f"Draws data of digest {digest}"}
    with mpl.rc_context(style):
        drawing = make()
        svg, png = io.StringIO(), io.BytesIO()
        drawing.savefig(svg, format="svg")
        drawing.savefig(png, format="png", dpi=PIXELS_AN_INCH, metadata=note)
    whole = _tidy(svg.getvalue())
    return Figure(name, alt, whole, _inline(whole), png.getvalue(), wide)


def _style(name: str) -> dict[str, Any]:
    return {
        "svg.hashsalt": name,  # ids in the SVG are of these, not random
        "svg.fonttype": "none",  # text stays text
        "path.simplify": False,
        "text.parse_math": False,  # a label's $ is a $
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],  # matplotlib brings it along
        "font.size": 10.5,
        "text.color": INK,
        "axes.labelcolor": FAINT,
        "axes.edgecolor": GRID,
        "axes.facecolor": GROUND,
        "figure.facecolor": GROUND,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "grid.color": GRID,
    }


def _drawing(chart: Chart) -> Any:
    from matplotlib.figure import Figure as Drawing

    drawing = Drawing(figsize=INCHES)
    above = chart.legend == "above"
    axes = drawing.add_axes((0.14, 0.15, 0.83, 0.6 if above else 0.72))
    for place, curve in enumerate(chart.curves):
        _line(axes, place, curve)
    axes.set_title(chart.title, loc="left", fontsize=11, pad=37 if above else 9)
    axes.set_xlabel(chart.x_label)
    axes.grid(axis="y", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0, which="both")
    _scale(axes, chart)
    if chart.level is not None:
        axes.axhline(chart.level, color=FAINT, linewidth=1, linestyle=(0, (2, 2)))
    for place in chart.breaks:
        axes.axvline(place, color=FAINT, linewidth=1, linestyle=(0, (2, 2)))
    if len(chart.curves) > 1:
        _legend(axes, chart)
    return drawing


def _legend(axes: Any, chart: Chart) -> None:
    if chart.legend == "above":  # three columns, which are filled one after the other
        place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.02, 0.99), "ncols": 3}
        axes.legend(frameon=False, handlelength=2.6, fontsize=8, columnspacing=1.0, **place)
    else:
        axes.legend(frameon=False, handlelength=3.6, fontsize=10, loc=chart.legend)


def _line(axes: Any, place: int, curve: Curve) -> None:
    """Draws a line; markers of different lines do not fall on the same points."""
    every = max(1, len(curve.x) // MARKS)
    number, variant = curve.looks or (place, False)
    axes.plot(
        curve.x,
        curve.y,
        label=plain(curve.label),
        color=LINES[number % len(LINES)],
        linestyle=DASHES[number % len(DASHES)],
        marker=MARKERS[number % len(MARKERS)],
        markevery=(place * every // 3 if every > 1 else 0, every),
        markersize=4.5,
        linewidth=0.8 if variant else 1.6,
        fillstyle="none" if variant else "full",
    )


def plain(label: str) -> str:
    """What the font can draw of a label."""
    drawn = label.encode("ascii", "backslashreplace").decode()
    return drawn if len(drawn) <= LABEL_LENGTH else f"{drawn[: LABEL_LENGTH - 3]}..."


def _scale(axes: Any, chart: Chart) -> None:
    """Percent, or a logarithmic scale where there is anything above 0."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=(1, 2, 5, 10), integer=True))
    if chart.percent:
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(FuncFormatter(_formatted(lambda y: f"{100 * y:.0f} %")))
    elif any(y > 0 for curve in chart.curves for y in curve.y):
        axes.set_yscale("log", nonpositive="mask")
        shown = [y for curve in chart.curves for y in curve.y if y > 0]
        logarithmic(axes.yaxis, near=max(shown) < NEAR * min(shown))


def logarithmic(axis: Any, *, near: bool = False) -> None:
    """Labels an axis whose scale is logarithmic: matplotlib's own would be TeX.

    Args:
        axis: It.
        near: Whether powers of ten alone would be too few.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if near else (1,), numticks=7))
    axis.set_major_formatter(FuncFormatter(_formatted(lambda value: f"{value:g}")))
    axis.set_minor_formatter(NullFormatter())


def _formatted(write: Callable[[float], str]) -> Callable[[float, int | None], str]:
    return lambda value, _position: write(value)


def _tidy(svg: str) -> str:
    """Drops what matplotlib adds and no one reads: the date and such, comments, unused ids."""
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\s*<!--.*?-->", "", svg, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', svg))
    return re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in used else "", svg)


def _inline(svg: str) -> str:
    """The drawing within an HTML page: no file header, colours and font from its style sheet."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r'\1 aria-hidden="true"', svg)
    svg = svg.replace("'DejaVu Sans'", "var(--sans)").replace('"DejaVu Sans"', "var(--sans)")
    for colour, name in VARIABLES.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg
