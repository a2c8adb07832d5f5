"""Carries the runs of a plan out, in whatever place, and writes down what becomes of them."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import filelock
from tqdm import tqdm

from ranparity.errors import InputError, TerminatedError
from ranparity.matrix import cluster, jobs, machine
from ranparity.matrix.book import INTERRUPTED, WAITING, Book, read
from ranparity.matrix.jobs import Event, Job
from ranparity.matrix.plan import Plan, Run
from ranparity.matrix.progress import HEADERS, Progress, result, table
from ranparity.training import backends

LOCK = ".lock"
OTHER_SHARE = (
    "runs that have been begun go on with another number of processors (--jobs): they may end with "
    "other last bits"
)
Events = Generator[Event, None, None]


class Place(Protocol):
    """Where runs are carried out."""

    @property
    def what(self) -> str:
        """In words."""

    @property
    def room(self) -> int:
        """How many runs it has processors for."""

    def carry_out(self, jobs: Sequence[Job], at_once: int) -> Events:
        """Carry out jobs, some at once; yield what becomes of them."""


@dataclass(frozen=True)
class Means:
    """How runs are carried out.

    Attributes:
        at_once: How many at a time; None for as many as before, since a run goes on bit for bit
            the same only on as many processors as it began with, or as there is room for.
        ray: The address of a Ray cluster; None for this machine.
        processors: How many each run has on a cluster; on this machine they are shared out.
        program: What is run; see `Job`.
        quiet: Show no progress.
    """

    at_once: int | None = None
    ray: str | None = None
    processors: int = 1
    program: tuple[str, ...] = jobs.PROGRAM
    quiet: bool = False


def carry_out(plan: Plan, folder: Path, means: Means, beside: Sequence[Run] = ()) -> Book:
    """Carry out what is not done yet of a plan; gives the record.

    Args:
        plan: The plan.
        folder: Where the run directories are, and the record.
        means: How.
        beside: Runs that are carried out with it.

    Raises:
        InputError: The folder holds something else, or the runs cannot be started.
        KeyboardInterrupt: The work has been ended; the runs can be gone on with.
    """
    runs = [*plan.runs, *beside]
    if not means.ray:
        _check_installed(plan, runs)
    with _alone(folder), _place(means) as place, _terminable():  # Ray has a handler of its own
        before = read(folder).get("at_once")
        at_once = means.at_once or before or place.room
        book = Book(folder, plan, runs, place.what, at_once)
        todo = _todo(book, [jobs.job(run, folder, means.program) for run in runs])
        if before not in (None, at_once) and book.of(INTERRUPTED) and not means.quiet:
            _say(OTHER_SHARE)
        book.write()
        try:
            _go_through(book, todo, place.carry_out(todo, at_once), Progress(book, at_once), means)
        finally:
            book.close()
    return book


def _place(means: Means) -> contextlib.AbstractContextManager[Place]:
    if means.ray:
        return cluster.connected(means.ray, means.processors)
    return contextlib.nullcontext(machine.Machine())


def _todo(book: Book, found: Sequence[Job]) -> list[Job]:
    """Take up what there is of runs, and give those that are to be begun or gone on with."""
    for job in found:
        book.found(job)
    return [job for job in found if book.rows[job.name]["status"] in (WAITING, INTERRUPTED)]


def _check_installed(plan: Plan, runs: Sequence[Run]) -> None:
    for name in dict.fromkeys(run.backend for run in runs):
        backends.choose(name, {}, f"{plan.path}: backend")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps another matrix out of a folder, which is made if it is not there."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder}: expected a folder, but it is a file")
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise InputError(
            f"{folder}: another process carries out a matrix in it: wait for its end, or give "
            "another folder with --out"
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Has SIGTERM end the block as Ctrl-C does."""

    def end(_: int, __: FrameType | None) -> None:
        raise TerminatedError

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _go_through(
    book: Book, todo: Sequence[Job], events: Events, progress: Progress, means: Means
) -> None:
    """Write down and show what becomes of runs, until all have ended."""
    terminal = sys.stderr.isatty() and not means.quiet
    bar = tqdm(total=len(todo), unit="run", disable=not terminal)
    with contextlib.closing(events), bar:
        for event in events:
            line = _heed(book, event, progress)
            bar.set_postfix_str(progress.line())
            bar.update(event.kind == "ended")
            if line and not means.quiet:
                bar.write(line if terminal else f"{progress.line()}: {line}", file=sys.stderr)
                sys.stderr.flush()


def _heed(book: Book, event: Event, progress: Progress) -> str:
    """Write an event down; gives what is said of it, if anything is."""
    job = event.job
    if event.kind == "begun":
        going_on = job.record() is not None
        book.begun(job)
        progress.begun(job.name)
        return "" if event.tries > 1 else f"{job.name}: {'going on' if going_on else 'begun'}"
    if event.kind == "again":
        return f"{job.name}: {event.said}: going on from its checkpoint"
    if event.kind == "held":
        return f"{job.name}: waiting for another process that is writing it"
    book.ended(job, event.said)
    progress.ended(job.name)
    return result(book.rows[job.name])


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def shown(content: dict[str, Any], folder: Path) -> str:
    """Give the table at the end, for a reader."""
    from tabulate import tabulate

    rows = table(content["runs"], str(folder))
    return str(tabulate(rows, headers=HEADERS, disable_numparse=True))
