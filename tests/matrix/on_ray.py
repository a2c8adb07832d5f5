"""Runs on a Ray cluster of two workers on this machine, one of which is killed: `nox -s ray`.

A head without processors and two workers with one each, on 127.0.0.1 alone, held up by a program of
the tests. What is left of them afterwards fails.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ranparity.matrix.jobs import TRIES
from ranparity.parity import endurance
from ranparity.training import directory
from tests.matrix import plans, ray_cluster
from tests.matrix.test_killed import NAMES, PLAN, ended, until_steps
from tests.matrix.test_session import record, statuses
from tests.programs import RANPARITY, ROOT, environment

LIMIT = 600  # seconds: of two workers and all that Ray has beside them on a busy machine
CARRY_OUT = """
import sys
from pathlib import Path
from ranparity.commands.matrix import run_parser
from ranparity.matrix import plan, session
from ranparity.matrix.session import Means
from tests.matrix.plans import PROGRAM

read = plan.read(Path("two.toml"), run_parser())
session.carry_out(read, Path("runs"), Means(ray=sys.argv[1], program=PROGRAM))
"""


@dataclass
class Cluster:
    """A cluster that the tests have started: its address, its process, what it tells stand-ins."""

    address: str
    process: subprocess.Popen[str]
    told: Path


def below(pid: int) -> set[int]:
    """A process and all that come from it."""
    found, todo = set(), [pid]
    while todo:
        one = todo.pop()
        found.add(one)
        for path in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # it has ended since
                todo += [int(child) for child in path.read_text().split()]
    return found


def is_alive(pid: int) -> bool:
    """Whether a process is there, and does not merely wait for somebody to take note of its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def gone(pids: set[int]) -> bool:
    """Waits until processes have ended; says whether they have."""
    limit = time.monotonic() + 30
    while any(map(is_alive, pids)) and time.monotonic() < limit:
        time.sleep(0.1)
    return not any(map(is_alive, pids))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two workers, which end with the module."""
    work = Path(tempfile.mkdtemp(prefix="r"))
    told = work / "stand-in.json"
    told.write_text("{}")
    with subprocess.Popen(
        [sys.executable, str(ROOT / "tests/matrix/ray_cluster.py"), str(work / "t")],
        env=environment(STAND_IN=str(told), PYTHONPATH=str(ROOT)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("127.0.0.1:"), "nothing of it can be reached from elsewhere"
        yield Cluster(address, process, told)
        everything = below(process.pid)
        process.stdin.close()
        process.wait(timeout=LIMIT)
    shutil.rmtree(work, ignore_errors=True)
    assert len(everything) > ray_cluster.WORKERS
    assert gone(everything), "processes of Ray that outlived their cluster"


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    (folder / "plan.toml").write_text(PLAN)
    return subprocess.Popen(
        [RANPARITY, "matrix", "plan.toml", "--out", "runs", *options],
        cwd=folder,
        env=environment(**ray_cluster.VARIABLES),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def writer(cluster: Cluster, folder: Path, name: str) -> int:
    """The process of the cluster that is writing a run: the one that has its lock open."""
    lock = str((folder / "runs" / name / directory.LOCK).resolve())
    (found,) = {pid for pid in below(cluster.process.pid) if lock in open_files(pid)}
    return found


def open_files(pid: int) -> set[str]:
    found = set()
    for path in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            found.add(str(path.readlink()))
        except OSError:  # closed since
            continue
    return found


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Undisturbed runs on this machine, each on one processor, as on the cluster."""
    folder = tmp_path_factory.mktemp("calm")
    with start(folder, "--jobs", str(len(os.sched_getaffinity(0)))) as process:
        status, _, err = ended(process, LIMIT)
    assert status == 0, err
    return folder


