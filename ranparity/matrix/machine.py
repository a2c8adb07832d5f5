"""Runs on this machine: processes of their own, each with its share of the processors.

A run whose process is killed or dies is gone on with from its checkpoint, a few times; one that
ends with the status of bad input is not, for it would end so again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from typing import IO

import filelock

from ranparity import workers
from ranparity.matrix.jobs import GRACE, TRIES, Event, Job
from ranparity.training import backends, directory

POLL = 0.02  # seconds between two looks at the processes
REST = 4000  # bytes of what a process said last


class Machine:
    """This machine."""

    what = "this machine"

    @property
    def room(self) -> int:
        """How many runs it has processors for: one is as much as building and tracing keep busy."""
        return backends.processors()

    def carry_out(self, jobs: Sequence[Job], at_once: int) -> Generator[Event, None, None]:
        """Carry out jobs, some at once; yield what becomes of them.

        Whoever leaves early has those that run end after their steps, and waits until they have.

        Args:
            jobs: Which, in their order.
            at_once: How many may run at a time.
        """
        waiting = deque((job, 1) for job in jobs)
        shares = workers.shares(at_once)
        running: dict[int, _Process] = {}
        held: set[str] = set()
        try:
            while waiting or running:
                for place in range(at_once):
                    if place not in running and (chosen := _next(waiting)):
                        running[place] = _Process(*chosen, shares[place])
                        yield Event(chosen[0], "begun", chosen[1])
                for place, process in list(running.items()):
                    if process.ended:
                        del running[place]
                        yield from _followed(process, waiting)
                yield from _held(waiting, running, held)
                time.sleep(POLL)
        finally:
            _end(list(running.values()))


def _next(waiting: deque[tuple[Job, int]]) -> tuple[Job, int] | None:
    """Take the first job whose run no other process is writing."""
    for place, (job, tries) in enumerate(waiting):
        if not is_held(job):
            del waiting[place]
            return job, tries
    return None


def is_held(job: Job) -> bool:
    """Whether another process is writing a run: one of a matrix that was killed, perhaps."""
    lock = job.folder / directory.LOCK
    if not lock.is_file():
        return False
    try:
        with filelock.FileLock(lock, timeout=0):
            return False
    except filelock.Timeout:
        return True


def _held(
    waiting: deque[tuple[Job, int]], running: dict[int, _Process], told: set[str]
) -> Iterator[Event]:
    """Tell, once, of jobs that nothing but another process keeps waiting."""
    if running:
        return
    for job, tries in waiting:
        if job.name not in told and is_held(job):
            told.add(job.name)
            yield Event(job, "held", tries)


def _followed(process: _Process, waiting: deque[tuple[Job, int]]) -> Iterator[Event]:
    """Say how a process has ended, and have its run gone on with if that may help."""
    job, tries, status = process.job, process.tries, process.status
    said = process.said()
    if status not in (0, workers.REFUSED) and tries < TRIES:
        waiting.appendleft((job, tries + 1))
        yield Event(job, "again", tries, said)
    else:
        yield Event(job, "ended", tries, said or unfinished(job))


def unfinished(job: Job) -> str:
    """Say that a process which ended well has left no finished run; nothing if it has."""
    return "" if job.finished else "ended with status 0, and its run is not finished"


class _Process:
    """A job under way."""

    def __init__(self, job: Job, tries: int, processors: Sequence[int]) -> None:
        self.job, self.tries = job, tries
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (`said` closes it)
        with workers.kept_to(processors):  # which a process takes over from the one that starts it
            self.process = subprocess.Popen(  # noqa: S603  (this same Python)
                job.command,
                env={**os.environ, **job.variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                # A terminal's Ctrl-C is for all of its group at once, and a run that is asked to
                # end a second time does so in the middle of a step: it is asked once, by `_end`.
                start_new_session=True,
            )

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    @property
    def status(self) -> int:
        """With which status."""
        return int(self.process.returncode)

    def said(self) -> str:
        """Say why it failed; nothing where it did not."""
        with self._errors as errors:
            errors.seek(max(0, errors.seek(0, os.SEEK_END) - REST))
            rest = errors.read().decode(errors="replace")
        if self.status == 0:
            return ""
        lines = 1 if self.status == workers.REFUSED else 3
        return f"{workers.ending(self.status)}: {workers.last_lines(rest, lines)}"


def _end(processes: Sequence[_Process]) -> None:
    """Ask processes to end after their steps, and kill those that do not heed it in time.

    By SIGTERM: what a shell starts in the background ignores Ctrl-C, and so do its children. A
    Ctrl-C meanwhile has them killed at once: they go on from their last checkpoints.
    """
    for each in processes:
        with contextlib.suppress(ProcessLookupError):
            each.process.send_signal(signal.SIGTERM)
    until = time.monotonic() + GRACE
    try:
        for each in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                each.process.wait(timeout=max(0.0, until - time.monotonic()))
    finally:
        for each in processes:
            each.process.kill()
            each.process.wait()
            each.said()
