"""Starts one process per backend, because Keras fixes its backend when it is imported.

A worker is a module that is run with `python -m` and prints one JSON object a line. What it
prints on stderr is kept, so that a worker that dies says why.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, TypeVar

from ranparity.errors import InputError

REFUSED = 2  # a worker's exit status for bad input, as the command line's
Item = TypeVar("Item")
MOST_BYTES = 10_000  # of what a worker said on stderr
_RUNNING: set[subprocess.Popen[str]] = set()


@atexit.register
def end_all() -> None:
    """Ends all workers, those too that threads still read from, and waits until they have."""
    for process in list(_RUNNING):
        process.kill()
        process.wait()


class WorkerError(Exception):
    """A worker that ended without success; the message holds the end of its stderr."""


def stream(
    backend: str, module: str, arguments: Sequence[str], processors: Collection[int] = ()
) -> Iterator[dict[str, Any]]:
    """Runs a worker and yields the objects that it prints, as it prints them.

    Args:
        backend: What KERAS_BACKEND is set to.
        module: The module to run.
        arguments: Its command line.
        processors: Numbers of those that it may use, see `kept_to`.

    Raises:
        InputError: The worker refused what it was given (see `serve`).
        WorkerError: The worker ended with another status than 0.
    """
    with _started(backend, module, arguments, processors=processors) as (process, errors):
        assert process.stdout is not None  # noqa: S101  (PIPE was asked for)
        yield from _objects(process.stdout)
        _check(process.wait(), errors)


@contextlib.contextmanager
def answering(
    backend: str,
    module: str,
    arguments: Sequence[str],
    variables: Mapping[str, str] | None = None,
) -> Iterator[Callable[[Mapping[str, Any] | None], dict[str, Any]]]:
    """Runs a worker that reads an object a line and prints one for each; ends it afterwards.

    Args:
        backend: What KERAS_BACKEND is set to.
        module: The module to run.
        arguments: Its command line.
        variables: Of its environment, beside this process's.

    Yields:
        What gives the worker an object and returns its next; with None it only waits. It raises
        `InputError` or `WorkerError` where the worker has ended, as `stream` does.
    """
    started = _started(backend, module, arguments, subprocess.PIPE, variables)
    with started as (process, errors):
        assert process.stdin is not None  # noqa: S101  (PIPE was asked for, twice)
        assert process.stdout is not None  # noqa: S101
        objects, asked = _objects(process.stdout), process.stdin

        def ask(request: Mapping[str, Any] | None) -> dict[str, Any]:
            with contextlib.suppress(BrokenPipeError):  # it has ended, and says why
                if request is not None:
                    asked.write(f"{json.dumps(request)}\n")
                    asked.flush()
            for answer in objects:
                return answer
            _check(process.wait(), errors)
            raise WorkerError("ended without an answer")

        yield ask


@contextlib.contextmanager
def _started(
    backend: str,
    module: str,
    arguments: Sequence[str],
    stdin: int | None = None,
    variables: Mapping[str, str] | None = None,
    processors: Collection[int] = (),
) -> Iterator[tuple[subprocess.Popen[str], IO[bytes]]]:
    """A worker's process, which is ended afterwards, and the file of what it says on stderr."""
    own = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment = os.environ | own | dict(variables or {})
    with tempfile.TemporaryFile("w+b") as errors:
        with kept_to(processors):
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=environment,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                errors="replace",
            )
        with process:
            _RUNNING.add(process)
            try:
                yield process, errors
            finally:
                process.kill()  # one that is not read to its end
                _RUNNING.discard(process)


def _check(status: int, errors: IO[bytes]) -> None:
    """Raises unless a worker has ended well."""
    if status == REFUSED:
        raise InputError(last_lines(_end(errors), 1))
    if status != 0:
        raise WorkerError(f"{_ending(status)}: {last_lines(_end(errors))}")


def shares(count: int) -> list[list[int]]:
    """Divides the processors that this process may use among workers that run at once.

    A framework starts a thread for each processor that it may use. Where two do so on the same
    ones, threads that wait for others keep those from running, and both together take twice the
    time that each of them takes on half.

    Args:
        count: How many workers.

    Returns:
        Numbers of processors for each; empty ones, which means all, where there are too few or the
        system cannot keep a process to some.
    """
    if count == 1 or not hasattr(os, "sched_getaffinity"):
        return [[] for _ in range(count)]
    usable = sorted(os.sched_getaffinity(0))
    each = len(usable) // count
    return [usable[number * each : (number + 1) * each] for number in range(count)]


@contextlib.contextmanager
def kept_to(processors: Collection[int]) -> Iterator[None]:
    """Lets this thread, and what it starts, use some processors alone, where that can be said.

    Args:
        processors: Their numbers; empty ones mean all that it may use.
    """
    if not processors or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Reads an iterator in a thread from now on, so that the worker behind it need not wait.

    What the iterator raises is raised here, in its place.
    """
    ended = object()
    read: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def fill() -> None:
        try:
            for item in items:
                read.put((item, None))
            read.put((ended, None))
        except BaseException as error:
            read.put((ended, error))

    def drain() -> Iterator[Item]:
        while True:
            item, error = read.get()
            if error is not None:
                raise error
            if item is ended:
                return
            yield item

    threading.Thread(target=fill, daemon=True).start()
    return drain()


def serve(main: Callable[[Sequence[str]], None]) -> None:
    """Runs a worker's main on its command line; bad input becomes one line for `stream`."""
    try:
        main(sys.argv[1:])
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(REFUSED)


def _objects(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The lines that are JSON objects; a framework's own chatter is left out."""
    for line in lines:
        with contextlib.suppress(json.JSONDecodeError):
            value = json.loads(line)
            if isinstance(value, dict):
                yield value


def _end(errors: IO[bytes]) -> str:
    """The last part of a file, as text."""
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - MOST_BYTES))
    return str(errors.read(), encoding="utf-8", errors="replace")


def _ending(status: int) -> str:
    return f"killed by signal {-status}" if status < 0 else f"ended with status {status}"


def ending(status: int) -> str:
    """Says how a process has ended, with the name of the signal that has killed it."""
    names = {known.value: f" ({known.name})" for known in signal.Signals}
    return _ending(status) + names.get(-status, "")


def last_lines(text: str, count: int = 3) -> str:
    """The last lines that say something, as one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-count:]) or "nothing on stderr"
