"""Runs on several devices, beyond the suite: `nox -s devices`."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ranparity import cli
from ranparity.training import backends, directory
from tests.programs import LIMIT, environment
from tests.training.test_replicas import OPTIONS, PROGRAM, ended, lost, started, steps

ALIKE = ("tape_digest", "final_weights_digest", "final_slots_digest")


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens at."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def places(backend: str) -> Iterator[dict[str, str]]:
    """The variables of two processes of this machine, as a backend's own launcher sets them."""
    ports = free_ports(2)
    for rank in range(2):
        if backend == "tensorflow":
            cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
            task = {"type": "worker", "index": rank}
            yield {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}
        elif backend == "jax":
            yield {
                "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{ports[0]}",
                "JAX_NUM_PROCESSES": "2",
                "JAX_PROCESS_ID": str(rank),
            }


def launched(backend: str, folder: Path, *options: str) -> list[subprocess.Popen[str]]:
    """The same command, in two processes."""
    return [started(backend, folder, *options, **place) for place in places(backend)]


def by_torchrun(folder: Path, *options: str) -> list[subprocess.Popen[str]]:
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    given = [*OPTIONS, "--backend=torch", f"--out={folder}", *options]
    return [
        subprocess.Popen(
            [sys.executable, *launch, *PROGRAM[1:], *given],
            env=environment(GLOO_SOCKET_IFNAME="lo"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
    ]


def until(folder: Path, made: int, processes: Sequence[subprocess.Popen[str]]) -> None:
    """Wait until a run has taken so many steps."""
    limit = time.monotonic() + LIMIT
    while steps(folder) < made:
        assert all(process.poll() is None for process in processes)
        assert time.monotonic() < limit
        time.sleep(0.02)


def first_losses(folder: Path) -> list[float]:
    """Of a run's first three steps: roundings take the later ones apart."""
    lines = (folder / directory.STEPS).read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines[:3]]


def test_the_update_is_that_of_one_device(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the ladder, which prints the largest rho of each backend."""
    asked = ["ladder", "resnet18-cifar@16", "--size=16", "--levels=3", "--devices=2"]
    with capsys.disabled():
        assert cli.main([*asked, f"--work={tmp_path}"]) == 0


@pytest.mark.parametrize("backend", backends.NAMES)
def test_processes_of_a_launcher_train_what_one_machine_does(backend: str, tmp_path: Path) -> None:
    """Those but the first have no data and no record."""
    one, several = tmp_path / "one", tmp_path / "several"
    options = ["--accumulate=2"]
    assert ended(started(backend, one, "--devices=2", *options)) == (0, "")
    start = by_torchrun if backend == "torch" else lambda *given: launched(backend, *given)
    for process in start(several, *options):
        status, said = ended(process)
        assert status == 0, said
    found, expected = directory.read_run(several), directory.read_run(one)
    switches = found["environment"]["switches"]
    assert switches["devices"] == 2
    assert switches["launched_by"].endswith(", 2 processes")
    if backend == "jax":  # whose last bits depend on how many processors a process has
        assert found["tape_digest"] == expected["tape_digest"]
        assert first_losses(several) == pytest.approx(first_losses(one), rel=1e-5)
    else:
        assert [found[name] for name in ALIKE] == [expected[name] for name in ALIKE]


@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_processes_are_told_of_the_precision(backend: str, precision: str, tmp_path: Path) -> None:
    """The second command does not have it."""
    first, second = places(backend)
    out, options = tmp_path / "run", ["--batch-size=720"]
    leads = started(backend, out, f"--precision={precision}", *options, **first)
    follows = started(backend, out, *options, **second)
    assert ended(leads) == (0, "")
    assert ended(follows)[0] == 0
    assert directory.read_run(out)["precision"] == precision


def test_a_run_that_lost_a_device_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    calm, hurt = tmp_path / "calm", tmp_path / "hurt"
    assert ended(started("torch", calm, "--devices=2")) == (0, "")
    made = lost(hurt)
    assert ended(started("torch", hurt, "--devices=2", "--resume")) == (0, "")
    found, expected = directory.read_run(hurt), directory.read_run(calm)
    assert found["parts"][1]["first_step"] == made + 1
    assert [found[name] for name in ALIKE] == [expected[name] for name in ALIKE]


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_lost_process_ends_the_run_and_one_device_goes_on(backend: str, tmp_path: Path) -> None:
    leads, follows = launched(backend, tmp_path)
    until(tmp_path, 3, [leads, follows])
    follows.kill()
    follows.communicate()
    status, said = ended(leads)
    assert status == 75, said
    line = said.splitlines()[-1]
    assert line.startswith("ranparity: another process was lost: ")
    made, record = steps(tmp_path), directory.read_run(tmp_path)
    assert (record["status"], record["steps"]) == ("failed", made)
    status, said = ended(started(backend, tmp_path, "--resume"))
    assert status == 0, said
    again = directory.read_run(tmp_path)
    assert again["parts"][1]["first_step"] == made + 1
    assert again["steps"] == 11


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_what_follows_ends_with_the_first_and_leaves_a_signal_to_it(
    backend: str, tmp_path: Path
) -> None:
    leads, follows = launched(backend, tmp_path)
    until(tmp_path, 2, [leads, follows])
    follows.send_signal(signal.SIGTERM)
    made = steps(tmp_path)
    until(tmp_path, made + 2, [leads, follows])
    leads.send_signal(signal.SIGINT)
    assert ended(leads)[0] == 130
    assert ended(follows)[0] == 0
    made = steps(tmp_path)
    leads, follows = launched(backend, tmp_path, "--resume")
    until(tmp_path, made + 1, [leads, follows])
    leads.kill()
    leads.communicate()
    status, said = ended(follows)
    assert status != 0
    assert "Traceback" not in said


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_run_begun_on_two_devices_goes_on_with_one(backend: str, tmp_path: Path) -> None:
    process = started(backend, tmp_path, "--devices=2")
    until(tmp_path, 2, [process])
    process.send_signal(signal.SIGINT)
    assert ended(process)[0] == 130
    status, said = ended(started(backend, tmp_path, "--resume"))
    assert status == 0, said
    assert "not what the run began with: " in said
    first, second = directory.read_run(tmp_path)["parts"]
    assert first["environment"]["switches"]["devices"] == 2
    assert "devices" not in second["environment"]["switches"]
    assert directory.read_run(tmp_path)["steps"] == 11


def test_processes_of_jax_have_several_devices_each(tmp_path: Path) -> None:
    one, several = tmp_path / "one", tmp_path / "several"
    options = ["--devices=4", "--batch-size=360"]
    assert ended(started("jax", one, *options)) == (0, "")
    for process in launched("jax", several, *options):
        status, said = ended(process)
        assert status == 0, said
    found, expected = directory.read_run(several), directory.read_run(one)
    assert found["tape_digest"] == expected["tape_digest"]
    assert first_losses(several) == pytest.approx(first_losses(one), rel=1e-5)
