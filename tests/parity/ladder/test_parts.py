"""A batch in parts: of a net without batch statistics its update is the whole batch's.

It is judged as level 3 of the ladder judges a step: against the arbiter's step on the whole batch,
in terms of what roundings explain.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from ranparity.parity.ladder.judge import Result
from ranparity.parity.ladder.rounding import LIMIT
from ranparity.parity.ladder.run import judged
from ranparity.parity.ladder.store import Store
from ranparity.training import backends
from tests.parity.ladder.parts_worker import CASE, WAYS
from tests.programs import ROOT

SECONDS = 300  # of which a worker needs twenty


@pytest.fixture(scope="module", params=backends.NAMES)
def updates(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Result]:
    """Level 3 of each way on a backend."""
    name, folder = request.param, tmp_path_factory.mktemp("parts")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("parts_worker.py")), str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": name},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = {}
    for way in WAYS:
        evidence = Store(folder / way)
        _, found[way] = judged(CASE, name, evidence, evidence, folder / "cache")
    return found


@pytest.mark.parametrize("way", ["whole", "parts", "twice"])
def test_parts_make_the_update_of_the_whole_batch(updates: Mapping[str, Result], way: str) -> None:
    result = updates[way]
    assert (result.level, result.verdict) == (3, "pass")
    assert len(result.rows) > 60
    assert 0 < max(result.rhos) < LIMIT / 10


@pytest.mark.parametrize("way", ["undivided", "without-last"])
def test_parts_that_are_not_divided_or_not_all_there_are_seen(
    updates: Mapping[str, Result], way: str
) -> None:
    """In every weight and every velocity: each is out by a part of its gradient."""
    result = updates[way]
    assert result.verdict == "fail"
    rows = [row for row in result.rows if row.tensor.startswith("run/")]
    moved = [row for row in rows if row.tensor.startswith(("run/weight/", "run/kept/"))]
    assert moved
    assert all(row.verdict == "differs" for row in moved)