def test_a_killed_run_is_gone_on_with_and_ends_with_the_same_bits(
    cluster: Cluster, calm: Path, tmp_path: Path
) -> None:
    with start(tmp_path, "--ray", cluster.address) as process:
        until_steps(tmp_path, NAMES[0], 10, LIMIT)
        pid = writer(cluster, tmp_path, NAMES[0])
        assert pid != cluster.process.pid
        os.kill(pid, signal.SIGKILL)
        status, out, err = ended(process, LIMIT)
    assert status == 0, err
    assert f"{NAMES[0]}: its process died: going on from its checkpoint" in err
    assert re.search(rf"{NAMES[0]} .* finished +2 ", out)
    for name in NAMES:
        run = tmp_path / "runs" / name
        assert endurance.differences(calm / "runs" / name, run) == []
        assert directory.read_run(run)["environment"]["threads"] == 1
    parts = [len(directory.read_run(tmp_path / "runs" / name)["parts"]) for name in NAMES]
    assert parts == [2, 1]
    assert directory.read_run(tmp_path / "runs" / NAMES[0])["parts"][1]["first_step"] > 1
    assert record(tmp_path)["place"] == "a Ray cluster"
    assert statuses(tmp_path) == {NAMES[0]: ("finished", 2), NAMES[1]: ("finished", 1)}


def test_ctrl_c_ends_the_runs_and_started_again_they_go_on(
    cluster: Cluster, calm: Path, tmp_path: Path
) -> None:
    with start(tmp_path, "--ray", cluster.address) as process:
        for name in NAMES:
            until_steps(tmp_path, name, 6, LIMIT)
        process.send_signal(signal.SIGINT)
        status, _, err = ended(process, LIMIT)
    assert status == 130, err
    assert err.splitlines()[-2:] == [
        f"go on with: ranparity matrix plan.toml --out runs --ray {cluster.address}",
        "ranparity: interrupted",
    ]
    runs = [directory.read_run(tmp_path / "runs" / name) for name in NAMES]
    assert [run["status"] for run in runs] == ["interrupted", "interrupted"]
    with start(tmp_path, "--ray", cluster.address) as process:
        status, _, err = ended(process, LIMIT)
    assert status == 0, err
    for name in NAMES:
        assert endurance.differences(calm / "runs" / name, tmp_path / "runs" / name) == []


def test_tries_are_bounded_and_a_refusal_is_final(cluster: Cluster, tmp_path: Path) -> None:
    bad, refused = plans.NAMES
    cluster.told.write_text(json.dumps({bad: ["kill", "die", "kill", "kill"], refused: ["refuse"]}))
    (tmp_path / "two.toml").write_text(plans.TWO)
    done = subprocess.run(
        [sys.executable, "-c", CARRY_OUT, cluster.address],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(ROOT), **ray_cluster.VARIABLES),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert statuses(tmp_path) == {bad: ("failed", TRIES), refused: ("failed", 1)}
    first, second = (row["error"] for row in record(tmp_path)["runs"])
    assert first
    assert second == "ended with status 2: ranparity: --batch-size: expected 1 or more. Received: 0"
    runs = [plans.run_of(tmp_path / "runs", name) for name in (bad, refused)]
    assert [run["backend"] for run in runs] == ["torch", "torch"], "of its environment"
    assert len({part["pid"] for part in runs[0]["parts"]}) == TRIES, "each has its own process"


def test_a_cluster_of_this_machine_alone_is_gone_afterwards(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(plans.TWO)
    (tmp_path / "stand-in.json").write_text("{}")
    variables = {"PYTHONPATH": str(ROOT), "STAND_IN": str(tmp_path / "stand-in.json")}
    with subprocess.Popen(
        [sys.executable, "-c", CARRY_OUT, "local"],
        cwd=tmp_path,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        seen: set[int] = set()
        while process.poll() is None:
            seen |= below(process.pid)
            time.sleep(0.2)
        status, _, err = ended(process, LIMIT)
    assert status == 0, err
    assert {status for status, _ in statuses(tmp_path).values()} == {"finished"}
    assert len(seen) > 3
    assert gone(seen)
