"""Writes a document for a terminal: its words and tables; drawings are for pages."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from tabulate import tabulate

from ranparity.report.document import (
    Block,
    Bullets,
    Document,
    Folded,
    Heading,
    Paragraph,
    Table,
    plain,
)

WIDTH = 100


def write(document: Document) -> str:
    """The document as text, a blank line between its parts."""
    parts = [document.title, *_blocks(document.opening)]
    for section in document.sections:
        parts += [f"{section.title}\n{'=' * len(section.title)}", *_blocks(section.blocks)]
    return "\n\n".join(parts)


def _blocks(blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, Paragraph):
            yield textwrap.fill(plain(block.text), WIDTH, break_long_words=False)
        elif isinstance(block, Heading):
            yield block.title
        elif isinstance(block, Bullets):
            yield "\n".join(f"- {plain(item)}" for item in block.items)
        elif isinstance(block, Table):
            yield _table(block)
        elif isinstance(block, Folded):
            yield plain(block.summary)
            yield from _blocks(block.blocks)


def _table(table: Table) -> str:
    return tabulate(
        [[plain(cell.text) for cell in row] for row in table.rows],
        headers=[plain(column.title) for column in table.columns],
        colalign=[column.align for column in table.columns],
        disable_numparse=True,
    )
