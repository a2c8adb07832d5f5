"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

PARTIAL = ".partial"  # how the name of a file ends that is still being written


def write_text(path: Path, text: str) -> None:
    """Writes a text file so that no half of it is ever there; see `replacing`.

    Raises:
        OSError: It cannot be written; what was there before is untouched.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file so that no half of it is ever there; see `replacing`.

    Raises:
        OSError: It cannot be written; what was there before is untouched.
    """
    with replacing(path) as file:
        file.write(content)


@contextlib.contextmanager
def replacing(path: Path, *, lasting: bool = False) -> Iterator[IO[bytes]]:
    """Opens a file beside a path, which takes the path's place when the block ends well.

    A link stays a link, a file keeps its permissions, and a device or a pipe is written to.

    Args:
        path: The place.
        lasting: Whether the content is on the disk before it takes its place, so that it also
            outlasts a machine that goes down.

    Raises:
        OSError: It cannot be written; what was there before is untouched.
    """
    if _is_special(path):
        with path.open("wb") as file:
            yield file
        return
    place = Path(os.path.realpath(path))
    with _beside(place) as (handle, beside):
        with os.fdopen(handle, "wb") as file:
            yield file
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        beside.chmod(_permissions(place))  # mkstemp makes it private
        beside.replace(place)


def digest(path: Path) -> str:
    """Gives the SHA-256 of a file, in hexadecimal digits.

    Raises:
        OSError: It cannot be read.
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_writable(path: Path) -> None:
    """Finds out, before long work, whether `write_text` can write a file; changes nothing.

    Raises:
        OSError: It cannot.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a directory")
    if not _is_special(path):
        with _beside(Path(os.path.realpath(path))) as (handle, beside):
            os.close(handle)
            beside.unlink()


@contextlib.contextmanager
def _beside(place: Path) -> Iterator[tuple[int, Path]]:
    """A new file in the same folder, open, which is gone if anything goes wrong."""
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name[:40]}.", suffix=PARTIAL)
    try:
        yield handle, Path(name)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _is_special(path: Path) -> bool:
    """Whether something is there that is no file, and which a rename would destroy."""
    return path.exists() and not path.is_file()


def _permissions(place: Path) -> int:
    """Those that a file has, or that a new one gets."""
    if place.exists():
        return stat.S_IMODE(place.stat().st_mode)
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
