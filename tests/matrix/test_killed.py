"""Real runs of a plan: one is killed and interrupted, and they end with the same bits."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ranparity.parity import endurance
from ranparity.training import directory
from tests.matrix.test_machine import is_there
from tests.matrix.test_session import record, statuses
from tests.programs import RANPARITY, environment
from tests.report import schemas

PLAN = """
model = "resnet18-cifar@8"
backend = "torch"
seed = [0, 1]
batch-size = 64
steps = 30
checkpoint-every = 4
"""
NAMES = ("resnet18-cifar@8-digits-torch-seed0", "resnet18-cifar@8-digits-torch-seed1")
LIMIT = 120  # seconds


def start(folder: Path) -> subprocess.Popen[str]:
    (folder / "plan.toml").write_text(PLAN)
    command = [RANPARITY, "matrix", "plan.toml", "--out", "runs", "--jobs", "2"]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str], limit: float = LIMIT) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=limit)
    return process.returncode, out, err


def until_steps(folder: Path, name: str, count: int, limit: float = LIMIT) -> None:
    """Waits until a run has so many steps in its log."""
    path, until = folder / "runs" / name / directory.STEPS, time.monotonic() + limit
    while not path.exists() or path.read_bytes().count(b"\n") < count:
        assert time.monotonic() < until, f"{path} never had {count} steps"
        time.sleep(0.005)


def until_parts(folder: Path, name: str, count: int) -> None:
    """Waits until so many processes have taken a run up."""
    limit = time.monotonic() + LIMIT
    while len(directory.read_run(folder / "runs" / name)["parts"]) < count:
        assert time.monotonic() < limit, f"{name} never had {count} processes"
        time.sleep(0.01)


def child(process: subprocess.Popen[str], name: str) -> int:
    """The process that a matrix has started for a run."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (found,) = [
        int(pid)
        for pid in children
        if f"/{name}".encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return found


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose runs were killed and interrupted."""
    folder = tmp_path_factory.mktemp("disturbed")
    with start(folder) as process:
        until_steps(folder, NAMES[0], 6)
        pid = child(process, NAMES[0])
        os.kill(pid, signal.SIGKILL)
        until_parts(folder, NAMES[0], 2)
        until_steps(folder, NAMES[0], 8)
        process.send_signal(signal.SIGINT)
        status, out, err = ended(process)
    assert (status, out) == (130, "")
    assert f"{NAMES[0]}: killed by signal 9 (SIGKILL): nothing on stderr: going on from" in err
    assert err.endswith(
        "go on with: ranparity matrix plan.toml --out runs\nranparity: interrupted\n"
    )
    assert not is_there(pid)
    assert statuses(folder)[NAMES[0]] == ("interrupted", 2)
    with start(folder) as process:
        status, _, err = ended(process)
    assert status == 0, err
    assert f"{NAMES[0]}: going on" in err
    return folder


def test_they_end_with_the_bits_of_undisturbed_runs(disturbed: Path, tmp_path: Path) -> None:
    with start(tmp_path) as process:
        status, _, err = ended(process)
    assert status == 0, err
    for name in NAMES:
        calm, killed = tmp_path / "runs" / name, disturbed / "runs" / name
        assert endurance.differences(calm, killed) == []
        assert schemas.of_text("run", (killed / directory.RUN).read_text()) == []
        assert len(directory.read_run(calm)["parts"]) == 1
    parts = directory.read_run(disturbed / "runs" / NAMES[0])["parts"]
    assert len(parts) == 3, "killed, interrupted, and gone on with"
    assert [part["first_step"] > 1 for part in parts] == [False, True, True]


def test_the_record_has_the_results_of_the_runs(disturbed: Path) -> None:
    found = record(disturbed)
    assert [row["status"] for row in found["runs"]] == ["finished"] * 2
    assert found["runs"][0]["tries"] == 3
    for row in found["runs"]:
        run = directory.read_run(disturbed / "runs" / row["name"])
        for key in ("test_accuracy", "test_loss", "final_weights_digest", "tape_digest"):
            assert row[key] == run[key]
    assert found["environments"]["torch"]["source_digest"]
    digests = {row["final_weights_digest"] for row in found["runs"]}
    assert len(digests) == 2, "seeds differ"
