"""A net drawn as its stages and modules, each layer in the colour of its rho.

A stage is the modules in a row whose maps have one size, a module the layers in a row whose names
begin alike, and its parts those whose names go on alike: trunk and mask of an attention module.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ranparity.caffe.description import Described, Description
from ranparity.report.curves import FAINT, GRID, INK, LINES, rendered
from ranparity.report.document import Figure
from ranparity.report.layer_rho import LayerRho, Measured

# Upper ends of the classes of rho below the constant, and their colours; then what is above it.
CLASSES = (
    (0.0, "#e3e9ef"),
    (0.5, "#c3d8ea"),
    (1.0, "#94c0de"),
    (3.0, "#5a9fcb"),
    (10.0, "#2b76b3"),
)
NEAR, DIFFERS = "#0b478c", LINES[1]
WIDTH = 9.2  # inches
LEFT, RIGHT, TOP, BOTTOM = 0.85, 0.1, 0.5, 0.05  # of what surrounds the stages
STRIP, ABOVE, BELOW = 0.115, 0.74, 0.2  # a backend's row; a stage's labels
NARROW = 25  # layers that a module needs for its name to lie flat
CROWDED = 3  # layers between the beginnings of modules, below which the second has no name
GAP, ROOM = 8, 25  # layers: between stages in a line, and the least that a stage's label needs
RESIDUAL = re.compile(r"(?:res|bn|scale)(\d+[a-z]\d*)(?:_.*)?")


@dataclass(frozen=True)
class Group:
    """Layers in a row: their common name, and where they begin and end."""

    name: str
    begin: int
    end: int


@dataclass(frozen=True)
class Stage:
    """Modules in a row whose maps are of one size."""

    size: str
    modules: tuple[Group, ...]

    @property
    def begin(self) -> int:
        """Its first layer."""
        return self.modules[0].begin

    @property
    def end(self) -> int:
        """The layer behind its last."""
        return self.modules[-1].end


def module(name: str) -> str:
    """What a layer's module is called: `AttentionA_1`, `pre_res_1`, `res2a`, `conv1`."""
    base = name.partition("/")[0]
    if match := RESIDUAL.fullmatch(base):
        return f"res{match[1]}"
    return re.sub(r"^(bn|scale)_|_(relu|residual|bn|scale)$", "", base) or base


def part(name: str) -> str:
    """What a layer's part of its module is called: `trunk`, `mask`, or nothing."""
    second = name.split("/")[1:2]
    return second[0] if second and second[0] in ("trunk", "mask") else ""


def _groups(names: Sequence[str], begin: int = 0) -> Iterator[Group]:
    for name, run in itertools.groupby(names):
        end = begin + len(list(run))
        yield Group(name, begin, end)
        begin = end


def stages(layers: Sequence[Described]) -> tuple[Stage, ...]:
    """The stages of a net, in graph order; what has no map is of the last one's size, 1x1."""
    modules = list(_groups([module(layer.name) for layer in layers]))

    def size(group: Group) -> str:
        shape = layers[group.end - 1].facts.tops[0][2:]
        return "x".join(map(str, shape)) if len(shape) == 2 else "1x1"

    return tuple(Stage(name, tuple(run)) for name, run in itertools.groupby(modules, key=size))


def draw(title: str, description: Description, found: LayerRho) -> Figure:
    """Draws a net.

    Args:
        title: Its name.
        description: Its layers.
        found: What the ladder found of each of them.
    """
    name = f"figures/network-{title}"
    digest = hashlib.sha256(repr((title, found)).encode()).hexdigest()
    shown = stages(description.layers)
    return rendered(
        name, _alt(title, found), digest, lambda: _drawing(shown, description, found), wide=True
    )


def _alt(title: str, found: LayerRho) -> str:
    """What the drawing shows, in words."""
    largest = [
        (rho, layer, each)
        for each in found.measured
        for layer, rho in zip(found.layers, each.rhos, strict=True)
        if rho is not None
    ]
    if not largest:
        return f"{title}: no layer has a rho."
    rho, layer, each = max(largest, key=lambda one: one[0])
    over = sum(one[0] > found.limit for one in largest)
    return (
        f"{title} by stages and modules, each of {len(found.layers)} layers coloured by its rho: "
        f"the largest is {rho:.3g}, of {layer} on {each.backend} at level {each.level}; "
        f"{over} of {len(largest)} are above {found.limit:g}."
    )


def _drawing(shown: Sequence[Stage], description: Description, found: LayerRho) -> Any:
    from matplotlib.figure import Figure as Drawing

    strip = STRIP * len(found.measured)
    each = ABOVE + strip + BELOW
    lines, longest = _lines(shown)
    height = TOP + each * len(lines) + BOTTOM
    drawing = Drawing(figsize=(WIDTH, height))
    scale = (WIDTH - LEFT - RIGHT) / longest / WIDTH
    for place, line in enumerate(lines):
        bottom = (height - TOP - place * each - ABOVE - strip) / height
        for left, stage in line:
            width = (stage.end - stage.begin) * scale
            axes = drawing.add_axes((LEFT / WIDTH + left * scale, bottom, width, strip / height))
            _stage(axes, stage, description.layers, found)
            if not left:
                _name_rows(axes, found)
    _legend(drawing, found.limit, height)
    return drawing


