"""A page as plain data, from which Markdown and HTML are both written.

Text is never markup here: whatever a record says is escaped by the writer of each format.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

Tone = Literal["", "pass", "fail", "absent", "warning"]
Align = Literal["left", "right"]


@dataclass(frozen=True)
class Span:
    """A piece of text.

    Attributes:
        text: What it says.
        href: Where it leads, relative to the reports folder; nowhere if empty.
        code: Whether it is a name or a digest, to be set in a fixed pitch.
        strong: Whether it is stressed.
    """

    text: str
    href: str = ""
    code: bool = False
    strong: bool = False


Text = tuple[Span, ...]


@dataclass(frozen=True)
class Cell:
    """A table's cell; the tone colours what its words say already."""

    text: Text
    tone: Tone = ""


@dataclass(frozen=True)
class Column:
    """A table's column.

    Attributes:
        title: Its heading.
        align: Numbers are on the right.
        group: Neighbours of one group have a heading together, above their own.
        choice: Whether its values are few, so that a browser offers them to choose from.
    """

    title: Text
    align: Align = "left"
    group: str = ""
    choice: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells.

    Attributes:
        columns: What is in them.
        rows: The first cell of each names it.
        total: Whether the last row sums up the others.
        searched: Whether a browser may filter and sort the rows, and go to the first that differs.
        role: What is special about its looks; nothing if empty.
    """

    kind: ClassVar[str] = "table"
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: bool = False
    searched: bool = False
    role: Literal["", "matrix"] = ""

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Headings above the columns' own, each with how many columns it is of; none if empty."""
        if not any(column.group for column in self.columns):
            return []
        runs = itertools.groupby(self.columns, key=lambda column: column.group)
        return [(name, len(list(run))) for name, run in runs]


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; one with a tone stands out."""

    kind: ClassVar[str] = "paragraph"
    text: Text
    tone: Tone = ""


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    kind: ClassVar[str] = "heading"
    title: str


@dataclass(frozen=True)
class Bullets:
    """A list."""

    kind: ClassVar[str] = "bullets"
    items: tuple[Text, ...]


@dataclass(frozen=True)
class Figure:
    """A drawing.

    Attributes:
        name: Its files' path in the reports folder, without a suffix.
        alt: What it shows, in words, for who cannot see it.
        svg: A whole file, in light colours on an opaque ground.
        inline: The same for an HTML page, whose style sheet gives the colours.
        png: The same as pixels.
        wide: Whether it takes the width of the page.
    """

    kind: ClassVar[str] = "figure"
    name: str
    alt: str
    svg: str
    inline: str
    png: bytes
    wide: bool = False


@dataclass(frozen=True)
class Figures:
    """Drawings side by side where there is room."""

    kind: ClassVar[str] = "figures"
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Picture:
    """Pixels that a record holds, shown as wide as the page.

    Attributes:
        name: Its file's path in the reports folder, without the suffix.
        alt: What it shows, in words, for who cannot see it.
        png: The file.
    """

    kind: ClassVar[str] = "picture"
    name: str
    alt: str
    png: bytes


@dataclass(frozen=True)
class Listing:
    """Lines of a program, or of what it printed, in a fixed pitch and as they are.

    Attributes:
        lines: Them, without their ends.
        language: Whose they are, for a reader that colours them; of no language if empty.
    """

    kind: ClassVar[str] = "listing"
    lines: tuple[str, ...]
    language: Literal["", "python"] = ""


@dataclass(frozen=True)
class Folded:
    """What most readers do not need at first."""

    kind: ClassVar[str] = "folded"
    summary: Text
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Attachment:
    """What is long: a file of its own in Markdown, folded in HTML or a link to that file.

    Attributes:
        title: Its heading.
        path: The Markdown file, in the reports folder.
        note: A few words on what is in it.
        blocks: Its content; links in it are relative to the reports folder.
        within: Whether an HTML page holds it; links to the file lead there then.
    """

    kind: ClassVar[str] = "attachment"
    title: str
    path: str
    note: Text
    blocks: tuple[Block, ...]
    within: bool = True

    @property
    def anchor(self) -> str:
        """Its place in an HTML page that holds it."""
        return re.sub(r"[^A-Za-z0-9]+", "-", self.path.rpartition(".")[0])


Block = (
    Table
    | Paragraph
    | Heading
    | Bullets
    | Figure
    | Figures
    | Picture
    | Listing
    | Folded
    | Attachment
)


@dataclass(frozen=True)
class Section:
    """A heading, by whose `name` it is linked to, and what is below it."""

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A page: its title, what stands before the first heading, and the sections."""

    title: str
    opening: tuple[Block, ...]
    sections: tuple[Section, ...] = field(default=())


def text(*parts: str | Span) -> Text:
    """Makes a text of plain strings and spans."""
    return tuple(Span(part) if isinstance(part, str) else part for part in parts)


def plain(words: Text) -> str:
    """What a text says, without its marks."""
    return "".join(span.text for span in words)


def cell(*parts: str | Span, tone: Tone = "") -> Cell:
    """Makes a cell."""
    return Cell(text(*parts), tone)


def columns(*titles: str | Span, right: tuple[int, ...] = ()) -> tuple[Column, ...]:
    """Makes columns; those whose places are in `right` hold numbers."""
    return tuple(
        Column(text(title), "right" if place in right else "left")
        for place, title in enumerate(titles)
    )


def code(name: str, href: str = "") -> Span:
    """Makes a span of fixed pitch."""
    return Span(name, href, code=True)


def strong(words: str) -> Span:
    """Makes a stressed span."""
    return Span(words, strong=True)


def link(words: str, href: str) -> Span:
    """Makes a span that leads somewhere."""
    return Span(words, href)


def joined(parts: list[Span], separator: str = ", ") -> Text:
    """Puts a separator between spans."""
    result: list[Span] = []
    for part in parts:
        result += [Span(separator), part] if result else [part]
    return tuple(result)


def every(document: Document) -> Iterator[Block]:
    """All blocks of a page, those that are within others after what they are in."""
    yield from _within(document.opening)
    for section in document.sections:
        yield from _within(section.blocks)


def _within(blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        if isinstance(block, Figures):
            yield from block.figures
        if isinstance(block, Folded | Attachment):
            yield from _within(block.blocks)
