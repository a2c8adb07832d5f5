"""Processes of stand-in programs: retries, shares of the processors, locks, the end."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest

from ranparity.matrix import jobs, machine
from ranparity.matrix.jobs import Event, Job
from tests.matrix.plans import NAMES, PROGRAM, read, run_of, tell

FIRST, SECOND = NAMES


@pytest.fixture
def two(tmp_path: Path) -> list[Job]:
    return [jobs.job(run, tmp_path / "runs", PROGRAM) for run in read(tmp_path).runs]


def carried_out(two: list[Job], at_once: int = 1) -> list[Event]:
    return list(machine.Machine().carry_out(two, at_once))


def told(events: list[Event], name: str) -> list[tuple[str, int, str]]:
    return [(each.kind, each.tries, each.said) for each in events if each.job.name == name]


def test_runs_that_end_well(
    tmp_path: Path, two: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(tmp_path, monkeypatch)
    events = carried_out(two)
    assert [(each.job.name, each.kind) for each in events] == [
        (FIRST, "begun"),
        (FIRST, "ended"),
        (SECOND, "begun"),
        (SECOND, "ended"),
    ]
    assert [each.said for each in events] == [""] * 4
    run = run_of(tmp_path / "runs", SECOND)
    assert run["backend"] == "torch", "of the environment of its process"
    assert run["argv"][:4] == ["--resume", "--quiet", "--json", "--out"]
    assert run["argv"][4] == str(tmp_path / "runs" / SECOND)
    assert run["argv"][5:7] == ["--seed", "1"]


def test_the_command_is_the_one_that_trains(tmp_path: Path) -> None:
    (job, _) = (jobs.job(run, tmp_path) for run in read(tmp_path).runs)
    assert job.command[1:4] == ("-m", "ranparity.run", "--resume")
    assert job.variables["KERAS_BACKEND"] == "torch"


def test_one_that_is_killed_or_dies_is_gone_on_with(
    tmp_path: Path, two: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(tmp_path, monkeypatch, {FIRST: ["kill", "die", "finish"]})
    events = carried_out(two)
    assert told(events, FIRST) == [
        ("begun", 1, ""),
        ("again", 1, "killed by signal 9 (SIGKILL): nothing on stderr"),
        ("begun", 2, ""),
        ("again", 2, "ended with status 1: Traceback | line | MemoryError: no memory"),
        ("begun", 3, ""),
        ("ended", 3, ""),
    ]
    assert told(events, SECOND) == [("begun", 1, ""), ("ended", 1, "")]
    assert len({part["pid"] for part in run_of(tmp_path / "runs", FIRST)["parts"]}) == 3


def test_tries_are_bounded(tmp_path: Path, two: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    tell(tmp_path, monkeypatch, {FIRST: ["kill"] * 9})
    events = carried_out(two)
    said = "killed by signal 9 (SIGKILL): nothing on stderr"
    assert told(events, FIRST)[-1] == ("ended", jobs.TRIES, said)
    assert len(run_of(tmp_path / "runs", FIRST)["parts"]) == jobs.TRIES
    assert told(events, SECOND)[-1] == ("ended", 1, "")


def test_one_that_is_refused_is_not_tried_again(
    tmp_path: Path, two: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(tmp_path, monkeypatch, {FIRST: ["refuse"]})
    said = "ended with status 2: ranparity: --batch-size: expected 1 or more. Received: 0"
    assert told(carried_out(two), FIRST) == [("begun", 1, ""), ("ended", 1, said)]


def test_ending_well_is_not_enough(
    tmp_path: Path, two: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(tmp_path, monkeypatch, {FIRST: ["nothing"]})
    said = "ended with status 0, and its run is not finished"
    assert told(carried_out(two), FIRST)[-1] == ("ended", 1, said)


def test_each_has_its_share_of_the_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usable = sorted(os.sched_getaffinity(0))
    for folder, at_once in (("one", 1), ("two", 2)):
        jobs_of = [jobs.job(r, tmp_path / folder, PROGRAM) for r in read(tmp_path).runs]
        tell(tmp_path, monkeypatch)
        carried_out(jobs_of, at_once)
        share = max(1, len(usable) // at_once)
        for name in NAMES:
            (part,) = run_of(tmp_path / folder, name)["parts"]
            assert len(part["processors"]) == share
    assert sorted(os.sched_getaffinity(0)) == usable


def until(path: Path) -> None:
    limit = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < limit, f"{path} was never there"
        time.sleep(0.01)


def left_early(two: list[Job], folder: Path) -> float:
    """Leaves both runs as they wait; gives the seconds that this takes."""
    events: Iterator[Event] = machine.Machine().carry_out(two, 2)
    assert [next(events).kind, next(events).kind] == ["begun", "begun"]
    for name in NAMES:
        until(folder / name / "waits")
    since = time.monotonic()
    events.close()  # type: ignore[attr-defined]
    return time.monotonic() - since


def pids(folder: Path) -> list[int]:
    return [run_of(folder, name)["parts"][0]["pid"] for name in NAMES]


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_whoever_leaves_early_has_the_runs_end_as_they_do(
    tmp_path: Path, two: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(tmp_path, monkeypatch, {FIRST: ["wait"], SECOND: ["wait"]})
    assert left_early(two, tmp_path / "runs") < 30
    found = [run_of(tmp_path / "runs", name)["status"] for name in NAMES]
    assert found == ["terminated", "terminated"]
    assert not any(map(is_there, pids(tmp_path / "runs")))


def test_one_that_does_not_heed_is_killed(
    tmp_path: Path, two: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "GRACE", 0.2)
    tell(tmp_path, monkeypatch, {FIRST: ["deaf"], SECOND: ["deaf"]})
    assert left_early(two, tmp_path / "runs") < 30
    assert not any(map(is_there, pids(tmp_path / "runs")))


def test_a_run_that_another_process_is_writing_waits_for_its_end(
    tmp_path: Path, two: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(tmp_path, monkeypatch)
    (tmp_path / "runs" / FIRST).mkdir(parents=True)
    with filelock.FileLock(tmp_path / "runs" / FIRST / ".lock"):
        events = machine.Machine().carry_out(two, 1)
        before = [next(events) for _ in range(3)]
    after = list(events)
    assert [(each.job.name, each.kind) for each in before] == [
        (SECOND, "begun"),
        (SECOND, "ended"),
        (FIRST, "held"),
    ]
    assert [(each.job.name, each.kind) for each in after] == [(FIRST, "begun"), (FIRST, "ended")]
