"""Writes a document as GitHub's Markdown."""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from ranparity.report.document import (
    Attachment,
    Block,
    Bullets,
    Column,
    Document,
    Figure,
    Figures,
    Folded,
    Heading,
    Listing,
    Paragraph,
    Picture,
    Span,
    Table,
    Text,
    plain,
)

START = re.compile(r"^(\d*)([#+\-=.)])")
SPECIAL = re.compile(r"([\\`*_\[\]|~])")
FIGURE_WIDTH = 400  # pixels, so that two stand side by side on GitHub
WIDE = 840  # pixels, as wide as GitHub's text


@dataclass(frozen=True)
class Place:
    """Where a file is, for its links.

    Attributes:
        up: Leads from the file to the reports folder.
        anchors: What GitHub makes of the headings, by the names of their sections.
    """

    up: str = ""
    anchors: Mapping[str, str] = field(default_factory=dict)

    def address(self, href: str) -> str:
        """A link's target: a section of the page, or a path within the reports folder."""
        if href.startswith("#"):
            return f"#{self.anchors.get(href[1:], href[1:])}"
        return quote(self.up + href, safe="/.#-_~")


def write(document: Document) -> str:
    """The page; what is attached is linked to, and written by `write_attachment`."""
    place = Place(anchors={part.name: anchor(part.title) for part in document.sections})
    parts = [f"# {escape(document.title)}", *_blocks(document.opening, place)]
    for section in document.sections:
        parts += [f"## {escape(section.title)}", *_blocks(section.blocks, place)]
    return "\n\n".join(parts) + "\n"


@functools.lru_cache(maxsize=64)  # the layer tables of a zoo, which many reports have in common
def write_attachment(attachment: Attachment) -> str:
    """What is attached, as a file of its own."""
    place = Place("../" * attachment.path.count("/"))
    parts = [f"# {escape(attachment.title)}", *_blocks(attachment.blocks, place)]
    return "\n\n".join(parts) + "\n"


def anchor(title: str) -> str:
    """What GitHub calls a heading: lower case, words joined by hyphens, no punctuation."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def escape(words: str) -> str:
    """Text whose every character is shown as it is; not made a link, even if it looks like one."""
    words = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    words = SPECIAL.sub(r"\\\1", words)
    return words.replace("://", "&#58;//").replace("www.", "www&#46;").replace("@", "&#64;")


def _blocks(blocks: tuple[Block, ...], place: Place) -> Iterator[str]:
    for block in blocks:
        yield from _block(block, place)


def _block(block: Block, place: Place) -> Iterator[str]:
    match block:
        case Paragraph() | Heading() | Listing():
            yield _lines(block, place)
        case Bullets():
            yield "\n".join(f"- {_line(item, place)}" for item in block.items)
        case Table():
            yield table(block, place)
        case Figures():
            yield "\n".join(_image(figure, place) for figure in block.figures)
        case Figure() | Picture():
            yield _image(block, place)
        case Folded():
            yield f"<details><summary>{html.escape(plain(block.summary))}</summary>"
            yield from _blocks(block.blocks, place)
            yield "</details>"
        case Attachment():
            target = place.address(block.path)
            yield f"- [{escape(block.title)}]({target}): {text(block.note, place)}"


def _lines(block: Paragraph | Heading | Listing, place: Place) -> str:
    """A heading, a listing, or a paragraph, which is a quote where it must stand out."""
    if isinstance(block, Heading):
        return f"### {escape(block.title)}"
    if isinstance(block, Listing):
        return _listing(block)
    mark = "> " if block.tone in ("warning", "fail") else ""
    return mark + _line(block.text, place)


def _listing(block: Listing) -> str:
    """A fenced block; the fence is longer than any within."""
    fence = "`" * max(3, 1 + _longest_run("\n".join(block.lines)))
    return "\n".join((f"{fence}{block.language}", *block.lines, fence))


def _image(image: Figure | Picture, place: Place) -> str:
    """The PNG; as HTML, for Markdown knows no width.

    That of a figure leads to the SVG, and that of a picture, as wide as there is room, to itself.
    """
    source = place.address(f"{image.name}.png")
    target, width = source, ""
    if isinstance(image, Figure):
        target = place.address(f"{image.name}.svg")
        width = f'width="{WIDE if image.wide else FIGURE_WIDTH}" '
    shown = f'<img src="{source}" {width}alt="{html.escape(image.alt)}">'
    return f'<a href="{target}">{shown}</a>'


def table(block: Table, place: Place | None = None) -> str:
    """A table; its columns are not padded, so that one new row changes one line."""
    place = place or Place()
    titles = [_title(column, place) for column in block.columns]
    rule = ["---:" if column.align == "right" else "---" for column in block.columns]
    rows = [[text(cell.text, place) for cell in row] for row in block.rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (titles, rule, *rows))


def _title(column: Column, place: Place) -> str:
    """A column's title, behind that of its group, for Markdown has one row of them."""
    group = f"{escape(column.group)}: " if column.group else ""
    return group + text(column.title, place)


def _line(words: Text, place: Place) -> str:
    """A text at the start of a line, where it must not begin a heading, a list or a quote."""
    return START.sub(r"\1\\\2", text(words, place).lstrip())


def text(words: Text, place: Place | None = None) -> str:
    """A text with its marks."""
    return "".join(_span(span, place or Place()) for span in words)


def _span(span: Span, place: Place) -> str:
    words = _code(span.text) if span.code else escape(span.text)
    if span.strong and words:
        words = f"**{words}**"
    return f"[{words}]({place.address(span.href)})" if span.href else words


def _code(words: str) -> str:
    """Fixed pitch; the fence is longer than any within. A cell's | is escaped even there."""
    space = " " if words.startswith("`") or words.endswith("`") else ""
    fence = "`" * (_longest_run(words) + 1)
    return f"{fence}{space}{words}{space}{fence}".replace("|", r"\|") if words else ""


def _longest_run(words: str) -> int:
    """Of backticks one after the other."""
    return max((len(run) for run in re.findall("`+", words)), default=0)
