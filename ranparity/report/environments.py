"""The report on where records were made, and a warning where that was not one place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ranparity.report.bench_record import BENCH
from ranparity.report.direction_record import DIRECTIONS
from ranparity.report.document import (
    Block,
    Cell,
    Paragraph,
    Section,
    Span,
    Table,
    cell,
    code,
    columns,
    joined,
    link,
    strong,
    text,
)
from ranparity.report.endurance_record import EnduranceRecord
from ranparity.report.findings_record import FINDINGS, Finding
from ranparity.report.growth_record import GROWTH
from ranparity.report.ladder_record import LadderRecord, ProofRecord
from ranparity.report.matrix_record import MatrixRecord
from ranparity.report.operations_record import OPERATIONS
from ranparity.report.pictured import Of
from ranparity.report.reading import clean
from ranparity.report.records import Evidence
from ranparity.report.runs import FinishedRun
from ranparity.report.statistics_record import STATISTICS, StatisticsRecord
from ranparity.report.words import NOTHING, digest
from ranparity.report.zoo_record import ZooRecord

# What should be the same in all records, and how it is called.
SHARED = {
    "python": "Python",
    "ranparity": "ranparity",
    "source_digest": "package source",
    "keras": "Keras",
    "numpy": "NumPy",
    "platform": "platform",
    "processor": "processor",
    "device": "device",
    "threads": "threads",
}


@dataclass(frozen=True)
class Place:
    """Where one record was made.

    Attributes:
        record: What it is called.
        path: Its file, relative to the reports folder.
        backend: What ran.
        values: As text; keys that were not recorded are missing.
    """

    record: str
    path: str
    backend: str
    values: Mapping[str, str]


def places(evidence: Evidence) -> list[Place]:
    """The environments of all records that hold evidence."""
    return [place for _, found in _by_section(evidence) for place in found]


def _by_section(evidence: Evidence) -> Iterator[tuple[str, Iterable[Place]]]:
    """Gives the names of sections, and the places of the records that their tables put together."""
    yield "structure", _checked(evidence)
    yield "alterations", _alterations(evidence)
    yield "training", (place for run in evidence.finished for place in places_of(run))
    yield "masks", (_drawn("masks", masks.of) for masks in evidence.masks if not masks.of.error)
    features = (each.of for each in evidence.features if not each.of.error)
    yield "features", (_drawn("features", of) for of in features)
    yield "endurance", _by_backend("endurance", evidence, evidence.endurance)
    yield "zoo", _by_backend("zoo", evidence, evidence.zoo)
    climbed = [("ladder", evidence.ladder), ("levels 1 to 3", evidence.quick)]
    yield "ladder", (place for each in climbed for place in _climbed(evidence, *each))
    yield "judge", _climbed(evidence, "ladder's judge", evidence.proof)
    yield "ladder", _climbed(evidence, "second opinion", evidence.opinions)
    yield "speed", _timed(evidence)
    yield "findings", _places_found(evidence.findings.findings if evidence.findings else ())
    yield "directions", _directions(evidence)
    yield "statistics", _compared(evidence.statistics)
    yield "many", (place for each in evidence.matrices for place in _many(each))


def _checked(evidence: Evidence) -> Iterator[Place]:
    for name in evidence.backends:
        if (check := evidence.checks.get(name)) and not check.error:
            yield _place(f"check, {name}", check.path, name, check.environment)


def _alterations(evidence: Evidence) -> Iterator[Place]:
    proof = evidence.alterations
    if proof and not proof.error:
        yield _place("alterations", proof.path, proof.backend, proof.environment)


def _drawn(what: str, of: Of) -> Place:
    return _place(f"{what}, {of.run}", of.path, of.backend, of.environment)


def _by_backend(
    what: str,
    evidence: Evidence,
    records: Mapping[str, EnduranceRecord] | Mapping[str, ZooRecord],
) -> Iterator[Place]:
    for name in evidence.backends:
        if name in records and not records[name].error:
            yield _place(f"{what}, {name}", records[name].path, name, records[name].environment)


def _climbed(
    evidence: Evidence, what: str, record: LadderRecord | ProofRecord | None
) -> Iterator[Place]:
    """Of each backend those that differ, the first one by its name alone."""
    if record is None or record.error:
        return
    for backend in evidence.backends:
        for name, given in record.environments.items():
            if name.partition(", ")[0] == backend:
                yield _place(f"{what}, {name}", record.path, backend, given)


def _timed(evidence: Evidence) -> Iterator[Place]:
    for net in evidence.bench.nets if evidence.bench else ():
        for way, given in net.environments.items():
            yield _place(f"{net.model}, {way}", BENCH, way.rpartition(" ")[2], given)
    beside = (("growth", GROWTH, evidence.growth), ("operations", OPERATIONS, evidence.operations))
    for what, path, record in beside:
        for name, given in (record.environments or {}).items() if record else ():
            yield _place(f"{what}, {name}", path, name, given)


def _directions(evidence: Evidence) -> Iterator[Place]:
    tried = evidence.directions
    if tried and tried.experiments:
        yield _place("directions", DIRECTIONS, tried.backend, tried.environment)


def _compared(record: StatisticsRecord | None) -> Iterator[Place]:
    for name, given in record.environments.items() if record else ():
        yield _place(f"statistics, {name}", STATISTICS, name, given)


def _many(record: MatrixRecord) -> Iterator[Place]:
    for name, given in record.environments.items():
        yield _place(f"many runs, {record.name}, {name}", record.path, name, given)


def places_of(run: FinishedRun) -> Iterator[Place]:
    """Where a run was made; where its parts were, if that was not all one place."""
    if all(part.environment == run.environment for part in run.parts):
        yield _place(run.id, run.path, run.backend, run.environment)
        return
    for number, part in enumerate(run.parts, start=1):
        yield _place(f"{run.id}, part {number}", run.path, part.backend, part.environment)


def _places_found(findings: Iterable[Finding]) -> list[Place]:
    """Where frameworks were asked about defects: a place for each framework, and each version."""
    found: list[Place] = []
    for finding in findings:
        for name, version in finding.versions.items():
            if name != "keras":  # which each environment tells
                given = {**(finding.environment or {}), "framework": f"{name} {version}"}
                place = _place(f"findings, {name}", FINDINGS, name, given)
                found += [place] if place not in found else []
    return found


def _place(record: str, path: str, backend: str, given: Mapping[str, Any] | None) -> Place:
    values = {clean(key): _text(value) for key, value in (given or {}).items() if value is not None}
    return Place(record, path, backend, values)


def _text(value: Any) -> str:
    """A recorded value as text; switches as `name = value`."""
    if isinstance(value, dict):
        return ", ".join(f"{clean(key)} = {_text(item)}" for key, item in value.items())
    return clean(str(value).lower() if isinstance(value, bool) else str(value))


def section(evidence: Evidence) -> Section:
    """What is the same in all records, and a table of the rest."""
    found = places(evidence)
    blocks: list[Block] = [Paragraph(text("No record says where it was made."), "absent")]
    if any(place.values for place in found):
        blocks = [*warnings(evidence), *_same(found), _table(found)]
    return Section("environments", "Where this ran", tuple(blocks))


def varying(found: list[Place]) -> list[str]:
    """Keys of `SHARED` that two records say differently."""
    return [
        key
        for key in SHARED
        if len({place.values[key] for place in found if key in place.values}) > 1
    ]


def warnings(evidence: Evidence) -> Iterator[Paragraph]:
    """A line where records differ in what should be the same, or do not say it."""
    found = places(evidence)
    yield from warning(found)
    silent = [link(place.record, place.path) for place in found if not place.values]
    if silent:
        yield Paragraph(
            text("Warning: no environment is recorded in ", *joined(silent), "."), "warning"
        )


def banner(evidence: Evidence, section: str) -> Iterator[Paragraph]:
    """A line above a section's tables, where these put records of different places together."""
    yield from warning(
        [place for name, found in _by_section(evidence) if name == section for place in found]
    )


