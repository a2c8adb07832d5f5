"""What a framework writes and loads while it starts, and nobody needs: held back, or not loaded."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import IO, Any

_STDOUT, _STDERR = 1, 2  # the file descriptors, which libraries written in C++ use
OPTIONAL = ("sklearn", "matplotlib", "jax")
"""What Keras 3.15 loads on any backend where it is there, for parts that nothing here uses: two
fifths of the time that its import takes."""
COMPILER = "torch._dynamo"

Keep = Callable[[str], bool]


@contextmanager
def stderr_filtered(keep: Keep) -> Iterator[None]:
    """Hold back what the process writes to stderr, and pass on afterwards what is to be kept.

    When an exception leaves the block, everything is passed on.

    Args:
        keep: Says of a line whether it is passed on.
    """
    with _filtered(_STDERR, keep):
        yield


@contextmanager
def stdout_filtered(keep: Keep) -> Iterator[None]:
    """Do the same with what the process writes to stdout."""
    with _filtered(_STDOUT, keep):
        yield


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Have packages not be there for what is imported in the block, unless they are loaded already.

    Args:
        names: Of packages whose absence is provided for by what looks for them.
    """
    away = [name for name in names if name not in sys.modules]
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(away))
    try:
        yield
    finally:
        for name in away:
            del modules[name]


class _Compiler(ModuleType):
    """Stands for PyTorch's compiler: has what marks a function that it is to leave alone."""

    def disable(self) -> Callable[[Any], Any]:
        return lambda function: function

    def __getattr__(self, name: str) -> Any:
        """Give what else is asked for, from the compiler itself."""
        sys.modules.pop(COMPILER, None)
        return getattr(importlib.import_module(COMPILER), name)


@contextmanager
def uncompiled() -> Iterator[None]:
    """Have Keras mark functions for PyTorch's compiler without loading it, unless it is loaded.

    Keras 3.15 loads all of it for the mark alone, which takes half of the time that PyTorch and
    Keras take to start; and nothing here is compiled by it.
    """
    if COMPILER in sys.modules:
        yield
        return
    stand_in = _Compiler(COMPILER)
    sys.modules[COMPILER] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(COMPILER) is stand_in:
            del sys.modules[COMPILER]


def is_error(line: str) -> bool:
    """Say of a line of TensorFlow's start-up whether it matters.

    The libraries log before TF_CPP_MIN_LOG_LEVEL has an effect on them. Errors begin with E and
    fatal ones with F; error 303 of cuInit says that there is no CUDA driver, which is no error.
    """
    return line[:1] in ("E", "F") and not ("cuInit" in line and "(303)" in line)


@contextmanager
def _filtered(descriptor: int, keep: Keep) -> Iterator[None]:
    with tempfile.TemporaryFile() as held:
        try:
            with _into(descriptor, held.fileno()):
                yield
        except BaseException:
            _pass_on(descriptor, _lines(held))
            raise
        _pass_on(descriptor, [line for line in _lines(held) if keep(line)])


@contextmanager
def _into(descriptor: int, other: int) -> Iterator[None]:
    stream = sys.stdout if descriptor == _STDOUT else sys.stderr
    stream.flush()
    original = os.dup(descriptor)
    os.dup2(other, descriptor)
    try:
        yield
    finally:
        stream.flush()
        os.dup2(original, descriptor)
        os.close(original)


def _lines(file: IO[bytes]) -> list[str]:
    file.seek(0)
    return file.read().decode(errors="replace").splitlines(keepends=True)


def _pass_on(descriptor: int, lines: list[str]) -> None:
    os.write(descriptor, "".join(lines).encode())
