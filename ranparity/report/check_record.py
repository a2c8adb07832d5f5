"""The record of level 0 on a backend, data/check-<backend>.json, read with care."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ranparity.report.reading import Fields, MalformedError, parse_record

PATH = re.compile(r"data/check-([^/]+)\.json")


@dataclass(frozen=True)
class PaperFigure:
    """A figure that the paper prints, and ours."""

    what: str
    where: str
    paper: str
    here: int
    difference_percent: float


@dataclass(frozen=True)
class Difference:
    """One fact that a Keras model and its prototxt say differently."""

    size: str
    layer: str
    what: str
    keras: str
    prototxt: str


@dataclass(frozen=True)
class NetResult:
    """What a check found for a net; the fields are those of `ranparity.parity.check.Result`.

    The prototxt's digest is empty in a record of before it was written down.
    """

    model: str
    title: str
    prototxt: str
    prototxt_digest: str
    origin: str
    errata: tuple[str, ...]
    sizes: tuple[str, ...]
    layers: int
    blobs: int
    trainable_parameters: int
    parameters_with_statistics: int
    macs: int
    compared: int
    paper: tuple[PaperFigure, ...]
    adaptations: tuple[str, ...]
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class CheckRecord:
    """Level 0 on a backend.

    Attributes:
        backend: Its name, which is that of the file.
        path: The file, relative to the reports folder.
        error: Why there is no evidence; empty if there is.
        nets: The results that could be read, by the model's name.
        faults: Why a result could not be read, by the model's name or its place.
        stale: Why a result that could be read is no evidence any more, by the model's name.
        seconds: What it took.
        environment: What it ran on, if that is recorded.
    """

    backend: str
    path: str
    error: str = ""
    nets: Mapping[str, NetResult] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    stale: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None
    environment: Mapping[str, Any] | None = None


def timeless(check: Mapping[str, Any]) -> dict[str, Any]:
    """What a check's record says on every machine and at any time, to hold two against each other.

    Args:
        check: The content of check-<backend>.json, or what `ranparity.parity.check.evidence`
            gives.
    """
    kept = {key: check[key] for key in ("backend", "error", "results") if key in check}
    return dict(json.loads(json.dumps(kept)))  # tuples are lists in a file


def read(files: Mapping[str, bytes]) -> Iterator[CheckRecord]:
    """Reads all such records; what cannot be read is there as an error."""
    for path in sorted(files):
        if match := PATH.fullmatch(path):
            try:
                yield _check(match[1], path, parse_record(files[path]))
            except MalformedError as fault:
                yield CheckRecord(match[1], path, error=str(fault))


def _check(backend: str, path: str, fields: Fields) -> CheckRecord:
    if fields.text("backend") != backend:
        stated = fields.text("backend")
        raise MalformedError(f"the record is of backend {stated}, in the file of {backend}")
    if fields.has("error"):
        return CheckRecord(backend, path, error=fields.text("error"))
    nets: dict[str, NetResult] = {}
    faults: dict[str, str] = {}
    for place, item in enumerate(fields.items("results"), start=1):
        name = _model_name(item) or f"result {place}"
        try:
            nets[name] = _net(Fields(item, name))
        except MalformedError as fault:
            faults[name] = str(fault)
    return CheckRecord(
        backend,
        path,
        nets=nets,
        faults=faults,
        seconds=fields.seconds(),
        environment=fields.environment(),
    )


def _model_name(item: Any) -> str:
    """The model's name, if the result has one, to say where a fault is."""
    try:
        return Fields(item).text("model")
    except MalformedError:
        return ""


def _net(fields: Fields) -> NetResult:
    result = NetResult(
        model=fields.text("model"),
        title=fields.text("title"),
        prototxt=fields.text("prototxt"),
        prototxt_digest=fields.text("prototxt_digest") if fields.has("prototxt_digest") else "",
        origin=fields.text("origin"),
        errata=fields.texts("errata"),
        sizes=fields.texts("sizes"),
        layers=fields.count("layers"),
        blobs=fields.count("blobs"),
        trainable_parameters=fields.count("trainable_parameters"),
        parameters_with_statistics=fields.count("parameters_with_statistics"),
        macs=fields.count("macs"),
        compared=fields.count("compared"),
        paper=fields.each("paper", _paper),
        adaptations=fields.texts("adaptations") if fields.has("adaptations") else (),
        differences=tuple(_difference(Fields(row)) for row in fields.items("differences")),
    )
    stated = fields.text("verdict")
    passed = result.compared > 0 and not result.differences
    if stated != ("pass" if passed else "fail"):
        raise MalformedError(
            f'{result.model}: the verdict "{stated}" contradicts {len(result.differences)} '
            f"differences in {result.compared} facts"
        )
    return result


def _paper(fields: Fields) -> PaperFigure:
    return PaperFigure(
        fields.text("what"),
        fields.text("where"),
        fields.text("paper"),
        fields.integer("here"),
        fields.number("difference_percent"),
    )


def _difference(fields: Fields) -> Difference:
    return Difference(*(fields.text(key) for key in ("size", "layer", "what", "keras", "prototxt")))
