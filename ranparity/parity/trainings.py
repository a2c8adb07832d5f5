"""Trainings as processes of their own, as many at once as there are processors, each on one.

The nets of the long sessions are small, and building, tracing and compiling them keeps one
processor busy: two trainings side by side are done in little more than the time of one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ranparity.errors import InputError
from ranparity.training import backends, directory
from ranparity.workers import kept_to

POLL = 0.02  # seconds between two looks at the processes
GRACE = 60.0  # seconds that a training has to end its step and write it down
REST = 2000  # bytes of what a process said last


@dataclass(frozen=True)
class Job:
    """A process to run.

    Attributes:
        name: Which, for whoever asked for it.
        backend: The Keras backend of the process.
        command: What is run.
    """

    name: str
    backend: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Training:
    """A run of `ranparity run`.

    Attributes:
        folder: The run directory.
        backend: What trains.
        model: A name of the zoo.
        options: Others of the command line.
    """

    folder: Path
    backend: str
    model: str
    options: tuple[str, ...] = ()

    def job(self, *, overwrite: bool) -> Job:
        """Give what begins it, or goes on with it."""
        how = ("--quiet", "--overwrite" if overwrite else "--resume")
        where = ("--backend", self.backend, "--model", self.model, "--out", str(self.folder))
        return Job(
            str(self.folder),
            self.backend,
            (sys.executable, "-m", "ranparity.run", *how, *where, *self.options),
        )

    def record(self) -> dict[str, Any] | None:
        """Give its `run.json`, if it has been begun and can be read."""
        with contextlib.suppress(InputError):
            return directory.read_run(self.folder)
        return None


def carry_out(jobs: Sequence[Job]) -> Iterator[tuple[Job, str]]:
    """Run jobs, as many at once as there are processors; yield each as it ends.

    With a job comes why it failed, or nothing where it did not. Whoever leaves early ends those
    that run, as Ctrl-C does.

    Args:
        jobs: Which, in their order.
    """
    waiting, running = deque(jobs), dict[int, _Process]()
    try:
        while waiting or running:
            for processor in _processors():
                if waiting and processor not in running:
                    running[processor] = _Process(waiting.popleft(), processor)
            for processor, process in list(running.items()):
                if process.ended:
                    ended = running.pop(processor)
                    yield ended.job, ended.result()
            time.sleep(POLL)
    finally:
        _end(list(running.values()))


def _processors() -> list[int]:
    """Give the numbers of the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(backends.processors()))


class _Process:
    """A job under way."""

    def __init__(self, job: Job, processor: int) -> None:
        self.job = job
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (`result` closes it)
        with kept_to([processor]):  # which a process takes over from the one that starts it
            self.process = subprocess.Popen(  # noqa: S603  (this same Python)
                job.command,
                env={**os.environ, "KERAS_BACKEND": job.backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
                stdout=subprocess.DEVNULL,
                stderr=self._said,
            )

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    def result(self) -> str:
        """Say why it failed; nothing where it did not."""
        with self._said as said:
            said.seek(max(0, said.seek(0, os.SEEK_END) - REST))
            rest = said.read()
        status = self.process.returncode
        if status == 0:
            return ""
        how = f"killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return f"{how}: {last_lines(rest)}"


def last_lines(said: bytes) -> str:
    """Give the last lines of what a process said on stderr, as one."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines()]
    return " | ".join([line for line in lines if line][-3:]) or "nothing on stderr"


def _end(processes: Sequence[_Process]) -> None:
    """Ask processes to end as Ctrl-C does, and kill those that do not heed it."""
    for each in processes:
        if not each.ended:
            each.process.send_signal(signal.SIGINT)
    until = time.monotonic() + GRACE
    for each in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            each.process.wait(timeout=max(0.0, until - time.monotonic()))
        each.process.kill()
        each.process.wait()
        each.result()
