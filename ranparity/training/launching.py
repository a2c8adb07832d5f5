"""Which of several processes this is, where a launcher has started the same command several times.

Each framework has its own: `torchrun` for PyTorch, the variable TF_CONFIG for TensorFlow, and
`jax.distributed`, which takes a coordinator's address; how many processes there are and which this
is come with it from variables too, or from Slurm or Open MPI.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ranparity.errors import InputError

Environment = Mapping[str, str]

ADDRESS = "JAX_COORDINATOR_ADDRESS"  # JAX reads it too
JAX_PLACES = (
    ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID"),
    ("SLURM_NTASKS", "SLURM_PROCID"),
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
)
"""Variables with the number of processes and the number of this one, the first that are set."""


@dataclass(frozen=True)
class Launch:
    """A process's place among those that were started together.

    Attributes:
        by: What has started them.
        backend: The framework that can take part.
        processes: How many there are.
        rank: Which of them this is, from 0; the first one leads.
        address: Where the first one is, as HOST:PORT, of JAX alone.
    """

    by: str
    backend: str
    processes: int
    rank: int
    address: str = ""

    def devices(self, asked: int | None) -> int:
        """Give how many devices compute together; by default one in each process.

        Raises:
            InputError: They cannot be shared out among the processes.
        """
        if self.backend == "torch" and asked not in (None, self.processes):
            raise InputError(
                f"--devices: expected {self.processes}, as many as {self.by} has started. "
                f"Received: {asked}"
            )
        if asked is not None and asked % self.processes:
            raise InputError(
                f"--devices: expected a multiple of the {self.processes} processes that "
                f"{self.by} has started. Received: {asked}"
            )
        return asked or self.processes


def of(backend: str, environment: Environment) -> Launch | None:
    """Give a process's place among those of a backend; None where it is alone.

    Args:
        backend: What is to train.
        environment: The process's variables.

    Raises:
        InputError: The variables are damaged, or the processes are of another framework.
    """
    launches = found(environment)
    for launch in launches:
        if launch.backend == backend:
            return launch
    for launch in launches:
        raise InputError(
            f"{launch.by} starts processes of {launch.backend}: ask for it with --backend "
            f"{launch.backend}. Received: {backend}"
        )
    return None


def found(environment: Environment) -> list[Launch]:
    """Give a process's places by all launchers, where they have started others too.

    Raises:
        InputError: The variables are damaged.
    """
    launches = [launch for look in LAUNCHERS if (launch := look(environment))]
    for launch in launches:
        if not 0 <= launch.rank < launch.processes:
            raise InputError(
                f"{launch.by}: expected a process from 0 to {launch.processes - 1}. Received: "
                f"{launch.rank}"
            )
    return [launch for launch in launches if launch.processes > 1]


def check_alone(environment: Environment, many: str) -> None:
    """Raise `InputError` where a launcher has started several of a command that is one alone.

    Args:
        environment: The process's variables.
        many: What they would be.
    """
    for launch in found(environment):
        raise InputError(
            f"{launch.by} has started this command {launch.processes} times, which would be as "
            f"many {many}: start it once"
        )


def _by_torchrun(environment: Environment) -> Launch | None:
    if "RANK" not in environment or "WORLD_SIZE" not in environment:
        return None
    processes, rank = _numbers(environment, "WORLD_SIZE", "RANK")
    return Launch("torchrun", "torch", processes, rank)


def _by_tf_config(environment: Environment) -> Launch | None:
    """Read TF_CONFIG: the chief, if there is one, comes before the workers."""
    text = environment.get("TF_CONFIG")
    if not text:
        return None
    try:
        content = json.loads(text)
        cluster, kind, index = content["cluster"], content["task"]["type"], content["task"]["index"]
        sizes = {name: len(cluster.get(name, [])) for name in ("chief", "worker")}
        before = {"chief": 0, "worker": sizes["chief"]}[kind]
        return Launch("TF_CONFIG", "tensorflow", sum(sizes.values()), before + int(index))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError(
            'TF_CONFIG: expected {"cluster": {"worker": ["HOST:PORT", ...]}, "task": {"type": '
            f'"worker", "index": N}}}}. Received: {text}'
        ) from None


def _by_jax(environment: Environment) -> Launch | None:
    address = environment.get(ADDRESS)
    if not address:
        return None
    for names in JAX_PLACES:
        if all(name in environment for name in names):
            processes, rank = _numbers(environment, *names)
            return Launch("jax.distributed", "jax", processes, rank, address)
    raise InputError(
        f"{ADDRESS}: expected {' and '.join(JAX_PLACES[0])} beside it, the number of processes and "
        "that of this one"
    )


def _numbers(environment: Environment, *names: str) -> Iterator[int]:
    for name in names:
        value = environment[name]
        if not value.isdecimal():
            raise InputError(f"{name}: expected a number. Received: {value!r}")
        yield int(value)


LAUNCHERS = (_by_torchrun, _by_tf_config, _by_jax)
