"""How much memory this process takes, and giving back what it no longer needs."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from pathlib import Path

MUCH = 2 << 30  # bytes
ONE_HEAP = ((-8, 1), (-4, 0), (-1, -1))  # M_ARENA_MAX, M_MMAP_MAX, M_TRIM_THRESHOLD: <malloc.h>


def peak() -> int | None:
    """Give the most memory that this process has had, in bytes; None if that cannot be known."""
    if sys.platform == "win32":
        return None
    with contextlib.suppress(OSError, StopIteration):
        return _of_linux("VmHWM")
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak() -> None:
    """Let `peak` count from now on, where the system can do that."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def give_back(more_than: int = MUCH) -> None:
    """Let the system have the memory that is free: glibc keeps what lies between other things.

    Args:
        more_than: A process that has no more than so many bytes keeps them: asking for them again
            takes a fifth of the arbiter's time on small nets.
    """
    with contextlib.suppress(AttributeError, OSError, StopIteration):
        if _of_linux("VmRSS") > more_than:
            ctypes.CDLL(None).malloc_trim(0)


def keep() -> bool:
    """Let glibc keep what is freed for what is asked for next; says whether it does.

    Large blocks are else given to the system and asked of it again, each of their pages being
    cleared anew: a third of a training step where all of its memory is one block. To be called
    before threads are started, which would have memory of their own.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    taken = [mallopt(*option) for option in ONE_HEAP]
    return all(taken)


def _of_linux(what: str) -> int:
    """What Linux says of this program; `getrusage` has what its parent had when it was started."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{what}:"))) * 1024
