"""Runs on a Ray cluster: Ray places them, starts one again whose process died, and no more.

A run is a task that has a process of Ray's to itself, which ends with it, so that who kills that
process kills the run: nothing is left that would go on writing. The run directories must be in a
folder that all hosts reach by the same path.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import os
import runpy
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock

from ranparity import workers
from ranparity.errors import InputError
from ranparity.matrix.jobs import GRACE, TRIES, Event, Job
from ranparity.matrix.machine import unfinished
from ranparity.training import backends

POLL = 0.5  # seconds between two looks at the cluster
REACHED = 5.0  # seconds in which a host must answer
COUNTS = ".tries"  # folder beside the runs, where each process of a run adds a byte


class DiedError(Exception):
    """A run whose process has ended as none that knows why does."""


@dataclass
class _Task:
    """A job that Ray has been given."""

    job: Job
    before: int  # bytes that earlier sessions have counted
    seen: int = field(default=0)  # processes that have been told of


class Cluster:
    """A Ray cluster that this process is connected to.

    Args:
        ray: The module.
        each: How many processors a run has.
    """

    what = "a Ray cluster"

    def __init__(self, ray: Any, each: int) -> None:
        self._ray, self._each = ray, each
        # `max_calls` gives each run a process of its own.
        how = {"max_calls": 1, "max_retries": TRIES - 1, "retry_exceptions": [DiedError]}
        self._remote = ray.remote(num_cpus=each, **how)(_task)

    @property
    def room(self) -> int:
        """How many runs it has processors for."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)) // self._each)

    def carry_out(self, jobs: Sequence[Job], at_once: int) -> Generator[Event, None, None]:
        """Carry out jobs, some at once; yield what becomes of them.

        Whoever leaves early has those that run end as by Ctrl-C, and waits until they have.

        Args:
            jobs: Which, in their order.
            at_once: How many may run at a time.
        """
        waiting, tasks = deque(jobs), dict[Any, _Task]()
        try:
            while waiting or tasks:
                while waiting and len(tasks) < at_once:
                    ref, task = self._submitted(waiting.popleft())
                    tasks[ref] = task
                done, _ = self._ray.wait(list(tasks), timeout=POLL)
                for task in tasks.values():
                    yield from _begun(task)
                for ref in done:
                    task = tasks.pop(ref)
                    yield Event(task.job, "ended", max(1, task.seen), self._said(ref, task.job))
        finally:
            self._end(list(tasks))

    def _submitted(self, job: Job) -> tuple[Any, _Task]:
        before = _count(job)
        remote = self._remote.options(name=job.name, runtime_env={"env_vars": job.variables})
        return remote.remote(job, self._each), _Task(job, before)

    def _said(self, ref: Any, job: Job) -> str:
        """Say why a task failed; nothing where it did not."""
        try:
            status, said = self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as error:
            return str(error.cause)
        except self._ray.exceptions.RayError as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            return f"its process died {TRIES} times: {lines[0]}"
        return said if status else unfinished(job)

    def _end(self, tasks: Sequence[Any]) -> None:
        """Ask tasks to end as Ctrl-C does, and kill those that do not heed it in time."""
        for ref in tasks:
            self._ray.cancel(ref, force=False)
        left = list(tasks)
        try:
            if left:
                _, left = self._ray.wait(left, num_returns=len(left), timeout=GRACE)
        finally:
            for ref in left:
                self._ray.cancel(ref, force=True)


def _begun(task: _Task) -> Iterator[Event]:
    """Tell of processes of a task that have begun since the last look."""
    for number in range(task.seen + 1, _count(task.job) - task.before + 1):
        if number > 1:
            yield Event(task.job, "again", number - 1, "its process died")
        yield Event(task.job, "begun", number)
        task.seen = number


def _counted(job: Job) -> Path:
    return job.folder.parent / COUNTS / job.name


def _count(job: Job) -> int:
    """How many processes a run has had on a cluster."""
    with contextlib.suppress(FileNotFoundError):
        return _counted(job).stat().st_size
    return 0


