"""Runs a worker that takes one step in several ways, and judges each as level 3 of the ladder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.judge import Result
from ranparity.parity.ladder.run import judged
from ranparity.parity.ladder.store import Store
from tests.programs import ROOT

SECONDS = 300  # of which a worker needs thirty


def updates(
    worker: str, case: Case, backend: str, ways: Iterable[str], folder: Path
) -> Mapping[str, Result]:
    """Level 3 of each way on a backend.

    Args:
        worker: A program beside this file; it writes evidence into a folder for each way.
        case: What it takes a step of.
        backend: On which.
        ways: Their names.
        folder: An empty one.
    """
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name(worker)), str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = {}
    for way in ways:
        evidence = Store(folder / way)
        _, found[way] = judged(case, backend, evidence, evidence, folder / "cache")
    return found
