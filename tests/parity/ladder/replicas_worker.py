"""Takes a step of a net on several devices, for test_replicas.py.

Usage: python replicas_worker.py FOLDER. Writes, on the backend of KERAS_BACKEND, evidence of levels
2 and 3 into a folder for each of its ways. `replicas_worker.py --replica WAY` is a replica on
PyTorch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ranparity.kernels import replicas
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.worker import Program
from ranparity.training import backends

DEVICES = 2
CASE = Case("resnet18-cifar@16", (16, 16), 8, levels=(2, 3), devices=DEVICES)


def right() -> None:
    """Change nothing."""


def of_a_part() -> None:
    """A fault: batch normalisation takes the statistics of each part of the batch."""
    replicas.mean = lambda x: x


def without_gradient() -> None:
    """A fault: the gradient of a mean over replicas is that of a replica's own part."""
    from keras import ops

    mean = replicas.mean
    replicas.mean = lambda x: x / DEVICES + ops.stop_gradient(mean(x) - x / DEVICES)


WAYS: dict[str, tuple[dict[str, Any], Callable[[], None]]] = {
    "two": ({}, right),
    "twice": ({"remat": True}, right),  # each device computes parts of the net twice
    "of-a-part": ({}, of_a_part),
    "without-gradient": ({}, without_gradient),
}
ON = {
    "torch": ("twice", "without-gradient"),
    "tensorflow": ("two", "of-a-part"),
    "jax": ("two", "without-gradient"),
}
"""Those that are tried on each backend: each takes long to start or to compile."""
REPLICA = "--replica"


def main(folder: Path) -> None:
    name = os.environ["KERAS_BACKEND"]
    backend, _ = backends.start(name, devices=DEVICES)
    before = replicas.mean
    program = Program(CASE.program, backend)
    for way in ON[name]:
        how, change = WAYS[way]
        change()
        if name == "torch":  # whose other replica is a process
            from ranparity.training.backends import torch_processes

            torch_processes.PROGRAM = (__file__, REPLICA, way)
        program.bare = backend.trainer(program.model, program.update, devices=DEVICES, **how)
        program.run(CASE, folder / way, None)
        program.bare.finish()
        replicas.mean = before


def be_replica(way: str) -> None:
    from ranparity.training.backends import torch_processes

    WAYS[way][1]()
    torch_processes.main()


if __name__ == "__main__":
    if sys.argv[1] == REPLICA:
        be_replica(sys.argv[2])
    else:
        main(Path(sys.argv[1]))
