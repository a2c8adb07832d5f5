"""The records under a reports folder's `data/`, read with care.

    data/check-<backend>.json        level 0, as `ranparity check --json` prints it
    data/alterations.json            that level 0 can fail, as `check --alter --json` prints it
    data/runs/<id>/                  run.json, steps.jsonl and epochs.csv of a training
                                     masks.json, masks.png, features.json, where they were made
    data/endurance-<backend>.json    runs that were killed and resumed, as `nox -s endurance` does
    data/directions.json             which of two is larger, at small scale
    data/ladder.json                 levels 1 to 5 of nets, as `nox -s ladder-nets` does
    data/ladder-quick.json           levels 1 to 3 of one net, as `nox -s report` does
    data/ladder-proof.json           that their judge is right, as `nox -s ladder` does
    data/opinions.json               level 1 of prototxts, as `nox -s second-opinion` does
    data/bench.json                  seconds of steps and passes, as `nox -s bench` does
    data/growth.json                 the same as nets and batches grow, as `nox -s growth` does
    data/operations.json             each convolution of nets alone, as `nox -s operations` does
    data/statistics.json             final accuracies over seeds, as `nox -s statistics` does
    data/matrix-<name>.json          the runs of a plan, as `ranparity matrix` does
    data/findings.json               defects found in frameworks, as `nox -s findings` does
    data/zoo-<backend>.json          every net run once, and short trainings, as `nox -s zoo` does

Each may hold "error" in place of its evidence: why there is none. Keys that are not known are
passed over; a record that lacks what it must have is read as one with an error that says so, and
so is one of another version than `ranparity.schema` has. `schemas/` holds their JSON Schemas.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ranparity.errors import InputError
from ranparity.report import (
    alteration_record,
    bench_record,
    check_record,
    direction_record,
    endurance_record,
    features_record,
    findings_record,
    growth_record,
    ladder_record,
    masks_record,
    matrix_record,
    operations_record,
    staleness,
    statistics_record,
    zoo_record,
)
from ranparity.report.alteration_record import ALTERATIONS, AlterationRecord
from ranparity.report.bench_record import BENCH, BenchRecord
from ranparity.report.check_record import CheckRecord
from ranparity.report.direction_record import DIRECTIONS, DirectionRecord
from ranparity.report.endurance_record import EnduranceRecord
from ranparity.report.features_record import FeaturesRecord
from ranparity.report.findings_record import FINDINGS, FindingsRecord
from ranparity.report.growth_record import GROWTH, GrowthRecord
from ranparity.report.ladder_record import (
    LADDER,
    OPINIONS,
    PROOF,
    QUICK,
    LadderRecord,
    ProofRecord,
)
from ranparity.report.masks_record import MasksRecord
from ranparity.report.matrix_record import MatrixRecord
from ranparity.report.operations_record import OPERATIONS, OperationsRecord
from ranparity.report.reading import Fields, MalformedError, parse_json
from ranparity.report.run_record import read_run
from ranparity.report.runs import FailedRun, FinishedRun, Run
from ranparity.report.statistics_record import STATISTICS, StatisticsRecord
from ranparity.report.zoo_record import ZooRecord
from ranparity.training import backends

Files = Mapping[str, bytes]  # by path relative to the reports folder, with "/"
TRAINING = ("run.json", "steps.jsonl", "epochs.csv")
PICTURES = (masks_record.FILE, masks_record.PICTURE, features_record.FILE)
RUN_FILES = (*TRAINING, *PICTURES)
ALONE = (
    *(ALTERATIONS, DIRECTIONS, LADDER, QUICK, PROOF, OPINIONS),
    *(BENCH, GROWTH, OPERATIONS, FINDINGS, STATISTICS),
)
_RUN = re.compile(r"data/runs/([^/]+)/[^/]+")


@dataclass(frozen=True)
class Evidence:
    """All records of a reports folder.

    Attributes:
        backends: Names of those that the report speaks of, in order: the known ones first.
        checks: Level 0, by backend.
        alterations: The proof that level 0 can fail, if it was tried.
        finished: Trainings that ended well, in the backends' order.
        failed: Trainings that did not, or whose records are damaged.
        endurance: What came of runs that were killed and resumed, by backend.
        directions: What became of claims about which of two is larger, if they were tried.
        masks: The attention masks of runs, in the order of the runs' names.
        features: The features of runs, likewise.
        zoo: Every net run once, and the short trainings, by backend.
        ladder: Levels 1 to 5 of nets, if they were run.
        quick: Levels 1 to 3 of one net, if they were run.
        proof: What became of the ladder's judge, if it was tried.
        opinions: Level 1 of prototxts, if they were run.
        bench: How long steps and passes take, if they were timed.
        growth: The same as nets and batches grow.
        operations: How long each convolution of nets takes alone.
        findings: Defects of frameworks, if they were asked about.
        statistics: Final accuracies over seeds, if they were compared.
        matrices: The runs of plans, in the order of the plans' names.
    """

    backends: tuple[str, ...]
    checks: Mapping[str, CheckRecord]
    alterations: AlterationRecord | None
    finished: tuple[FinishedRun, ...]
    failed: tuple[FailedRun, ...]
    endurance: Mapping[str, EnduranceRecord]
    directions: DirectionRecord | None = None
    masks: tuple[MasksRecord, ...] = ()
    features: tuple[FeaturesRecord, ...] = ()
    zoo: Mapping[str, ZooRecord] = field(default_factory=dict)
    ladder: LadderRecord | None = None
    quick: LadderRecord | None = None
    proof: ProofRecord | None = None
    opinions: LadderRecord | None = None
    bench: BenchRecord | None = None
    growth: GrowthRecord | None = None
    operations: OperationsRecord | None = None
    findings: FindingsRecord | None = None
    statistics: StatisticsRecord | None = None
    matrices: tuple[MatrixRecord, ...] = ()

    @property
    def trained(self) -> set[str]:
        """The backends with a training of their own, no twin, whether it ended well or not."""
        alone = [run for run in self.finished if len(run.backends) == 1]
        runs: list[Run] = [*alone, *self.failed]
        return {run.backend for run in runs if not run.twin}

    @property
    def ladders(self) -> list[LadderRecord]:
        """The records of levels 1 to 5 that there are, what was run with the report first."""
        return [record for record in (self.quick, self.ladder, self.opinions) if record]

    @property
    def spoken_of(self) -> list[str]:
        """The backends that were checked or trained on, in order."""
        return [name for name in self.backends if name in self.trained | set(self.checks)]


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


def named(folders: Sequence[Path]) -> dict[str, bytes]:
    """Reads the records of run directories that a user names, as files of a reports folder.

    Raises:
        InputError: One is no run directory, its run.json is no JSON, or two have one name.
    """
    result: dict[str, bytes] = {}
    for folder in folders:
        files = run_files(folder)
        name = folder.resolve().name
        if f"data/runs/{name}/run.json" in result:
            raise InputError(f"{folder}: another run is called {name} too: rename one of them")
        result |= {f"data/runs/{name}/{file}": content for file, content in files.items()}
    return result


def run_files(folder: Path, names: Sequence[str] = RUN_FILES) -> dict[str, bytes]:
    """Reads the record's files of a run directory, those of these names that are there.

    Raises:
        InputError: It is no run directory, or its run.json is no JSON.
    """
    path = folder / "run.json"
    if not path.is_file():
        raise InputError(f"{folder}: expected a run directory, found no run.json in it")
    try:
        files = {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}
        Fields(parse_json(files["run.json"]))
    except OSError as error:
        raise InputError(f"{error.filename}: cannot read the record: {error.strerror}") from None
    except MalformedError as fault:
        raise InputError(f"{path}: expected the record of a run, {fault}") from None
    return files


def _is_record(path: str) -> bool:
    alone = (check_record.PATH, endurance_record.PATH, zoo_record.PATH, matrix_record.PATH)
    if path in ALONE or any(pattern.fullmatch(path) for pattern in alone):
        return True
    return _RUN.fullmatch(path) is not None and path.rpartition("/")[2] in RUN_FILES


def evidence(files: Files) -> Evidence:
    """Reads all records; what cannot be read is there as an error, and what is stale as such.

    Raises:
        InputError: A prototxt of the zoo is not there.
    """
    checks = {record.backend: staleness.of_check(record) for record in check_record.read(files)}
    kills = {record.backend: record for record in endurance_record.read(files)}
    whole = {record.backend: staleness.of_zoo(record) for record in zoo_record.read(files)}
    runs = list(_runs(files))
    trained = {run.backend for run in runs if run.backend}
    names = (*backends.NAMES, *sorted({*checks, *trained, *kills, *whole} - {*backends.NAMES}))
    runs.sort(key=lambda run: (names.index(run.backend) if run.backend else len(names), run.id))
    return Evidence(
        backends=names,
        checks=checks,
        alterations=alteration_record.read(files[ALTERATIONS]) if ALTERATIONS in files else None,
        finished=tuple(run for run in runs if isinstance(run, FinishedRun)),
        failed=tuple(run for run in runs if isinstance(run, FailedRun)),
        endurance=kills,
        directions=direction_record.read(files[DIRECTIONS]) if DIRECTIONS in files else None,
        masks=tuple(masks_record.read(files)),
        features=tuple(features_record.read(files)),
        zoo=whole,
        ladder=_ladder(files, LADDER),
        quick=_ladder(files, QUICK),
        proof=ladder_record.read_proof(files[PROOF]) if PROOF in files else None,
        opinions=_ladder(files, OPINIONS),
        bench=bench_record.read(files[BENCH]) if BENCH in files else None,
        growth=growth_record.read(files[GROWTH]) if GROWTH in files else None,
        operations=operations_record.read(files[OPERATIONS]) if OPERATIONS in files else None,
        findings=findings_record.read(files[FINDINGS]) if FINDINGS in files else None,
        statistics=statistics_record.read(files[STATISTICS]) if STATISTICS in files else None,
        matrices=tuple(matrix_record.read(files)),
    )


def _ladder(files: Files, path: str) -> LadderRecord | None:
    if path not in files:
        return None
    return staleness.of_ladder(ladder_record.read(files[path], path))


def _runs(files: Files) -> Iterator[Run]:
    names = sorted({match[1] for path in files if (match := _RUN.fullmatch(path))})
    for name in names:
        parts = {file: files.get(f"data/runs/{name}/{file}") for file in TRAINING}
        yield read_run(name, parts)
