"""A page as plain data, from which Markdown and HTML are both written.

Text is never markup here: whatever a record says is escaped by the writer of each format.
"""

from __future__ import annotations

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
    """A table's column."""

    title: Text
    align: Align = "left"


@dataclass(frozen=True)
class Table:
    """Rows of cells; `total` marks that the last row sums up the others."""

    kind: ClassVar[str] = "table"
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: bool = False


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
    """

    kind: ClassVar[str] = "figure"
    name: str
    alt: str
    svg: str
    inline: str
    png: bytes


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
        within: Whether an HTML page holds it.
    """

    kind: ClassVar[str] = "attachment"
    title: str
    path: str
    note: Text
    blocks: tuple[Block, ...]
    within: bool = True


Block = Table | Paragraph | Heading | Bullets | Figure | Figures | Picture | Folded | Attachment


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
