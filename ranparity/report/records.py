"""The records under a reports folder's `data/`, read with care.

    data/check-<backend>.json    level 0, as `ranparity check --json` prints it
    data/alterations.json        that level 0 can fail, as `check --alter --json` prints it
    data/runs/<id>/              run.json, steps.jsonl and epochs.csv of a training

Each may hold "error" in place of its evidence: why there is none. Keys that are not known are
passed over; a record that lacks what it must have is read as one with an error that says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ranparity.errors import InputError
from ranparity.report.reading import Fields, MalformedError, clean, is_count, parse_json
from ranparity.report.runs import FailedRun, FinishedRun, Run, read_run
from ranparity.training import backends

Files = Mapping[str, bytes]  # by path relative to the reports folder, with "/"
ALTERATIONS = "data/alterations.json"
SIDES = ("prototxt", "live Keras model")  # what is altered
RUN_FILES = ("run.json", "steps.jsonl", "epochs.csv")
_CHECK = re.compile(r"data/check-([^/]+)\.json")
_RUN = re.compile(r"data/runs/([^/]+)/[^/]+")


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
    """What a check found for a net; the fields are those of `ranparity.parity.check.Result`."""

    model: str
    title: str
    prototxt: str
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
        seconds: What it took.
        environment: What it ran on, if that is recorded.
    """

    backend: str
    path: str
    error: str = ""
    nets: Mapping[str, NetResult] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None
    environment: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Proof:
    """How many alterations of a net were tried and found, by attribute."""

    title: str
    counts: Mapping[str, tuple[int, int]]
    missed: tuple[str, ...]

    @property
    def tried(self) -> int:
        """All alterations."""
        return sum(tried for tried, _ in self.counts.values())

    @property
    def found(self) -> int:
        """Those that were reported at their layer."""
        return sum(found for _, found in self.counts.values())


@dataclass(frozen=True)
class AlterationRecord:
    """The proof that level 0 can fail; `sides` is what was altered, in words, to proofs by net."""

    path: str
    error: str = ""
    backend: str = ""
    sides: Mapping[str, tuple[Proof, ...]] = field(default_factory=dict)
    seconds: float | None = None
    environment: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Evidence:
    """All records of a reports folder.

    Attributes:
        backends: Names of those that the report speaks of, in order: the known ones first.
        checks: Level 0, by backend.
        alterations: The proof that level 0 can fail, if it was tried.
        finished: Trainings that ended well, in the backends' order.
        failed: Trainings that did not, or whose records are damaged.
    """

    backends: tuple[str, ...]
    checks: Mapping[str, CheckRecord]
    alterations: AlterationRecord | None
    finished: tuple[FinishedRun, ...]
    failed: tuple[FailedRun, ...]

    @property
    def trained(self) -> set[str]:
        """The backends of which there is a training, whether it ended well or not."""
        runs: list[Run] = [*self.finished, *self.failed]
        return {run.backend for run in runs}


def load(folder: Path) -> dict[str, bytes]:
    """Reads the records' files of a reports folder; an empty one has none.

    Raises:
        InputError: A file or folder cannot be read.
    """
    try:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted((folder / "data").rglob("*"))
            if path.is_file() and _is_record(path.relative_to(folder).as_posix())
        }
    except OSError as error:
        raise InputError(f"{error.filename}: cannot read the record: {error.strerror}") from None


def timeless(check: Mapping[str, Any]) -> dict[str, Any]:
    """What a check's record says on every machine and at any time, to hold two against each other.

    Args:
        check: The content of check-<backend>.json, or what `ranparity.parity.check.evidence`
            gives.
    """
    kept = {key: check[key] for key in ("backend", "error", "results") if key in check}
    return dict(json.loads(json.dumps(kept)))  # tuples are lists in a file


def named(folders: Sequence[Path]) -> dict[str, bytes]:
    """Reads the records of run directories that a user names, as files of a reports folder.

    Raises:
        InputError: One is no run directory, its run.json is no JSON, or two have one name.
    """
    result: dict[str, bytes] = {}
    for folder in folders:
        files = _run_files(folder)
        name = folder.resolve().name
        if f"data/runs/{name}/run.json" in result:
            raise InputError(f"{folder}: another run is called {name} too: rename one of them")
        result |= {f"data/runs/{name}/{file}": content for file, content in files.items()}
    return result


