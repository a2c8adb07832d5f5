"""Records of many runs, as their writer makes them of made-up results."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from ranparity.commands.matrix import run_parser
from ranparity.matrix import jobs, plan
from ranparity.matrix.book import Book
from tests.report import samples

PLAN = """
model = "resnet18-cifar@8"
backend = ["torch", "tensorflow", "jax"]
seed = [0, 1, 2, 3]
"""
STARTED = "2026-05-04T01:00:00+00:00"


def reached(name: str) -> float:
    """Backends a little apart, and seeds more."""
    seed = int(name[-1])
    return 0.9 + 0.01 * seed + 0.001 * ((7 * seed + len(name)) % 5)


def environment(backend: str) -> dict[str, Any]:
    return samples.ENVIRONMENT | {"framework": f"{backend} 1.0"}


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


def reports(matrix_: dict[str, Any] | None = None) -> samples.Files:
    """All records of a reports folder, with this one."""
    return samples.reports() | {
        "data/matrix-plan.json": samples.encoded(matrix_ or matrix()),
    }