@contextlib.contextmanager
def connected(address: str, each: int) -> Iterator[Cluster]:
    """Connects this process to a cluster, and leaves it.

    Args:
        address: `auto` for the one that this host is part of, HOST:PORT for its head, or `local`
            for one of this machine alone that is there as long as the block.
        each: How many processors a run has.

    Raises:
        InputError: There is no such cluster, or Ray is not installed.
    """
    ray = _ray(alone=address == "local")
    how: dict[str, Any] = {"address": address}
    if address == "local":
        how |= {"num_cpus": backends.processors(), "include_dashboard": False}
    elif address != "auto":
        _check_reached(address)
    try:
        ray.init(**how, log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError) as error:  # a ConnectionError is an OSError
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"--ray {address}: expected a Ray cluster that can be reached: {lines[0]}"
        ) from None
    try:
        yield Cluster(ray, each)
    finally:
        ray.shutdown()


def _ray(*, alone: bool) -> Any:
    """Give the module, set up before it is imported.

    Args:
        alone: Whether its processes are to listen to this machine alone: it takes the machine's
            address on its network otherwise, even where it is told 127.0.0.1.
    """
    if not importlib.util.find_spec("ray"):
        raise InputError("--ray: ray is not installed: python -m pip install 'ranparity[ray]'")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers of each use
    if alone:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    return importlib.import_module("ray")


def _check_reached(address: str) -> None:
    """Raise `InputError` unless something answers there: Ray itself waits for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise InputError(f"--ray: expected auto, local or HOST:PORT. Received: {address}")
    try:
        with socket.create_connection((host, int(port)), timeout=REACHED):
            pass
    except (OSError, OverflowError) as error:
        raise InputError(
            f"--ray {address}: expected a Ray cluster that can be reached: {error}"
        ) from None


# In a process of Ray's.


def _task(job: Job, processors: int) -> tuple[int, str]:
    """Carry a run out, and give its status and what it said last.

    Raises:
        DiedError: It ended with another status than one that no second try would change.
    """
    _counted(job).parent.mkdir(parents=True, exist_ok=True)
    with _counted(job).open("ab") as count:
        count.write(b".")
    with claimed(processors):
        status, said = _carried_out(job)
    if status not in (0, workers.REFUSED):
        raise DiedError(f"{workers.ending(status)}: {said}")
    return status, f"{workers.ending(status)}: {said}" if status else ""


def _carried_out(job: Job) -> tuple[int, str]:
    """Run the program as this process's own; gives its status and its last lines of stderr."""
    errors, before, status = io.StringIO(), sys.argv, 0
    first, *rest = job.program
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        try:
            if first == "-m":
                sys.argv = [rest[0], *job.arguments]
                runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
            else:
                sys.argv = [first, *rest, *job.arguments]
                runpy.run_path(first, run_name="__main__")
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except Exception as error:
            status = 1
            print(f"{type(error).__name__}: {error}", file=errors)
        finally:
            sys.argv = before
    return status, workers.last_lines(errors.getvalue(), 1 if status == workers.REFUSED else 3)


@contextlib.contextmanager
def claimed(count: int) -> Iterator[None]:
    """Keeps this process to some processors of its host that no other run has claimed.

    Ray counts processors and does not say which: frameworks start a thread for each that they may
    use, and a run's last bits depend on their number. A claim is a lock on a file, which the
    system lets go of however a process ends.

    Args:
        count: How many. Where not so many are free, the process keeps all.
    """
    if not hasattr(os, "sched_getaffinity"):
        yield
        return
    folder = Path(tempfile.gettempdir(), f"ranparity-processors-{os.getuid()}")
    folder.mkdir(exist_ok=True)
    with contextlib.ExitStack() as locks:
        mine: list[int] = []
        for number in sorted(os.sched_getaffinity(0)):
            lock = filelock.FileLock(folder / f"{number}.lock", timeout=0)
            with contextlib.suppress(filelock.Timeout):
                locks.enter_context(lock)
                mine.append(number)
            if len(mine) == count:
                break
        with workers.kept_to(mine if len(mine) == count else ()):
            yield
