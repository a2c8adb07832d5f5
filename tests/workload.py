"""How the suite is shared out among processes: whole files, the longest first, each on its CPUs.

pytest-xdist starts the processes (`-n` in pyproject.toml; `pytest -n0` has none) and gives them
whole files, so that what a module's fixture starts is started once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from ranparity.training.backends import startup

LONGEST = (
    "tests/models/test_attention.py",
    "tests/parity/ladder/test_session.py",
    "tests/parity/test_endurance.py",
    "tests/parity/ladder/test_precision.py",
    "tests/training/test_mixed.py",
    "tests/training/test_replicas.py",
    "tests/parity/ladder/test_parts.py",
    "tests/parity/ladder/test_replicas.py",
    "tests/test_run.py",
    "tests/training/test_session.py",
    "tests/parity/test_check.py",
    "tests/parity/test_findings.py",
    "tests/parity/test_alterations.py",
    "tests/training/test_backends.py",
    "tests/parity/ladder/test_keras_arbiter.py",
    "tests/models/test_from_caffe.py",
    "tests/commands/test_import.py",
    "tests/parity/ladder/test_repro.py",
    "tests/parity/ladder/test_run.py",
    "tests/caffe/test_opencv.py",
    "tests/commands/test_check.py",
    "tests/matrix/test_killed.py",
    "tests/benchmarks/test_worker.py",
    "tests/benchmarks/test_native.py",
    "tests/benchmarks/test_convolving.py",
)
"""Files that take longest, so that they do not come last, when other processes have ended."""


def share(cpus: Sequence[int], place: int, processes: int) -> Sequence[int]:
    """The CPUs of one of several processes: a part of its own, or one that it shares.

    Args:
        cpus: All that there are.
        place: The process's number, from 0.
        processes: How many there are.
    """
    first, last = (len(cpus) * number // processes for number in (place, place + 1))
    return cpus[first:last] or [cpus[place % len(cpus)]]


def keep_apart() -> None:
    """Keeps this process, and all that it starts, to its own CPUs, where the system can do that.

    A framework starts a thread for each CPU. Where two processes do so on the same CPUs, threads
    that wait for others keep those from running, and a step takes several times as long.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker and hasattr(os, "sched_setaffinity"):
        cpus, processes = sorted(os.sched_getaffinity(0)), os.environ["PYTEST_XDIST_WORKER_COUNT"]
        place = int(worker.removeprefix("gw")) % int(processes)  # one that died has a successor
        os.sched_setaffinity(0, share(cpus, place, int(processes)))


def load_little() -> None:
    """Keeps Keras from loading more in this process than its backend; called before it is imported.

    Where they are there it loads JAX and more when it is imported, and TensorFlow to save a model.
    """
    modules: dict[str, Any] = sys.modules
    for name in {"tensorflow", *startup.OPTIONAL} - {os.environ["KERAS_BACKEND"]}:
        modules.setdefault(name, None)


def first(file: str) -> int:
    """Where a file comes among the others: a number to sort by."""
    return LONGEST.index(file) if file in LONGEST else len(LONGEST)