def _run_files(folder: Path) -> dict[str, bytes]:
    path = folder / "run.json"
    if not path.is_file():
        raise InputError(f"{folder}: expected a run directory, found no run.json in it")
    try:
        files = {
            name: (folder / name).read_bytes() for name in RUN_FILES if (folder / name).is_file()
        }
        Fields(parse_json(files["run.json"]))
    except OSError as error:
        raise InputError(f"{error.filename}: cannot read the record: {error.strerror}") from None
    except MalformedError as fault:
        raise InputError(f"{path}: expected the record of a run, {fault}") from None
    return files


def _is_record(path: str) -> bool:
    if path == ALTERATIONS or _CHECK.fullmatch(path):
        return True
    return _RUN.fullmatch(path) is not None and path.rpartition("/")[2] in RUN_FILES


def evidence(files: Files) -> Evidence:
    """Reads all records; what cannot be read is there as an error."""
    checks = {record.backend: record for record in _checks(files)}
    proof = _alterations(files[ALTERATIONS]) if ALTERATIONS in files else None
    runs = list(_runs(files))
    others = {*checks, *(run.backend for run in runs if run.backend)} - {*backends.NAMES}
    names = (*backends.NAMES, *sorted(others))
    runs.sort(key=lambda run: (names.index(run.backend) if run.backend else len(names), run.id))
    finished = tuple(run for run in runs if isinstance(run, FinishedRun))
    failed = tuple(run for run in runs if isinstance(run, FailedRun))
    return Evidence(names, checks, proof, finished, failed)


def _checks(files: Files) -> Iterator[CheckRecord]:
    for path in sorted(files):
        if match := _CHECK.fullmatch(path):
            try:
                yield _check(match[1], path, Fields(parse_json(files[path])))
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
    return CheckRecord(backend, path, "", nets, faults, _seconds(fields), _environment(fields))


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


def _alterations(content: bytes) -> AlterationRecord:
    try:
        fields = Fields(parse_json(content))
        backend = fields.text("backend")
        if fields.has("error"):
            return AlterationRecord(ALTERATIONS, fields.text("error"), backend)
        sides = {side: fields.each(side, _proof) for side in SIDES}
        for side, proofs in sides.items():
            if not any(proof.tried for proof in proofs):
                raise MalformedError(f'no alteration was tried of the "{side}"')
    except MalformedError as fault:
        return AlterationRecord(ALTERATIONS, str(fault))
    return AlterationRecord(ALTERATIONS, "", backend, sides, _seconds(fields), _environment(fields))


def _proof(fields: Fields) -> Proof:
    counts = {
        clean(what): _tried_and_found(what, pair) for what, pair in fields.mapping("counts").items()
    }
    proof = Proof(fields.text("title"), counts, fields.texts("missed"))
    if proof.tried - proof.found != len(proof.missed):
        raise MalformedError(
            f"{proof.title}: {proof.tried} tried, {proof.found} found and "
            f"{len(proof.missed)} missed do not add up"
        )
    return proof


def _tried_and_found(what: str, pair: Any) -> tuple[int, int]:
    if not isinstance(pair, list) or len(pair) != 2 or not all(map(is_count, pair)):
        raise MalformedError(f'counts: expected [tried, found] as "{clean(what)}"')
    if pair[1] > pair[0]:
        raise MalformedError(f'counts: more found than tried as "{clean(what)}"')
    return pair[0], pair[1]


def _seconds(fields: Fields) -> float | None:
    return fields.number("seconds") if fields.has("seconds") else None


def _environment(fields: Fields) -> Mapping[str, Any] | None:
    return fields.mapping("environment") if fields.has("environment") else None


def _runs(files: Files) -> Iterator[Run]:
    names = sorted({match[1] for path in files if (match := _RUN.fullmatch(path))})
    for name in names:
        parts = {file: files.get(f"data/runs/{name}/{file}") for file in RUN_FILES}
        yield read_run(name, parts)
