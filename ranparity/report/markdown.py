"""Writes a document as GitHub's Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from ranparity.report.document import (
    Attachment,
    Block,
    Bullets,
    Document,
    Figure,
    Figures,
    Folded,
    Paragraph,
    Span,
    Table,
    Text,
)

START = re.compile(r"^(\d*)([#+\-=.)])")
SPECIAL = re.compile(r"([\\`*_\[\]|~])")


def write(document: Document) -> str:
    """The page; what is attached is linked to, and written by `write_attachment`."""
    parts = [f"# {escape(document.title)}", *_blocks(document.opening, "")]
    for section in document.sections:
        parts += [f"## {escape(section.title)}", *_blocks(section.blocks, "")]
    return "\n\n".join(parts) + "\n"


def write_attachment(attachment: Attachment) -> str:
    """What is attached, as a file of its own."""
    up = "../" * attachment.path.count("/")
    parts = [f"# {escape(attachment.title)}", *_blocks(attachment.blocks, up)]
    return "\n\n".join(parts) + "\n"


def escape(words: str) -> str:
    """Text whose every character is shown as it is; not made a link, even if it looks like one."""
    words = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    words = SPECIAL.sub(r"\\\1", words)
    return words.replace("://", "&#58;//").replace("www.", "www&#46;").replace("@", "&#64;")


def _blocks(blocks: tuple[Block, ...], up: str) -> Iterator[str]:
    """Writes blocks; `up` leads from the file to the reports folder."""
    for block in blocks:
        yield from _block(block, up)


def _block(block: Block, up: str) -> Iterator[str]:
    match block:
        case Paragraph():
            mark = "> " if block.tone in ("warning", "fail") else ""
            yield mark + _line(block.text, up)
        case Bullets():
            yield "\n".join(f"- {_line(item, up)}" for item in block.items)
        case Table():
            yield table(block, up)
        case Figures():
            yield from (_figure(figure, up) for figure in block.figures)
        case Figure():
            yield _figure(block, up)
        case Folded():
            yield f"<details><summary>{_html(block.summary)}</summary>"
            yield from _blocks(block.blocks, up)
            yield "</details>"
        case Attachment():
            yield f"- [{escape(block.title)}]({address(block.path, up)}): {text(block.note, up)}"


def _html(words: Text) -> str:
    """Words alone, within an HTML tag."""
    return "".join(span.text for span in words).replace("&", "&amp;").replace("<", "&lt;")


def _figure(figure: Figure, up: str) -> str:
    image = f"![{escape(figure.alt)}]({address(figure.name + '.png', up)})"
    return f"[{image}]({address(figure.name + '.svg', up)})"


def table(block: Table, up: str = "") -> str:
    """A table; its columns are not padded, so that one new row changes one line."""
    titles = [text(column.title, up) for column in block.columns]
    rule = ["---:" if column.align == "right" else "---" for column in block.columns]
    rows = [[text(cell.text, up) for cell in row] for row in block.rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (titles, rule, *rows))


def _line(words: Text, up: str) -> str:
    """A text at the start of a line, where it must not begin a heading, a list or a quote."""
    return START.sub(r"\1\\\2", text(words, up).lstrip())


def text(words: Text, up: str = "") -> str:
    """A text with its marks."""
    return "".join(_span(span, up) for span in words)


def _span(span: Span, up: str) -> str:
    words = _code(span.text) if span.code else escape(span.text)
    if span.strong and words:
        words = f"**{words}**"
    return f"[{words}]({address(span.href, up)})" if span.href else words


def _code(words: str) -> str:
    """Fixed pitch; the fence is longer than any within. A cell's | is escaped even there."""
    longest = max((len(run) for run in re.findall("`+", words)), default=0)
    space = " " if words.startswith("`") or words.endswith("`") else ""
    fence = "`" * (longest + 1)
    return f"{fence}{space}{words}{space}{fence}".replace("|", r"\|") if words else ""


def address(href: str, up: str = "") -> str:
    """A link's target; a path within the reports folder."""
    return quote(up + href, safe="/.#-_~")
