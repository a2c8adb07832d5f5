"""Runs on several devices, beyond the suite: `nox -s devices`."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ranparity.training import directory
from tests.programs import LIMIT, environment
from tests.training.test_replicas import ALIKE, OPTIONS, PROGRAM, ended, started, steps


def test_torchrun_trains_what_one_machine_does(tmp_path: Path) -> None:
    """Its second process has no data and no record."""
    one, several = tmp_path / "one", tmp_path / "several"
    alone = started("torch", one, "--devices=2", "--epochs=1")
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    options = [*OPTIONS, "--backend=torch", f"--out={several}", "--epochs=1"]
    done = subprocess.run(
        [sys.executable, *launch, *PROGRAM[1:], *options],
        env=environment(GLOO_SOCKET_IFNAME="lo"),
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ended(alone) == (0, "")
    found, expected = directory.read_run(several), directory.read_run(one)
    assert found["environment"]["switches"]["devices"] == 2
    assert [found[name] for name in ALIKE] == [expected[name] for name in ALIKE]


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_run_begun_on_two_devices_goes_on_with_one(backend: str, tmp_path: Path) -> None:
    process = started(backend, tmp_path, "--devices=2", "--epochs=1")
    while steps(tmp_path) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert ended(process)[0] == 130
    status, said = ended(started(backend, tmp_path, "--epochs=1", "--resume"))
    assert status == 0, said
    assert "not what the run began with: " in said
    first, second = directory.read_run(tmp_path)["parts"]
    assert first["environment"]["switches"]["devices"] == 2
    assert "devices" not in second["environment"]["switches"]
    assert directory.read_run(tmp_path)["steps"] == 11
