"""Puts a report into its folder: every file whole or not at all, and nothing stale beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ranparity.errors import InputError
from ranparity.files import write_bytes
from ranparity.report import schema_files

# Folders that hold nothing but what is rendered, and what rendered files there are called.
RENDERED = (
    ("layers", "*.md"),
    ("figures", "*.svg"),
    ("figures", "*.png"),
    (schema_files.FOLDER, f"*{schema_files.SUFFIX}"),
)


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes files by their path relative to a folder, which is made if it is not there.

    Raises:
        InputError: One cannot be written; what was there before of it is untouched.
    """
    for name, content in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, content)
        except OSError as error:
            raise InputError(f"{path}: cannot write the report: {error.strerror}") from None


def stale(folder: Path, files: Iterable[str]) -> list[str]:
    """Names of files that an earlier rendering left and that are not among those of this one."""
    present = {
        path.relative_to(folder).as_posix()
        for place, pattern in RENDERED
        for path in (folder / place).glob(pattern)
    }
    return sorted(present - set(files))


def drop(folder: Path, names: Iterable[str]) -> None:
    """Removes files by their path relative to a folder.

    Raises:
        InputError: One cannot be removed.
    """
    for name in names:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"{folder / name}: cannot remove it: {error.strerror}") from None
