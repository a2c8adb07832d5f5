"""What the long sessions have in common: how their command lines end, and what they stand on."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ranparity import schema
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


def read_record(path: Path, what: str, check: Callable[[Any], object]) -> Any:
    """Give what a session has written down before, as JSON has it; None if there is nothing.

    Args:
        path: The record's file.
        what: The session, in words.
        check: Looks for what the record must have; raises what looking raises where it has not.

    Raises:
        InputError: It is no such record, or one of another version.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        reason = schema.refusal(content)
        if not reason:
            check(content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: expected the record of {what}: {type(error).__name__}: {error}: move it away"
        ) from None
    if reason:
        raise InputError(f"{path}: {reason}")
    return content


def say(line: str) -> None:
    """Tell whoever waits what goes on."""
    print(line, file=sys.stderr, flush=True)


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
