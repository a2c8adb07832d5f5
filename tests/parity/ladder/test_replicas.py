"""A batch on two devices: its update is the one of a single device, batch statistics included.

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
from tests.parity.ladder.replicas_worker import CASE, ON


@pytest.fixture(scope="module", params=backends.NAMES)
def updates(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Result]:
    """Level 3 of each way on a backend."""
    name, folder = request.param, tmp_path_factory.mktemp("replicas")
    return judging.updates("replicas_worker.py", CASE, name, ON[name], folder)


def test_two_devices_make_the_update_of_one(updates: Mapping[str, Result]) -> None:
    for way in updates.keys() & {"two", "twice"}:
        result = updates[way]
        assert (result.level, result.verdict) == (3, "pass")
        assert len(result.rows) > 60
        assert 0 < max(result.rhos) < LIMIT / 10


def test_statistics_of_a_part_and_gradients_of_a_part_are_seen(
    updates: Mapping[str, Result],
) -> None:
    for way in updates.keys() - {"two", "twice"}:
        result = updates[way]
        assert result.verdict == "fail"
        assert max(result.rhos) > 10 * LIMIT
