"""What the commands that draw a run have in common: options, and how files are written."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ranparity.errors import InputError
from ranparity.files import write_bytes


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of every command that draws a run."""
    add = parser.add_argument
    add("--data", metavar="DATA", help="where this machine has the run's data, if they have moved")
    add("--backend", help="as in run; it may be another than the one that trained")
    add("-o", "--out", type=Path, metavar="FOLDER", help="where to write (default: RUN)")
    add("--json", action="store_true", help="print the record in place of the table")


def folder(path: Path) -> Path:
    """Gives a folder to write into, which is made if it is not there.

    Raises:
        InputError: It cannot be written into.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {path}: cannot be made: {error.strerror}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise InputError(f"--out {path}: no permission to write there")
    return path


def encoded(record: Mapping[str, Any]) -> bytes:
    """Gives a record as the file that holds it."""
    return (json.dumps(record, indent=1, allow_nan=False) + "\n").encode()


def write(place: Path, files: Mapping[str, bytes]) -> None:
    """Writes files by name, each whole or not at all, and says so on stderr.

    Raises:
        InputError: One cannot be written.
    """
    for name, content in files.items():
        try:
            write_bytes(place / name, content)
        except OSError as error:
            raise InputError(f"{place / name}: cannot be written: {error.strerror}") from None
    written = " and ".join(str(place / name) for name in files)
    print(f"Wrote {written}", file=sys.stderr)


def percent(share: float | None) -> str:
    """Gives a share of 1 in percent; `-` if there is none."""
    return "-" if share is None else f"{share:.2%}"
