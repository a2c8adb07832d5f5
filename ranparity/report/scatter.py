"""Features as points in the plane, by class; the same record gives the same bytes.

Classes differ in colour and in marker, and each is named above the middle of its points, so that no
one of these is needed. With more classes than can be told apart none is named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from statistics import median
from typing import Any

from ranparity.report import curves
from ranparity.report.document import Figure
from ranparity.report.features_record import SIDES, FeaturesRecord, Name
from ranparity.report.words import count, plural

# Of middle brightness, for light and dark grounds.
COLOURS = (
    "#1f77b4",
    "#f58518",
    "#2ca02c",
    "#d62728",
    "#9467bd",
    "#b07a5a",
    "#e377c2",
    "#7f7f7f",
    "#a8a91c",
    "#17a6b8",
)
MARKERS = "os^DvP<X>*"
MOST_NAMED = 20  # classes
TITLES: dict[Name, str] = {"before": "f, before aggregation", "after": "z, after aggregation"}
INCHES = 4.4  # of a panel's side
TOP = 0.4  # for its title


def draw(name: str, record: FeaturesRecord, sides: Sequence[Name] = SIDES) -> Figure:
    """Draws one side, or both beside one another.

    Args:
        name: Path of the files in the reports folder, without a suffix.
        record: What was recorded.
        sides: Which panels, from the left.
    """
    return curves.rendered(
        name,
        describe(record, sides),
        fingerprint(record, sides),
        lambda: _drawing(record, sides),
    )


def describe(record: FeaturesRecord, sides: Sequence[Name]) -> str:
    """What is drawn, in words."""
    drawn, images = count(len(record.labels)), plural(record.images, "held-out image")
    what = " and ".join(
        f"{TITLES[side]} (inter-class distance {record.sides[side].distance:.3g})" for side in sides
    )
    classes = f"{len(set(record.labels))} classes"
    return f"t-SNE of {drawn} of {images}, {classes}: the features {what}."


def fingerprint(record: FeaturesRecord, sides: Sequence[Name]) -> str:
    """SHA-256 of what is drawn: places, labels and names."""
    points = [record.sides[side].points for side in sides]
    content = repr((tuple(sides), points, record.labels, record.class_names))
    return hashlib.sha256(content.encode()).hexdigest()


def _drawing(record: FeaturesRecord, sides: Sequence[Name]) -> Any:
    from matplotlib.figure import Figure as Drawing

    width, height = INCHES * len(sides), INCHES + TOP
    drawing = Drawing(figsize=(width, height))
    for place, side in enumerate(sides):
        left = (place + 0.03) / len(sides)
        axes = drawing.add_axes((left, 0.03, 0.94 / len(sides), (INCHES - 0.2) / height))
        axes.set_title(TITLES[side], loc="left", fontsize=11, pad=8)
        axes.set(xticks=[], yticks=[])
        _panel(axes, record, side)
    return drawing


def _panel(axes: Any, record: FeaturesRecord, side: Name) -> None:
    points = record.sides[side].points
    size = max(6.0, min(30.0, 9000 / len(points)))
    present = sorted(set(record.labels))
    tops = []
    for label in present:
        own = [point for point, of in zip(points, record.labels, strict=True) if of == label]
        x, y = zip(*own, strict=True)
        axes.scatter(
            x,
            y,
            s=size,
            color=COLOURS[label % len(COLOURS)],
            marker=MARKERS[(label + label // len(COLOURS)) % len(MARKERS)],
            linewidths=0,
            alpha=0.75,
        )
        tops.append((median(x), sorted(y)[len(y) * 9 // 10], record.class_names[label]))
    axes.margins(x=0.05, y=0.1)
    for x, y, name in tops if len(present) <= MOST_NAMED else ():
        _name(axes, x, y, name)


def _name(axes: Any, x: float, y: float, name: str) -> None:
    box = {"facecolor": curves.GROUND, "edgecolor": "none", "alpha": 0.7, "pad": 1.0}
    axes.annotate(
        curves.plain(name),
        (x, y),
        xytext=(0, 6),
        textcoords="offset points",
        ha="center",
        va="bottom",
        weight="bold",
        bbox=box,
    )
