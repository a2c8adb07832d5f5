"""What the sections on pictures of runs have in common: a heading a run, and what is damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from ranparity.report.document import Block, Heading, Paragraph, Text, code, link, text
from ranparity.report.pictured import Of
from ranparity.report.words import FAILED, NOT_RUN


class Pictured(Protocol):
    """A record of pictures."""

    @property
    def of(self) -> Of:
        """Which run it is of."""


Record = TypeVar("Record", bound=Pictured)


def blocks(
    introduction: Text, records: Sequence[Record], shown: Callable[[Record], Iterable[Block]]
) -> tuple[Block, ...]:
    """What a section holds: each record below its run's name, or why there is nothing.

    Args:
        introduction: Comes first, where there is a record.
        records: In the order of the page.
        shown: Gives what there is to see of a record that is whole.
    """
    if not records:
        return (Paragraph(text(NOT_RUN, "."), "absent"),)
    each = (block for record in records for block in _run(record, shown))
    return (Paragraph(introduction), *each)


def _run(record: Record, shown: Callable[[Record], Iterable[Block]]) -> Iterator[Block]:
    yield Heading(record.of.title)
    if record.of.error:
        yield Paragraph(_failure(record.of), "fail")
    else:
        yield from shown(record)


def problems(what: str, records: Iterable[Pictured]) -> Iterator[Text]:
    """Says which records are damaged; `what` begins each sentence."""
    for record in records:
        if record.of.error:
            yield text(f"{what} of ", code(record.of.run), ": ", *_failure(record.of))


def _failure(of: Of) -> Text:
    return text(FAILED, ": ", code(of.error), " (", link(of.path, of.path), ")")
