"""What the variables of launchers say, and what they must not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ranparity.errors import InputError
from ranparity.training import backends, launching
from ranparity.training.launching import Launch

TORCHRUN = {"RANK": "1", "WORLD_SIZE": "4"}
JAX = {"JAX_COORDINATOR_ADDRESS": "first:9"}
PLACE = {"JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "0"}


def config(kind: str = "worker", index: Any = 1, **cluster: list[str]) -> dict[str, str]:
    task = {"type": kind, "index": index}
    return {
        "TF_CONFIG": json.dumps({"cluster": cluster or {"worker": ["a:1", "b:2"]}, "task": task})
    }


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (TORCHRUN, Launch("torchrun", "torch", 4, 1)),
        (config(), Launch("TF_CONFIG", "tensorflow", 2, 1)),
        (
            config(index=1, chief=["a:1"], worker=["b:2", "c:3"]),
            Launch("TF_CONFIG", "tensorflow", 3, 2),
        ),
        (
            config("chief", 0, chief=["a:1"], worker=["b:2"]),
            Launch("TF_CONFIG", "tensorflow", 2, 0),
        ),
        (JAX | PLACE, Launch("jax.distributed", "jax", 2, 0, "first:9")),
        (
            JAX | {"SLURM_NTASKS": "3", "SLURM_PROCID": "2"},
            Launch("jax.distributed", "jax", 3, 2, "first:9"),
        ),
        (
            JAX | {"OMPI_COMM_WORLD_SIZE": "3", "OMPI_COMM_WORLD_RANK": "1"} | PLACE,
            Launch("jax.distributed", "jax", 2, 0, "first:9"),
        ),
    ],
)
def test_each_launcher_says_how_many_there_are_and_which_this_is(
    variables: dict[str, str], expected: Launch
) -> None:
    assert launching.found(variables) == [expected]
    assert launching.of(expected.backend, variables) == expected
    for other in set(backends.NAMES) - {expected.backend}:
        with pytest.raises(InputError) as caught:
            launching.of(other, variables)
        assert str(caught.value) == (
            f"{expected.by} starts processes of {expected.backend}: ask for it with --backend "
            f"{expected.backend}. Received: {other}"
        )


def test_the_backend_chooses_among_launchers() -> None:
    both = TORCHRUN | config()
    assert launching.of("torch", both) == Launch("torchrun", "torch", 4, 1)
    assert launching.of("tensorflow", both) == Launch("TF_CONFIG", "tensorflow", 2, 1)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"RANK": "0"},
        {"RANK": "0", "WORLD_SIZE": "1"},
        {"TF_CONFIG": ""},
        config(index=0, worker=["a:1"]),
        {"SLURM_NTASKS": "3", "SLURM_PROCID": "2"},
        JAX | {"JAX_NUM_PROCESSES": "1", "JAX_PROCESS_ID": "0"},
    ],
)
def test_a_sole_process_is_not_launched(variables: dict[str, str]) -> None:
    assert [launching.of(name, variables) for name in backends.NAMES] == [None] * 3


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"RANK": "x", "WORLD_SIZE": "2"}, "RANK: expected a number. Received: 'x'"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "torchrun: expected a process from 0 to 1. Received: 2"),
        ({"TF_CONFIG": "{"}, 'TF_CONFIG: expected {"cluster": {"worker": ["HOST:PORT", ...]}, '),
        ({"TF_CONFIG": "[]"}, "TF_CONFIG: expected "),
        (config("evaluator", 0), "TF_CONFIG: expected "),
        (config(index=[]), "TF_CONFIG: expected "),
        (JAX, "JAX_COORDINATOR_ADDRESS: expected JAX_NUM_PROCESSES and JAX_PROCESS_ID beside it"),
    ],
)
def test_damaged_variables_are_refused(variables: dict[str, str], words: str) -> None:
    with pytest.raises(InputError) as caught:
        launching.found(variables)
    assert str(caught.value).startswith(words)


def test_devices_are_shared_out_among_processes() -> None:
    launch = Launch("jax.distributed", "jax", 2, 0, "first:9")
    assert [launch.devices(asked) for asked in (None, 2, 6)] == [2, 2, 6]
    with pytest.raises(InputError, match="expected a multiple of the 2 processes that jax"):
        launch.devices(3)
    torchrun = Launch("torchrun", "torch", 2, 0)
    assert [torchrun.devices(asked) for asked in (None, 2)] == [2, 2]
    with pytest.raises(InputError, match="expected 2, as many as torchrun has started"):
        torchrun.devices(4)
