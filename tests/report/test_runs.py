from __future__ import annotations

from dataclasses import replace

import pytest

from ranparity.report.run_record import read_run
from ranparity.report.runs import FinishedRun, Part
from tests.report import samples


def run(*parts: tuple[int, str]) -> FinishedRun:
    """A run of 60 steps with these parts: first step and backend."""
    found = read_run("r", samples.run_files("jax"))
    assert isinstance(found, FinishedRun)
    return replace(found, parts=tuple(Part(first, backend, None) for first, backend in parts))


@pytest.mark.parametrize(
    ("parts", "spans"),
    [
        ([(1, "jax")], [(1, 60, "jax")]),
        ([(1, "torch"), (41, "jax")], [(1, 40, "torch"), (41, 60, "jax")]),
        ([(1, "torch"), (41, "torch"), (21, "jax")], [(1, 20, "torch"), (21, 60, "jax")]),
        ([(1, "torch"), (1, "jax")], [(1, 60, "jax")]),
        ([(1, "jax"), (61, "jax")], [(1, 60, "jax")]),
    ],
    ids=["whole", "moved", "went back", "begun again", "after the end"],
)
def test_a_part_is_what_lasted_of_it(
    parts: list[tuple[int, str]], spans: list[tuple[int, int, str]]
) -> None:
    found = run(*parts)
    assert list(found.spans) == spans
    assert found.backends == tuple(dict.fromkeys(backend for _, _, backend in spans))
