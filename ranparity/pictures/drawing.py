"""Draws what attention modules make of images, as one PNG: the same figures give the same bytes.

A row is an image, and a band of rows has three modules at most, those of a stage together, so that
a net with many has more bands and not wider ones. Each module has three columns: the trunk's map
before the mask, the mask over the image, and the map after it. Maps are means over channels, drawn
pixel for pixel.
"""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ranparity.pictures import colours
from ranparity.pictures.attention import Maps, Seen
from ranparity.pictures.images import Chosen

ACROSS = 3  # modules in a band
PIXELS_AN_INCH = 100
INK, FAINT, GROUND = "#1f2428", "#57606b", "#ffffff"
EXPLANATION = (
    "Means over channels. Before and after share one scale; each mask has its own, over its image."
)
LONGEST = 14  # characters of an image's title

# Inches.
CELL, GAP, APART = 1.0, 0.09, 0.3  # an image; between columns of a module; between modules
LEFT, TOP, HEAD, FOOT, EDGE = 1.2, 0.85, 0.6, 0.55, 0.15
BAR = 0.09  # a colour bar's height


@dataclass(frozen=True)
class Band:
    """Some modules one beside the other.

    Attributes:
        seen: The modules.
        top: Where the band begins below the picture's upper edge, in inches.
    """

    seen: Sequence[Seen]
    top: float


def draw(title: str, chosen: Chosen, seen: Sequence[Seen]) -> bytes:
    """Give the picture as a PNG file.

    Args:
        title: What stands above it, in one line.
        chosen: The images, a row each.
        seen: What the modules make of them, from the first module on.
    """
    import matplotlib as mpl

    style: Any = {"text.parse_math": False, "font.family": "DejaVu Sans", "text.color": INK}
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever the user's matplotlibrc says
        mpl.rcParams.update(style)
        return _png(_Sheet(title, chosen, _bands(seen, len(chosen.titles))))


def fingerprint(chosen: Chosen, seen: Sequence[Seen]) -> str:
    """SHA-256 of what a picture draws: the images and the maps, to the last bit."""
    digest = hashlib.sha256(chosen.pixels.tobytes())
    for each in seen:
        for maps in (each.before, each.mask, each.after):
            digest.update(np.ascontiguousarray(maps, "<f8").tobytes())
    return digest.hexdigest()


def _bands(seen: Sequence[Seen], images: int) -> list[Band]:
    height = HEAD + images * (CELL + GAP) + FOOT
    return [Band(some, TOP + height * place) for place, some in enumerate(parted(seen))]


