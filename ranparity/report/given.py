"""Run directories that a user names, to be compared: the runs, and the twins of these."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ranparity.errors import InputError
from ranparity.report import settings
from ranparity.report.comparison import first_other_batch
from ranparity.report.groups import Group
from ranparity.report.logs import same_steps
from ranparity.report.reading import clean
from ranparity.report.records import TRAINING, run_files
from ranparity.report.run_record import read_run
from ranparity.report.runs import FailedRun, FinishedRun
from ranparity.training.backends import PRECISIONS


@dataclass(frozen=True)
class Given:
    """What is compared.

    Attributes:
        runs: Two or more, none of them a twin, in the order of their naming. A run's `path` leads
            to its run.json from the page; it is empty where there is no page, or no such link.
        twins: Twins of these runs.
        folders: Where runs and twins lie, by their ids.
        runs_of: The run that a twin is one of, with those that are the same, by the twin's id.
    """

    runs: tuple[FinishedRun, ...]
    twins: tuple[FinishedRun, ...]
    folders: Mapping[str, Path]
    runs_of: Mapping[str, tuple[FinishedRun, ...]]

    def twins_of(self, run: FinishedRun) -> tuple[FinishedRun, ...]:
        """The twins of a run."""
        return tuple(twin for twin in self.twins if run in self.runs_of[twin.id])


def read(folders: Sequence[Path], twins: Sequence[Path], page: Path | None = None) -> Given:
    """Reads runs; those that are twins are taken as such, wherever they are named.

    Args:
        folders: Run directories.
        twins: Run directories that must be of twins.
        page: The file whose links are to lead to the runs.

    Raises:
        InputError: One is no run directory, damaged, not finished, named twice, or a twin of no run
            that is named; or fewer than two runs are left.
    """
    where = _named([*folders, *twins])
    found = [_run(place, name, page) for name, place in where.items()]
    _refuse_others(found[len(folders) :], where)
    runs = tuple(run for run in found if not run.twin)
    if len(runs) < 2:
        raise InputError(
            f"compare: expected two runs or more that are no twins. Received: {len(runs)}"
        )
    known = tuple(run for run in found if run.twin)
    return Given(runs, known, where, {twin.id: _runs_of(twin, runs, where) for twin in known})


def _refuse_others(twins: Sequence[FinishedRun], folders: Mapping[str, Path]) -> None:
    for run in twins:
        if not run.twin:
            raise InputError(
                f"--twins {folders[run.id]}: expected a twin, which `ranparity run --twin N` "
                "makes, and this run is none"
            )


def _named(places: Sequence[Path]) -> dict[str, Path]:
    """Gives each folder an id: its name, or its path where others have that name too."""
    alike = Counter(place.resolve().name for place in places)
    found: dict[str, Path] = {}
    for place in places:
        if any(place.resolve() == other.resolve() for other in found.values()):
            raise InputError(f"{place}: expected another run, and this one is named twice")
        name = place.resolve().name
        shown = clean(name if alike[name] == 1 else str(place))
        if shown in found:
            raise InputError(f"{place}: another run is shown by this name too: rename one of them")
        found[shown] = place
    return found


def _run(folder: Path, name: str, page: Path | None) -> FinishedRun:
    files = run_files(folder, TRAINING)
    run = read_run(name, {file: files.get(file) for file in TRAINING})
    if isinstance(run, FailedRun):
        raise InputError(f"{folder}: expected the record of a finished run: {run.reason}")
    if (precision := run.task.precision) not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise InputError(f"{folder}: expected as precision one of {known}. Received: {precision!r}")
    return replace(run, path=_address(folder / "run.json", page))


def _address(path: Path, page: Path | None) -> str:
    """Where a link of a page leads; nowhere where it cannot say so, as to another drive."""
    if page is None:
        return ""
    try:
        found = Path(os.path.relpath(path, page.parent)).as_posix()
    except ValueError:
        return ""
    return "" if "#" in found or found != clean(found) else found


def _runs_of(
    twin: FinishedRun, runs: Sequence[FinishedRun], folders: Mapping[str, Path]
) -> tuple[FinishedRun, ...]:
    """Gives the run that a twin is one of, and those that are the same to the last bit.

    They are asked the same, and see the same batches. Of several, the twin is one of that which ran
    where it did, and then of that whose losses are nearest: what is no more than another run of the
    kind may be wrong, and its distance from a twin of the right one must allow nothing.

    Raises:
        InputError: There is none.
    """
    folder, asked = folders[twin.id], settings.recipe(twin)
    alike = [run for run in runs if run.backends == twin.backends and settings.recipe(run) == asked]
    if not alike:
        raise InputError(
            f"{folder}: expected the run that it is twin {twin.twin} of among those named: of the "
            "same backend, model, recipe, data and seed"
        )
    others = [first_other_batch(Group(None, (run, twin), ())) for run in alike]
    if all(others):
        raise InputError(
            f"{folder}: expected the batches of {folders[alike[0].id]}, which it is twin "
            f"{twin.twin} of, and that of step {others[0]} is another"
        )
    near = {
        run.id: _distance(twin, run) for run, other in zip(alike, others, strict=True) if not other
    }
    return tuple(run for run in alike if near.get(run.id) == min(near.values()))


def _distance(twin: FinishedRun, run: FinishedRun) -> tuple[int, float]:
    """How far apart two runs were made, and then how far apart their losses are."""
    places = settings.differences([settings.environment(each) for each in (twin, run)])
    rows = same_steps((twin.steps, run.steps))
    return len(places), sum(abs(a.loss - b.loss) for a, b in rows)
