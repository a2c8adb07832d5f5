"""The report on attention masks: the picture of each run, and the figures of each mask."""

from __future__ import annotations

from collections.abc import Iterator

from ranparity.report import picture_section
from ranparity.report.document import (
    Block,
    Cell,
    Paragraph,
    Picture,
    Section,
    Table,
    Text,
    cell,
    code,
    columns,
    link,
    text,
)
from ranparity.report.masks_record import Mask, MasksRecord
from ranparity.report.records import Evidence
from ranparity.report.words import NOTHING, listed, percent, plural

INTRODUCTION = text(
    "Each attention module multiplies the map of its trunk by a mask. For some images, and with "
    "the final weights of a run, each module has three columns: before, the trunk's output T; the "
    "mask M, laid over the image; and after, what the module goes on with, which is (1 + M) T in "
    "attention residual learning and M T in naive attention learning. Drawn are means over "
    "channels; the table is of all channels, positions and images."
)


def section(evidence: Evidence) -> Section:
    """For each run whose masks were drawn: its picture and a table."""
    blocks = picture_section.blocks(INTRODUCTION, evidence.masks, _shown)
    return Section("masks", "Attention masks", blocks)


def _shown(record: MasksRecord) -> Iterator[Block]:
    computed, path = record.of.backend, record.of.path
    images = listed(list(record.images))
    yield Paragraph(text(f"Computed with {computed}, of {images} (", link(path, path), ")."))
    yield Picture(f"figures/masks-{record.of.file_name}", describe(record), record.png)
    yield table(record)


def table(record: MasksRecord) -> Table:
    """A row a module."""
    titles = ("Module", "Stage", "Map", "Least", "Mean", "Largest", "Standard deviation")
    saturated = f"Within {record.within:g} of 0 or 1"
    rows = tuple(_row(mask) for mask in record.masks)
    return Table(columns(*titles, saturated, right=(1, 3, 4, 5, 6, 7)), rows)


def _row(mask: Mask) -> tuple[Cell, ...]:
    figures = (mask.least, mask.mean, mask.largest, mask.deviation)
    return (
        cell(code(mask.module)),
        cell(str(mask.stage)),
        cell(_times(mask)),
        *(cell(f"{figure:.4f}") for figure in figures),
        cell(NOTHING) if mask.saturated is None else cell(percent(mask.saturated)),
    )


def _times(mask: Mask) -> str:
    height, width, channels = mask.shape
    return f"{height} x {width}, {channels} channels"


def describe(record: MasksRecord) -> str:
    """The picture in words."""
    means = (f"{mask.module} {mask.mean:.2f}" for mask in record.masks)
    return (
        f"{record.of.title}: for {plural(len(record.images), 'image')}, the map before the mask, "
        f"the mask and the map after it, of {plural(len(record.masks), 'module')}. "
        f"Means of the masks: {', '.join(means)}."
    )


def problems(evidence: Evidence) -> Iterator[Text]:
    """Says which records are damaged."""
    return picture_section.problems("Masks", evidence.masks)