def parted(seen: Sequence[Seen]) -> list[list[Seen]]:
    """Give modules by bands: whole stages while there is room, and long stages in equal parts."""
    bands: list[list[Seen]] = []
    for _, group in itertools.groupby(seen, key=lambda each: each.module.stage):
        stage = list(group)
        parts = -(-len(stage) // ACROSS)
        for part in np.array_split(np.arange(len(stage)), parts):
            if not bands or len(bands[-1]) + len(part) > ACROSS:
                bands.append([])
            bands[-1] += [stage[place] for place in part]
    return bands


def _png(sheet: _Sheet) -> bytes:
    file = io.BytesIO()
    seen = [each for band in sheet.bands for each in band.seen]
    note: Any = {
        "Software": None,
        "Description": f"Draws data of digest {fingerprint(sheet.chosen, seen)}",
    }
    sheet.drawn().savefig(file, format="png", dpi=PIXELS_AN_INCH, metadata=note)
    return file.getvalue()


class _Sheet:
    """The picture in inches from its upper left corner."""

    def __init__(self, title: str, chosen: Chosen, bands: Sequence[Band]) -> None:
        from matplotlib.figure import Figure

        self.title, self.chosen, self.bands = title, chosen, bands
        self.images = len(chosen.titles)
        widest = max(len(band.seen) for band in bands)
        self.width = self._left(widest, 0) - APART + EDGE
        self.height = bands[-1].top + HEAD + self.images * (CELL + GAP) + FOOT
        self.figure = Figure(figsize=(self.width, self.height), facecolor=GROUND)

    def drawn(self) -> Any:
        """Draw everything; gives matplotlib's figure."""
        self._text(EDGE, 0.17, _plain(self.title), size=11.5, va="top")
        self._text(EDGE, 0.42, EXPLANATION, colour=FAINT, va="top")
        for band in self.bands:
            self._inputs(band)
            for place, seen in enumerate(band.seen):
                self._module(band, place, seen)
        return self.figure

    def _left(self, module: int, column: int) -> float:
        """Where a column of a module in a band begins."""
        whole = 3 * CELL + 2 * GAP + APART
        return LEFT + CELL + APART + module * whole + column * (CELL + GAP)

    def _row(self, band: Band, row: int) -> float:
        return band.top + HEAD + row * (CELL + GAP)

    def _inputs(self, band: Band) -> None:
        """The column of the images, with their titles beside them."""
        self._text(LEFT + CELL / 2, band.top + HEAD - 0.09, "image", colour=FAINT, ha="center")
        for row, title in enumerate(self.chosen.titles):
            top = self._row(band, row)
            self._cell(LEFT, top).imshow(
                colours.of_images(self.chosen)[row], interpolation="nearest"
            )
            self._text(LEFT - 0.1, top + CELL / 2, _short(title), ha="right", va="center")

    def _module(self, band: Band, place: int, seen: Seen) -> None:
        """Three columns: before, mask, after; each with a colour bar."""
        height, width, channels = seen.module.shape
        middle = self._left(place, 1) + CELL / 2
        self._text(middle, band.top + 0.16, _plain(seen.module.name), ha="center", size=10.5)
        size = f"{height} \N{MULTIPLICATION SIGN} {width}, {channels} channels"
        self._text(middle, band.top + 0.34, size, ha="center", colour=FAINT)
        maps = colours.limits(seen.before, seen.after)
        self._column(band, place, 0, "before", seen.before, maps)
        self._column(band, place, 1, "mask", seen.mask, colours.limits(seen.mask))
        self._column(band, place, 2, "after", seen.after, maps)

    def _column(
        self,
        band: Band,
        place: int,
        column: int,
        head: str,
        maps: Maps,
        limits: tuple[float, float],
    ) -> None:
        left = self._left(place, column)
        self._text(left + CELL / 2, band.top + HEAD - 0.09, head, colour=FAINT, ha="center")
        kind = "mask" if head == "mask" else "map"
        for row in range(self.images):
            drawn = colours.coloured(maps[row], limits, kind)
            if kind == "mask":
                drawn = colours.over(drawn, colours.grey(self.chosen)[row])
            self._cell(left, self._row(band, row)).imshow(drawn, interpolation="nearest")
        self._bar(left, self._row(band, self.images) + 0.04, limits, kind)

    def _bar(self, left: float, top: float, limits: tuple[float, float], kind: str) -> None:
        """The colours of a column from its least value to its largest."""
        axes = self._axes(left, top, CELL, BAR)
        axes.imshow(
            colours.coloured(np.linspace(0, 1, 256)[np.newaxis], (0, 1), kind), aspect="auto"
        )
        low, high = limits
        self._text(left, top + BAR + 0.04, _number(low), colour=FAINT, va="top", size=7.5)
        end = left + CELL
        self._text(
            end, top + BAR + 0.04, _number(high), colour=FAINT, va="top", size=7.5, ha="right"
        )

    def _cell(self, left: float, top: float) -> Any:
        return self._axes(left, top, CELL, CELL)

    def _axes(self, left: float, top: float, width: float, height: float) -> Any:
        bottom = self.height - top - height
        axes = self.figure.add_axes(
            (left / self.width, bottom / self.height, width / self.width, height / self.height)
        )
        axes.set_axis_off()
        return axes

    def _text(
        self, left: float, top: float, words: str, colour: str = INK, size: float = 9, **how: Any
    ) -> None:
        x, y = left / self.width, 1 - top / self.height
        self.figure.text(x, y, words, color=colour, fontsize=size, **how)


def _number(value: float) -> str:
    return f"{value:.3g}"


def _short(title: str) -> str:
    """Give what there is room for of a title."""
    plain = _plain(title)
    return plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 3]}..."


def _plain(words: str) -> str:
    """Give what the font can draw of a text."""
    return words.encode("ascii", "backslashreplace").decode()
