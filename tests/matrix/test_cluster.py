"""What of a Ray cluster can be tested without Ray: addresses, processors, and a run as a task."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from ranparity.errors import InputError
from ranparity.matrix import cluster, jobs
from ranparity.matrix.jobs import Job
from tests.matrix.plans import NAMES, PROGRAM, read, run_of, tell

FIRST, _ = NAMES


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (first, _) = read(tmp_path).runs
    return jobs.job(first, tmp_path / "runs", PROGRAM)


def test_ray_that_is_not_installed_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError) as caught, cluster.connected("auto", 1):
        pass
    assert str(caught.value) == (
        "--ray: ray is not installed: python -m pip install 'ranparity[ray]'"
    )


@pytest.fixture
def with_ray(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A module in the place of Ray that only notes how it is asked to connect."""
    asked: list[dict[str, Any]] = []

    def module(*, alone: bool) -> Any:
        return Ray(alone)

    class Ray:
        def __init__(self, alone: bool) -> None:
            self.alone = alone

        def init(self, **how: Any) -> None:
            asked.append({"alone": self.alone, **how})
            raise ConnectionError("Could not find any running Ray instance.\nand more")

    monkeypatch.setattr(cluster, "_ray", module)
    return asked


@pytest.mark.parametrize("address", ["here", ":1", "host:", "host:x", "ray://host:1"])
def test_an_address_that_is_none_is_a_line(address: str, with_ray: list[dict[str, Any]]) -> None:
    with pytest.raises(InputError) as caught, cluster.connected(address, 1):
        pass
    assert str(caught.value) == f"--ray: expected auto, local or HOST:PORT. Received: {address}"
    assert with_ray == []


def test_an_address_where_nothing_answers_is_a_line(with_ray: list[dict[str, Any]]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(InputError) as caught, cluster.connected(f"127.0.0.1:{port}", 1):
        pass
    assert str(caught.value).startswith(
        f"--ray 127.0.0.1:{port}: expected a Ray cluster that can be reached: "
    )
    assert with_ray == []


def test_what_ray_says_of_a_cluster_that_is_not_there_is_a_line(
    with_ray: list[dict[str, Any]],
) -> None:
    with pytest.raises(InputError) as caught, cluster.connected("auto", 1):
        pass
    assert str(caught.value) == (
        "--ray auto: expected a Ray cluster that can be reached: Could not find any running Ray "
        "instance."
    )
    with pytest.raises(InputError), cluster.connected("local", 1):
        pass
    told = {"log_to_driver": False, "logging_level": "ERROR"}
    assert with_ray[0] == {"alone": False, "address": "auto", **told}
    assert with_ray[1]["alone"] is True, "nothing of it can be reached from elsewhere"
    assert with_ray[1]["include_dashboard"] is False


def test_processors_are_claimed_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cluster.tempfile, "gettempdir", lambda: str(tmp_path))
    usable = os.sched_getaffinity(0)
    seen = []
    with cluster.claimed(1):
        first = os.sched_getaffinity(0)
        seen.append(first)
        os.sched_setaffinity(0, usable)  # as another process would have them
        with cluster.claimed(1):
            second = os.sched_getaffinity(0)
        os.sched_setaffinity(0, first)
    assert len(first) == 1
    if len(usable) > 1:
        assert len(second) == 1
        assert first.isdisjoint(second)
    assert os.sched_getaffinity(0) == usable
    with cluster.claimed(1):
        assert os.sched_getaffinity(0) == first, "a claim ends with its block"
    with cluster.claimed(len(usable) + 1):
        assert os.sched_getaffinity(0) == usable, "more than there are: all"


def task(job: Job, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    monkeypatch.setenv("KERAS_BACKEND", job.backend)
    return cluster._task(job, 1)


def test_a_task_carries_its_run_out_in_its_own_process(
    tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(tmp_path, monkeypatch)
    assert task(job, monkeypatch) == (0, "")
    run = run_of(tmp_path / "runs", FIRST)
    assert run["status"] == "finished"
    assert [part["pid"] for part in run["parts"]] == [os.getpid()]
    assert len(run["parts"][0]["processors"]) == 1
    assert cluster._count(job) == 1


def test_a_task_that_is_refused_says_why_and_is_over(
    tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(tmp_path, monkeypatch, {FIRST: ["refuse"]})
    said = "ended with status 2: ranparity: --batch-size: expected 1 or more. Received: 0"
    assert task(job, monkeypatch) == (2, said)


def test_a_task_that_dies_raises_so_that_ray_tries_again(
    tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(tmp_path, monkeypatch, {FIRST: ["die"]})
    with pytest.raises(cluster.DiedError) as caught:
        task(job, monkeypatch)
    assert str(caught.value) == "ended with status 1: Traceback | line | MemoryError: no memory"
    assert task(job, monkeypatch) == (0, "")
    assert cluster._count(job) == 2


def test_an_exception_is_told_as_the_last_line(
    tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", str(tmp_path / "nowhere.json"))
    with pytest.raises(cluster.DiedError, match=r"ended with status 1: FileNotFoundError: "):
        task(job, monkeypatch)
