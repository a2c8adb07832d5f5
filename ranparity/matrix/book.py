"""The record of a matrix, matrix.json in its folder: its runs, what became of them and how."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ranparity import schema
from ranparity.errors import InputError
from ranparity.files import check_writable, write_text
from ranparity.matrix.jobs import Job
from ranparity.matrix.plan import Plan, Run
from ranparity.training import directory

FILE = "matrix.json"
WAITING, RUNNING, INTERRUPTED = "waiting", "running", "interrupted"
FINISHED, FAILED = "finished", "failed"
STATUSES = (WAITING, RUNNING, INTERRUPTED, FINISHED, FAILED)
# Of run.json, in what the record has of a finished run.
RESULTS = (
    "started",
    "steps",
    "test_accuracy",
    "test_loss",
    "seconds",
    "initial_weights_digest",
    "tape_digest",
    "final_weights_digest",
    "final_slots_digest",
)
Row = dict[str, Any]


class Book:
    """The record, written again after whatever happens.

    Args:
        folder: That of all runs, which is there.
        plan: The plan.
        runs: All of its runs, and what is run beside them.
        place: Where they run, in words.
        at_once: How many at a time.

    Raises:
        InputError: What is there is of other runs, or no such record.
        OSError: It cannot be written.
    """

    def __init__(
        self, folder: Path, plan: Plan, runs: Sequence[Run], place: str, at_once: int
    ) -> None:
        self.path = folder / FILE
        check_writable(self.path)
        before = {row["name"]: row for row in read(folder).get("runs", [])}
        for run in runs:
            _check_same(folder, run, before)
        if gone := sorted(set(before) - {run.name for run in runs}):
            raise InputError(
                f"{self.path}: expected all of its runs in {plan.path}, which lacks {gone[0]}: "
                "give another folder with --out"
            )
        self._about = {"name": plan.name, "settings": plan.settings, "place": place}
        self._at_once = at_once
        self.rows: dict[str, Row] = {
            run.name: _row(run, before.get(run.name, {}).get("tries", 0)) for run in runs
        }
        self.environments: dict[str, Any] = {}

    def found(self, job: Job) -> None:
        """Take up what is there of a run before it is begun or gone on with."""
        self._take(self.rows[job.name], job)

    def begun(self, job: Job) -> None:
        """Write down that a run has another process."""
        row = self.rows[job.name]
        row["tries"] += 1
        row["status"] = RUNNING
        self.write()

    def ended(self, job: Job, said: str) -> None:
        """Write down how a run has ended.

        Args:
            job: The run.
            said: Why it failed, or nothing.
        """
        row = self.rows[job.name]
        if said:
            row |= {"status": FAILED, "error": said}
        else:
            self._take(row, job)
        self.write()

    def close(self) -> None:
        """Write down that those which still run have been ended."""
        for row in self.rows.values():
            if row["status"] == RUNNING:
                row["status"] = INTERRUPTED
        self.write()

    def of(self, *statuses: str) -> list[Row]:
        """Give the rows of some statuses."""
        return [row for row in self.rows.values() if row["status"] in statuses]

    @property
    def content(self) -> dict[str, Any]:
        """The record, as JSON has it."""
        return schema.versioned(
            {
                **self._about,
                "at_once": self._at_once,
                "runs": list(self.rows.values()),
                "environments": self.environments,
            }
        )

    def write(self) -> None:
        """Write the record."""
        text = json.dumps(self.content, indent=1, allow_nan=False)
        write_text(self.path, text + "\n")

    def _take(self, row: Row, job: Job) -> None:
        """Take up what a run's own record says."""
        found = job.record()
        if found is None:
            return
        row["status"] = FINISHED if found.get("status") == FINISHED else INTERRUPTED
        if row["status"] == FINISHED:
            row |= {key: found[key] for key in RESULTS if key in found}
            self.environments.setdefault(job.backend, found.get("environment"))


def read(folder: Path) -> dict[str, Any]:
    """Read the record of a matrix; nothing if there is none.

    Raises:
        InputError: What is there is no such record, or one of another version.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        reason = schema.refusal(content)
        if not reason:
            _ = [(row["name"], row["arguments"], row["tries"] + 0) for row in content["runs"]]
            _ = content["at_once"] + 0
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: expected the record of a matrix: {type(error).__name__}: {error}: give "
            "another folder with --out"
        ) from None
    if reason:
        raise InputError(f"{path}: {reason}")
    return dict(content)


def _check_same(folder: Path, run: Run, before: Mapping[str, Row]) -> None:
    """Raise `InputError` if there is a run of a name that is not the plan's."""
    row = before.get(run.name)
    if row is None and (folder / run.name / directory.RUN).exists():
        raise InputError(
            f"{folder / run.name}: there is a run that {FILE} does not speak of: give another "
            "folder with --out"
        )
    if row is not None and row["arguments"] != list(run.arguments):
        raise InputError(
            f"{folder / run.name}: expected the run of the plan, which has been changed since: "
            f"{' '.join(run.arguments)}. Received: {' '.join(map(str, row['arguments']))}: give "
            "another folder with --out"
        )


def _row(run: Run, tries: int) -> Row:
    return {
        "name": run.name,
        "backend": run.backend,
        "settings": dict(run.settings),
        "arguments": list(run.arguments),
        "status": WAITING,
        "tries": tries,
    }
