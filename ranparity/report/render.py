"""Records to files: a pure function of the records and of the prototxts.

Nothing of the moment goes in: no time, no absolute path, no machine. So rendering twice gives the
same bytes, and a test can tell when committed files are stale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ranparity.report import html, markdown, page, schema_files
from ranparity.report.document import (
    Attachment,
    Document,
    Figure,
    Picture,
    every,
    plain,
)
from ranparity.report.records import Files, evidence

README, INDEX = "README.md", "index.html"


@dataclass(frozen=True)
class Rendered:
    """A report.

    Attributes:
        files: Contents by path relative to the reports folder.
        problems: What failed, differs or is missing, one line each; empty if all is well.
    """

    files: dict[str, bytes]
    problems: tuple[str, ...]


def render(records: Files) -> Rendered:
    """Renders the records' files, given by their path relative to the reports folder.

    Raises:
        InputError: A prototxt of the zoo is missing or damaged.
    """
    found = evidence(records)
    problems = page.problems(found)
    document = page.document(found, problems)
    return Rendered(dict(_files(document)), tuple(map(plain, problems)))


def _files(document: Document) -> Iterator[tuple[str, bytes]]:
    yield README, markdown.write(document).encode()
    yield INDEX, html.write(document).encode()
    for kind in schema_files.KINDS:
        yield schema_files.path(kind), schema_files.content(kind)
    for block in every(document):
        if isinstance(block, Attachment):
            yield block.path, markdown.write_attachment(block).encode()
        if isinstance(block, Figure):
            yield f"{block.name}.svg", block.svg.encode()
            yield f"{block.name}.png", block.png
        if isinstance(block, Picture):
            yield f"{block.name}.png", block.png
