"""The tests' own machinery: what is shared out among processes, and that its files are there."""

from __future__ import annotations

import pytest

from tests import workload
from tests.programs import ROOT


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("cpus", [1, 2, 4, 5])
def test_every_process_has_a_cpu_and_no_cpu_is_idle(cpus: int, processes: int) -> None:
    given = list(range(10, 10 + cpus))
    shares = [workload.share(given, place, processes) for place in range(processes)]
    assert all(shares)
    if processes <= cpus:
        assert sorted(cpu for each in shares for cpu in each) == given
    assert {cpu for each in shares for cpu in each} == set(given)


def test_the_longest_files_are_files() -> None:
    assert [file for file in workload.LONGEST if not (ROOT / file).is_file()] == []
    assert [workload.first(file) for file in workload.LONGEST] == list(range(len(workload.LONGEST)))
    assert workload.first("tests/test_workload.py") == len(workload.LONGEST)