def _lines(shown: Sequence[Stage]) -> tuple[list[list[tuple[int, Stage]]], int]:
    """Stages side by side where there is room: where each begins, and how long a line is."""
    longest = max(stage.end - stage.begin for stage in shown)
    lines: list[list[tuple[int, Stage]]] = []
    end = longest
    for stage in shown:
        size = stage.end - stage.begin
        begin = end + GAP
        if begin + max(size, ROOM) > longest:
            lines.append([])
            begin = 0
        lines[-1].append((begin, stage))
        end = begin + max(size, ROOM)
    return lines, longest


def _stage(axes: Any, stage: Stage, layers: Sequence[Described], found: LayerRho) -> None:
    """A row a level and backend, a cell a layer; frames and names of modules."""
    rows = len(found.measured)
    axes.set_xlim(stage.begin, stage.end)
    axes.set_ylim(rows, 0)
    axes.set_xticks([])
    axes.set_yticks([])
    for row, measured in enumerate(found.measured):
        _cells(axes, row, stage, measured, found.limit)
    named = -CROWDED
    for group in stage.modules:
        if group.begin - stage.begin - named >= CROWDED:
            named = group.begin - stage.begin
            _name(axes, group)
        axes.plot([group.end] * 2, [-0.3, rows], color=FAINT, linewidth=0.7, clip_on=False)
        parts = list(_groups([part(x.name) for x in layers[group.begin : group.end]], group.begin))
        if any(each.name for each in parts):
            _parts(axes, parts, rows)
    axes.annotate(
        f"maps of {stage.size}",
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 72 * (ABOVE - 0.13)),
        textcoords="offset points",
        fontsize=8,
        color=FAINT,
    )


def _name_rows(axes: Any, found: LayerRho) -> None:
    axes.set_yticks([row + 0.5 for row in range(len(found.measured))])
    axes.set_yticklabels([f"{x.level} {x.backend}" for x in found.measured], fontsize=6.5)
    axes.tick_params(length=0, pad=3)


def _cells(axes: Any, row: int, stage: Stage, measured: Measured, limit: float) -> None:
    """Neighbours of one class are one bar; what differs has a cross too."""
    places = range(stage.begin, stage.end)
    for colour, run in itertools.groupby(places, key=lambda x: _colour(measured.rhos[x], limit)):
        taken = list(run)
        if colour:
            axes.broken_barh([(taken[0], len(taken))], (row + 0.06, 0.88), color=colour, lw=0)
    far = [x + 0.5 for x in places if (measured.rhos[x] or 0) > limit]
    if far:
        axes.plot(far, [row + 0.5] * len(far), "x", color=INK, markersize=3, markeredgewidth=0.8)


def _colour(rho: float | None, limit: float) -> str:
    """A class's colour; nothing where there is no rho."""
    if rho is None:
        return ""
    if rho > limit:
        return DIFFERS
    return next((colour for end, colour in CLASSES if rho <= end), NEAR)


def _name(axes: Any, group: Group) -> None:
    """Puts a module's name above it, aslant where it has little room."""
    flat = group.end - group.begin > NARROW
    axes.text(
        group.begin + (0.5 if flat else (group.end - group.begin) / 2),
        -0.4,
        group.name,
        fontsize=7.5 if flat else 6.5,
        rotation=0 if flat else 45,
        rotation_mode="anchor",
        va="bottom",
        ha="left",
    )


def _parts(axes: Any, parts: Sequence[Group], rows: int) -> None:
    for each in parts:
        axes.plot([each.end] * 2, [0, rows], color=GRID, linewidth=0.7, linestyle=(0, (2, 1)))
        if each.name:
            middle = (each.begin + each.end) / 2
            axes.text(
                middle, rows + 0.35, each.name, fontsize=6.5, color=FAINT, va="top", ha="center"
            )


def _legend(drawing: Any, limit: float, height: float) -> None:
    """The classes in words; the same for every net."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    ends = [end for end, _ in CLASSES]
    said = ["identical", *(f"to {end:g}" for end in ends[1:]), f"to {limit:g}"]
    colours = [colour for _, colour in CLASSES] + [NEAR]
    known: list[Any] = [Patch(color=c, label=x) for c, x in zip(colours, said, strict=True)]
    known.append(
        Line2D([], [], color=DIFFERS, marker="x", markeredgecolor=INK, lw=6, label="differs")
    )
    drawing.legend(
        handles=known,
        title="rho of a layer, by level and backend",
        title_fontsize=8,
        fontsize=7.5,
        ncols=len(known),
        frameon=False,
        loc="upper left",
        bbox_to_anchor=(LEFT / WIDTH - 0.01, 1 - 0.02 / height),
        columnspacing=1.1,
        handlelength=1.2,
        alignment="left",
    )
