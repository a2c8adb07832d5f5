"""Takes a step of a net on several devices, for test_replicas.py.

Usage: python replicas_worker.py FOLDER. Writes, on the backend of KERAS_BACKEND, evidence of levels
2 and 3 into a folder for each of its ways. `replicas_worker.py --replica WAY` is a replica on
PyTorch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from ranparity.kernels import replicas
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.worker import Program
from ranparity.training import backends
from ranparity.training.backends import Trainer

DEVICES = 2
CASE = Case("resnet18-cifar@16", (16, 16), 8, levels=(2, 3), devices=DEVICES)


class Recomputed(Program):
    """A net of which devices compute parts twice."""

    @cached_property
    def bare(self) -> Trainer:
        return self._backend.trainer(self.model, self.update, devices=DEVICES, remat=True)


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


WAYS: dict[str, tuple[type[Program], Callable[[], None]]] = {
    "two": (Program, right),
    "twice": (Recomputed, right),
    "of-a-part": (Program, of_a_part),
    "without-gradient": (Program, without_gradient),
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
    for way in ON[name]:
        program, change = WAYS[way]
        change()
        if name == "torch":  # whose other replica is a process
            from ranparity.training.backends import torch_processes

            torch_processes.PROGRAM = (__file__, REPLICA, way)
        made = program(CASE.program, backend)
        made.run(CASE, folder / way, None)
        made.bare.finish()
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
