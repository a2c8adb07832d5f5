"""The record of a run's features before and after aggregation, data/runs/<id>/features.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ranparity.report import pictured
from ranparity.report.pictured import Files, Of
from ranparity.report.reading import Fields, MalformedError, is_count, parse_record
from ranparity.training.directory import FEATURES

FILE = FEATURES
Name = Literal["before", "after"]
SIDES: tuple[Name, ...] = ("before", "after")


@dataclass(frozen=True)
class Side:
    """The features before aggregation, or after it.

    Attributes:
        compactness: Mean over classes of the mean distance to the class's mean.
        distance: Mean over pairs of classes of 1 - cosine similarity of their means.
        accuracy: Of the stage of training that ends there, if that is recorded.
        points: The places of the images in the plane.
    """

    compactness: float
    distance: float
    accuracy: float | None
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class FeaturesRecord:
    """The features of a run.

    Attributes:
        of: Which run.
        images: Of how many images the figures are.
        sides: Before and after.
        labels: The classes of the images that are drawn.
        class_names: By label.
        seed: Of t-SNE.
        perplexity: Of t-SNE.
        library: What made the picture's places.
    """

    of: Of
    images: int = 0
    sides: Mapping[Name, Side] = field(default_factory=dict)
    labels: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()
    seed: int = 0
    perplexity: float = 0.0
    library: str = ""


def read(files: Files) -> Iterator[FeaturesRecord]:
    """Reads all such records; what cannot be read is there as an error."""
    for run, parts in pictured.of_each(files, FILE):
        try:
            yield of_run(run, parts)
        except MalformedError as fault:
            yield FeaturesRecord(Of(run, f"data/runs/{run}/{FILE}", error=str(fault)))


def of_run(run: str, files: Files) -> FeaturesRecord:
    """Reads the record of one run.

    Args:
        run: Its folder's name.
        files: Its files by name.

    Raises:
        MalformedError: It does not say what it must.
    """
    fields = parse_record(files[FILE])
    whose = pictured.of(run, f"data/runs/{run}/{FILE}", fields, files)
    places = fields.fields("tsne")
    labels, names = places.items("labels"), fields.texts("class_names")
    if not labels or not all(is_count(label) and label < len(names) for label in labels):
        raise MalformedError("tsne: expected the label of a class for each image that is drawn")
    return FeaturesRecord(
        of=whose,
        images=fields.count("images"),
        sides={side: _side(fields.fields(side), places, side, len(labels)) for side in SIDES},
        labels=tuple(labels),
        class_names=names,
        seed=places.integer("seed"),
        perplexity=places.number("perplexity"),
        library=places.text("library"),
    )


def _side(fields: Fields, places: Fields, name: Name, count: int) -> Side:
    points = tuple(_point(point) for point in places.items(name))
    if len(points) != count:
        raise MalformedError(f"tsne: {len(points)} places {name}, and {count} labels")
    return Side(
        compactness=fields.number("intra_class_compactness"),
        distance=fields.number("inter_class_distance"),
        accuracy=fields.share("accuracy") if fields.has("accuracy") else None,
        points=points,
    )


def _point(value: Any) -> tuple[float, float]:
    fields = Fields({"point": value}, "tsne")
    if len(found := fields.numbers("point")) != 2:
        raise MalformedError(f"tsne: expected two numbers as a place, found {len(found)}")
    return found[0], found[1]
