"""Starts the installed programs, as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[1]
RANPARITY = os.fspath(Path(sysconfig.get_path("scripts"), "ranparity"))
LIMIT = 120  # seconds


def environment(**variables: str) -> dict[str, str]:
    """This process's, without the backend that the tests chose."""
    kept = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    return kept | variables


def ranparity(
    *arguments: str, cwd: Path = ROOT, input_: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs the console script to its end."""
    return subprocess.run(
        [RANPARITY, *arguments],
        cwd=cwd,
        env=environment(**variables),
        input=input_,
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT,
        check=False,
    )


def module(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Runs `python -m` to its end."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT,
        check=False,
    )
