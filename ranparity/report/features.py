"""The report on features before and after aggregation: figures, and the points in the plane."""

from __future__ import annotations

from collections.abc import Iterator

from ranparity.report import picture_section, scatter
from ranparity.report.document import (
    Block,
    Cell,
    Figures,
    Paragraph,
    Section,
    Table,
    Text,
    cell,
    columns,
    link,
    text,
)
from ranparity.report.features_record import SIDES, FeaturesRecord, Side
from ranparity.report.records import Evidence
from ranparity.report.words import NOTHING, count, percent

INTRODUCTION = text(
    "DRA-Net adds to the backbone's features f what its attractors make of them, which gives z. "
    "Intra-class compactness is the mean over classes of the mean Euclidean distance to the "
    "class's mean, so less is closer; inter-class distance is the mean over pairs of classes of 1 "
    "- the cosine similarity of their means, so more is farther apart. The published code measures "
    "f alone, and its second stage of training leaves f as it is, so that its figures cannot show "
    "what aggregation does: here both are measured. Accuracy before is that of the first stage, "
    "with the backbone's own classifier; accuracy after is that of the last. The picture is t-SNE "
    "of the held-out images: which points are close is meant, and not the axes."
)


def section(evidence: Evidence) -> Section:
    """For each run whose features were measured: a table, and the two pictures."""
    blocks = picture_section.blocks(INTRODUCTION, evidence.features, _shown)
    return Section("features", "Features before and after aggregation", blocks)


def _shown(record: FeaturesRecord) -> Iterator[Block]:
    path, drawn = record.of.path, len(record.labels)
    yield Paragraph(
        text(
            f"Computed with {record.of.backend}, of {count(record.images)} held-out images; "
            f"{count(drawn)} are drawn, by {record.library} with seed {record.seed} and "
            f"perplexity {record.perplexity:.3g} (",
            link(path, path),
            ").",
        )
    )
    yield table(record)
    name = f"figures/features-{record.of.file_name}"
    yield Figures(tuple(scatter.draw(f"{name}-{side}", record, (side,)) for side in SIDES))


def table(record: FeaturesRecord) -> Table:
    """A row a measure: before, after."""
    before, after = (record.sides[side] for side in SIDES)
    rows = (
        _row("Intra-class compactness", _plain(before.compactness), _plain(after.compactness)),
        _row("Inter-class distance", _plain(before.distance), _plain(after.distance)),
        _row("Test accuracy", _accuracy(before), _accuracy(after)),
    )
    return Table(columns("", "Before (f)", "After (z)", right=(1, 2)), rows)


def _row(title: str, before: Cell, after: Cell) -> tuple[Cell, ...]:
    return cell(title), before, after


def _plain(figure: float) -> Cell:
    return cell(f"{figure:.4f}")


def _accuracy(side: Side) -> Cell:
    return cell(NOTHING) if side.accuracy is None else cell(percent(side.accuracy))


def problems(evidence: Evidence) -> Iterator[Text]:
    """Says which records are damaged."""
    return picture_section.problems("Features", evidence.features)
