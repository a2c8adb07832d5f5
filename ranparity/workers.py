"""Starts one process per backend, because Keras fixes its backend when it is imported.

A worker is a module that is run with `python -m` and prints one JSON object a line. What it
prints on stderr is kept, so that a worker that dies says why.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any


class WorkerError(Exception):
    """A worker that ended without success; the message holds the end of its stderr."""


def stream(backend: str, module: str, arguments: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Runs a worker and yields the objects that it prints, as it prints them.

    Args:
        backend: What KERAS_BACKEND is set to.
        module: The module to run.
        arguments: Its command line.

    Raises:
        WorkerError: The worker ended with another status than 0.
    """
    command = [sys.executable, "-m", module, *arguments]
    environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            assert process.stdout is not None  # noqa: S101  (PIPE was asked for)
            for line in process.stdout:
                with contextlib.suppress(json.JSONDecodeError):  # a framework's own chatter
                    yield json.loads(line)
            status = process.wait()
        finally:
            process.kill()
            process.wait()
        if status != 0:
            errors.seek(0)
            raise WorkerError(f"{_ending(status)}: {_last_lines(errors.read())}")


def _ending(status: int) -> str:
    return f"killed by signal {-status}" if status < 0 else f"ended with status {status}"


def _last_lines(text: str, count: int = 3) -> str:
    """The last lines that say something, as one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-count:]) or "nothing on stderr"
