"""The exceptions that the command line turns into a line: bad input, and what ends a run."""

from __future__ import annotations

import json
from typing import Any


class InputError(ValueError):
    """What the user gave cannot be used.

    The message is one line: where (a file with line and column, a layer, an option), what was
    expected, what came and, where it helps, what to do. The command line prints it and exits
    with status 2.
    """

    # Keras rewrites the message of an error that passes through a layer, unless it has this.
    _keras_call_info_injected = True

    def __init__(self, message: str) -> None:
        super().__init__(printable(" ".join(message.split())))


def printable(text: str) -> str:
    """Text with escapes for what a terminal would obey and not show."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def shown(value: Any) -> str:
    """What JSON gave, as a message has it: on one line, and not longer than a reader needs."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class TerminatedError(KeyboardInterrupt):
    """SIGTERM has ended the work, as Ctrl-C does."""


class LostDeviceError(RuntimeError):
    """One of several devices that compute a step has been lost; the run can be gone on with.

    The message is one line. The command line prints it and exits with status 75, which is BSD's
    EX_TEMPFAIL: the same command may succeed the next time.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(" ".join(message.split())))
