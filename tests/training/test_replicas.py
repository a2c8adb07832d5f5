"""Runs on several devices: told, recorded, and lost ones gone on from."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ranparity.errors import InputError
from ranparity.training import backends, checkpoint, directory
from ranparity.training.backends.bookkeeping import check_devices
from ranparity.training.plan import check_parts
from ranparity.training.recipe import named
from tests.narrow_run import RECIPE
from tests.programs import LIMIT, ROOT, environment, ranparity

PROGRAM = [sys.executable, str(ROOT / "tests" / "narrow_run.py")]
OPTIONS = [*RECIPE, "--batch-size=120", "--epochs=1", "--checkpoint-every=1000", "--quiet"]


def started(backend: str, folder: Path, *options: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, *OPTIONS, f"--backend={backend}", f"--out={folder}", *options],
        env=environment(**variables),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=LIMIT)
    return process.returncode, said


def steps(folder: Path) -> int:
    log = folder / directory.STEPS
    return log.read_text().count("\n") if log.is_file() else 0


def children(process: subprocess.Popen[str]) -> list[int]:
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(child) for child in listed.read_text().split()]


def lost(folder: Path) -> int:
    """Train on two devices and kill the second one; gives the steps that were made."""
    process = started("torch", folder, "--devices=2")
    while steps(folder) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    (other,) = children(process)
    os.kill(other, signal.SIGKILL)
    status, said = ended(process)
    assert status == 75
    (line,) = said.splitlines()
    assert line.startswith(
        f"ranparity: device 2 of 2 (process {other}) was killed by signal 9 (SIGKILL)"
    )
    return steps(folder)


def test_a_lost_device_ends_the_run_with_a_checkpoint_of_its_last_step(tmp_path: Path) -> None:
    made = lost(tmp_path)
    record = directory.read_run(tmp_path)
    assert (record["status"], record["steps"]) == ("failed", made)
    assert record["environment"]["switches"]["devices"] == 2
    saved = checkpoint.newest(tmp_path, pytest.fail)
    assert saved
    assert saved.state.step == made


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--devices=3"], "--devices: expected 2, as many as torchrun has started. Received: 3"),
        (
            ["--backend=jax"],
            "torchrun starts processes of torch: ask for it with --backend torch. Received: jax",
        ),
    ],
)
def test_what_torchrun_cannot_do_is_refused(options: list[str], words: str) -> None:
    done = ranparity("run", "--backend=torch", *options, WORLD_SIZE="2", RANK="0")
    assert (done.returncode, done.stderr) == (2, f"ranparity: {words}\n")


@pytest.mark.parametrize(
    ("parts", "devices", "words"),
    [
        (1, 3, "divides the batch of 64 images of stage train. Received: 3"),
        (4, 32, "divides each of the 4 parts of the batch of 64 images of stage train"),
    ],
)
def test_a_batch_that_devices_cannot_share_is_refused(parts: int, devices: int, words: str) -> None:
    check_parts(named("digits"), parts, 2)
    with pytest.raises(InputError, match=f"^--devices: expected a number that {words}"):
        check_parts(named("digits"), parts, devices)


def test_more_devices_than_there_are_and_none_are_refused() -> None:
    check_devices(2, 2)
    with pytest.raises(InputError, match=r"no more than the framework sees, 2\. Received: 3"):
        check_devices(3, 2)
    done = ranparity("run", "--devices", "0", "--backend", backends.NAMES[0])
    assert done.returncode == 2
    assert done.stderr == "ranparity: --devices: expected 1 or more. Received: 0\n"
