"""A batch in parts: of a net without batch statistics its update is the whole batch's.

It is judged as level 3 of the ladder judges a step: against the arbiter's step on the whole batch,
in terms of what roundings explain.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ranparity.parity.ladder.judge import Result
from ranparity.parity.ladder.rounding import LIMIT
from ranparity.training import backends
from tests.parity.ladder import ways as judging
from tests.parity.ladder.parts_worker import CASE, ways


@pytest.fixture(scope="module", params=backends.NAMES)
def updates(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Result]:
    """Level 3 of each way on a backend."""
    name, folder = request.param, tmp_path_factory.mktemp("parts")
    return judging.updates("parts_worker.py", CASE, name, ways(name), folder)


def test_parts_make_the_update_of_the_whole_batch(updates: Mapping[str, Result]) -> None:
    for way in updates.keys() & {"whole", "parts", "twice"}:
        result = updates[way]
        assert (result.level, result.verdict) == (3, "pass")
        assert len(result.rows) > 60
        assert 0 < max(result.rhos) < LIMIT / 10


def test_parts_that_are_not_divided_or_not_all_there_are_seen(
    updates: Mapping[str, Result],
) -> None:
    """In every weight and every velocity: each is out by a part of its gradient."""
    for way in updates.keys() & {"undivided", "without-last"}:
        result = updates[way]
        assert result.verdict == "fail"
        rows = [row for row in result.rows if row.tensor.startswith("run/")]
        moved = [row for row in rows if row.tensor.startswith(("run/weight/", "run/kept/"))]
        assert moved
        assert all(row.verdict == "differs" for row in moved)
