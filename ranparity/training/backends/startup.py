"""Holds back what a framework's libraries write to stderr while they start."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

_STDERR = 2  # the file descriptor, which libraries written in C++ use


@contextmanager
def stderr_filtered(keep: Callable[[str], bool]) -> Iterator[None]:
    """Hold back what the process writes to stderr, and pass on afterwards what is to be kept.

    When an exception leaves the block, everything is passed on.

    Args:
        keep: Says of a line whether it is passed on.
    """
    with tempfile.TemporaryFile() as held:
        try:
            with _stderr_into(held.fileno()):
                yield
        except BaseException:
            _pass_on(_lines(held))
            raise
        _pass_on([line for line in _lines(held) if keep(line)])


def is_error(line: str) -> bool:
    """Say of a line of TensorFlow's start-up whether it matters.

    The libraries log before TF_CPP_MIN_LOG_LEVEL has an effect on them. Errors begin with E and
    fatal ones with F; error 303 of cuInit says that there is no CUDA driver, which is no error.
    """
    return line[:1] in ("E", "F") and not ("cuInit" in line and "(303)" in line)


@contextmanager
def _stderr_into(descriptor: int) -> Iterator[None]:
    sys.stderr.flush()
    original = os.dup(_STDERR)
    os.dup2(descriptor, _STDERR)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(original, _STDERR)
        os.close(original)


def _lines(file: IO[bytes]) -> list[str]:
    file.seek(0)
    return file.read().decode(errors="replace").splitlines(keepends=True)


def _pass_on(lines: list[str]) -> None:
    os.write(_STDERR, "".join(lines).encode())
