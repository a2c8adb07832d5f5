"""The record of a run's attention masks, data/runs/<id>/masks.json and its picture."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from ranparity.report import pictured
from ranparity.report.pictured import Files, Of
from ranparity.report.reading import Fields, MalformedError, is_count, parse_record
from ranparity.training.directory import MASKS, MASKS_PICTURE

FILE, PICTURE = MASKS, MASKS_PICTURE
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Mask:
    """The mask of a module: its shape (H, W, C), and figures over images, positions and channels.

    `saturated` is None for a mask that no sigmoid makes.
    """

    module: str
    stage: int
    shape: tuple[int, ...]
    least: float
    mean: float
    largest: float
    deviation: float
    saturated: float | None


@dataclass(frozen=True)
class MasksRecord:
    """The masks of a run.

    Attributes:
        of: Which run.
        images: What each image is, in words.
        within: How close to 0 or 1 a value is that counts as saturated.
        masks: Those of all modules, from the first on.
        png: The picture.
    """

    of: Of
    images: tuple[str, ...] = ()
    within: float = 0.0
    masks: tuple[Mask, ...] = ()
    png: bytes = b""


def read(files: Files) -> Iterator[MasksRecord]:
    """Reads all such records; what cannot be read is there as an error."""
    for run, parts in pictured.of_each(files, FILE):
        path = f"data/runs/{run}/{FILE}"
        try:
            yield _record(run, path, parts)
        except MalformedError as fault:
            yield MasksRecord(Of(run, path, error=str(fault)))


def _record(run: str, path: str, files: Files) -> MasksRecord:
    fields = parse_record(files[FILE])
    record = MasksRecord(
        of=pictured.of(run, path, fields, files),
        images=fields.every("images", _image),
        within=fields.share("saturated_within"),
        masks=fields.every("modules", _mask),
        png=_picture(fields.fields("picture"), files.get(PICTURE)),
    )
    if not record.masks or not record.images:
        raise MalformedError("expected one module or more, and one image or more")
    return record


def _image(fields: Fields) -> str:
    if fields.has("file"):
        return fields.text("file")
    return f"held-out image {fields.count('held_out')} of class {fields.text('class')}"


def _mask(fields: Fields) -> Mask:
    figures = fields.fields("mask")
    return Mask(
        module=fields.text("name"),
        stage=fields.count("stage"),
        shape=_shape(fields),
        least=figures.number("min"),
        mean=figures.number("mean"),
        largest=figures.number("max"),
        deviation=figures.number("std"),
        saturated=figures.share("saturated") if figures.has("saturated") else None,
    )


def _shape(fields: Fields) -> tuple[int, ...]:
    shape = fields.items("shape")
    if len(shape) != 3 or not all(is_count(length) for length in shape):
        raise MalformedError(f"{fields.where}: expected height, width and channels as its shape")
    return tuple(shape)


def _picture(fields: Fields, content: bytes | None) -> bytes:
    if content is None:
        raise MalformedError(f"{PICTURE}: no such file in the record")
    if hashlib.sha256(content).hexdigest() != fields.text("digest"):
        raise MalformedError(f"{PICTURE}: it is not of the digest that {FILE} has")
    if not content.startswith(_PNG):
        raise MalformedError(f"{PICTURE}: it is no PNG file")
    return content