def warning(found: list[Place]) -> Iterator[Paragraph]:
    """A line where places differ in what should be the same."""
    if keys := varying(found) + _frameworks(found):
        names = [strong(SHARED.get(key, key)) for key in keys]
        yield Paragraph(
            text(
                "Warning: the records come from different environments or package sources; they "
                "differ in ",
                *joined(names),
                ". The tables put them side by side all the same.",
            ),
            "warning",
        )


def _frameworks(found: list[Place]) -> list[str]:
    """Backends whose framework has several versions among the records."""
    versions: dict[str, set[str]] = {}
    for place in found:
        if "framework" in place.values:
            versions.setdefault(place.backend, set()).add(place.values["framework"])
    return [f"the version of {backend}" for backend, seen in versions.items() if len(seen) > 1]


def _same(found: list[Place]) -> Iterator[Block]:
    differing = varying(found)
    parts: list[Span] = []
    for key, name in SHARED.items():
        values = [place.values[key] for place in found if key in place.values]
        if values and key not in differing:
            parts += [Span(f"{'; ' if parts else ''}{name} "), _value(key, values[0])]
    if parts:
        yield Paragraph(text("The same in every record that states it: ", *parts, "."))


def _value(key: str, value: str) -> Span:
    return digest(value) if key == "source_digest" else strong(value)


def _table(found: list[Place]) -> Table:
    keys = ["framework", *varying(found), "switches"]
    rows = tuple((_name(place), *(_cell(place, key) for key in keys)) for place in found)
    return Table(columns("Record", *(SHARED.get(key, key) for key in keys)), rows)


def _name(place: Place) -> Cell:
    return cell(link(place.record, place.path))


def _cell(place: Place, key: str) -> Cell:
    if key not in place.values:
        return cell(NOTHING)
    value = place.values[key]
    return cell(
        _value(key, value)
        if key == "source_digest"
        else code(value)
        if key == "switches"
        else value
    )
