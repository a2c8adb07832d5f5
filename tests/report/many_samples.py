"""Records of many runs and of statistics, as their writers make them of made-up results."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from ranparity.commands.matrix import run_parser
from ranparity.matrix import jobs, plan
from ranparity.matrix.book import Book
from ranparity.parity import statistics as level6
from tests.report import samples

PLAN = """
model = "resnet18-cifar@8"
backend = ["torch", "tensorflow", "jax"]
seed = [0, 1, 2, 3]
"""
ASKED = """
[statistics]
margin = 2.0

[planted.low-rate]
backend = "torch"
learning-rate = 0.001
"""
FIXED, STARTED = "2026-05-04T00:00:00+00:00", "2026-05-04T01:00:00+00:00"
Reached = Callable[[str], float]


def reached(name: str) -> float:
    """Backends a little apart, seeds more, and what is planted a lot worse."""
    seed = int(name[-1])
    return 0.9 + 0.01 * seed + 0.001 * ((7 * seed + len(name)) % 5) - 0.2 * ("low-rate" in name)


def environment(backend: str) -> dict[str, Any]:
    return samples.ENVIRONMENT | {"framework": f"{backend} 1.0"}


def statistics(of: Reached = reached, *failed: str) -> dict[str, Any]:
    """The record of level 6, of runs that reach what a function gives of their names.

    Args:
        of: Gives an accuracy.
        failed: Names of runs that failed.
    """
    return dict(json.loads(_answered(of, *failed)))


@functools.cache
def _answered(of: Reached, *failed: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "plan.toml")
        path.write_text(PLAN + ASKED)
        design = level6.read(path, run_parser())
        with mock.patch.object(level6, "datetime") as clock:
            clock.now().isoformat.return_value = FIXED
            answers = level6.Answers(design, Path(folder))
        rows = {
            run.name: {
                "name": run.name,
                "status": "finished",
                "started": STARTED,
                "test_accuracy": of(run.name),
                "test_loss": 0.25,
                "steps": 9,
                "seconds": 2.5,
                "tape_digest": samples.sha("tape", run.name[-1]),
                "final_weights_digest": samples.sha("final", run.name),
            }
            for run in (*design.plan.runs, *design.beside)
        }
        for name in failed:
            rows[name] |= {"status": "failed", "error": "killed by signal 9 (SIGKILL)"}
        places = {name: environment(name) for name in samples.BACKENDS}
        book: Any = SimpleNamespace(rows=rows, environments=places)
        answers.take(book)
        return json.dumps(answers.content)


def matrix() -> dict[str, Any]:
    """The record of a plan: the second run has failed, the third waits, and all others are done."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "plan.toml")
        path.write_text(PLAN)
        read = plan.read(path, run_parser())
        book = Book(Path(folder), read, read.runs, "this machine", 2)
        first, bad, waiting, *others = [jobs.job(run, Path(folder)) for run in read.runs]
        for job in (first, *others):
            results = {
                "status": "finished",
                "started": STARTED,
                "test_accuracy": reached(job.name),
                "test_loss": 0.25,
                "seconds": 2.5,
                "steps": 9,
                "final_weights_digest": samples.sha("final", job.name),
                "environment": environment(job.backend),
            }
            job.folder.mkdir()
            (job.folder / "run.json").write_text(json.dumps(results))
            book.begun(job)
            book.ended(job, "")
        book.begun(bad)
        book.ended(bad, "killed by signal 9 (SIGKILL): nothing on stderr")
        assert book.rows[waiting.name]["status"] == "waiting"
        return book.content


def reports(
    statistics_: dict[str, Any] | None = None, matrix_: dict[str, Any] | None = None
) -> samples.Files:
    """All records of a reports folder, with these two."""
    return samples.reports() | {
        "data/statistics.json": samples.encoded(statistics_ or statistics()),
        "data/matrix-plan.json": samples.encoded(matrix_ or matrix()),
    }
