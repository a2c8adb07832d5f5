"""What the long sessions have in common: how their command lines end, and what they stand on."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ranparity.errors import InputError, TerminatedError, printable
from ranparity.training import backends, environment


def source() -> str:
    """Give the digest of this package's source."""
    return environment.source_digest(Path(__file__).resolve().parents[1])


def named(text: str) -> list[str]:
    """Give the backends of an option's value, each of which is installed.

    Raises:
        InputError: One is not.
    """
    names = text.split(",")
    for name in names:
        backends.choose(name, {}, "--backends")
    return names


def guarded(main: Callable[[Sequence[str]], int]) -> int:
    """Run a session on the process's command line; bad input and Ctrl-C become one line each.

    SIGTERM ends it as Ctrl-C does, with the processes that it has started.
    """
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        return main(sys.argv[1:])
    except (InputError, OSError) as error:
        return _ended(printable(str(error)), 2)
    except TerminatedError:
        return _ended("terminated", 143)
    except KeyboardInterrupt:
        return _ended("interrupted: the same command goes on", 130)
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(*_: object) -> None:
    raise TerminatedError


def _ended(message: str, status: int) -> int:
    print(f"ranparity: {message}", file=sys.stderr)
    return status
