"""Ctrl-C and a scheduler's SIGTERM end a run between two steps, where nothing is half done."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

from ranparity.errors import TerminatedError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether the run has been asked to end.

    A flag and not an exception: raised by a signal's handler, `KeyboardInterrupt` comes up wherever
    the process happens to be, and code that swallows every exception would lose it.
    """

    def __init__(self) -> None:
        self._signal: int | None = None

    def ask(self, number: int) -> None:
        """Ask the run to end; the second time, end it at once."""
        if self._signal is not None:
            self._signal = number
            self.heed()
        self._signal = number

    @property
    def asked(self) -> bool:
        """Whether the run is to end."""
        return self._signal is not None

    def heed(self) -> None:
        """End here if the run has been asked to.

        Raises:
            KeyboardInterrupt: By Ctrl-C.
            TerminatedError: By SIGTERM.
        """
        if self._signal == signal.SIGTERM:
            raise TerminatedError
        if self._signal is not None:
            raise KeyboardInterrupt


@contextlib.contextmanager
def listening(stop: Stop, *, quiet: bool) -> Iterator[None]:
    """Let the signals ask for the end, within the block; one that is ignored stays ignored.

    Args:
        stop: Whom they ask.
        quiet: Say nothing of it on stderr.
    """

    def handle(number: int, _: FrameType | None) -> None:
        if not stop.asked and not quiet:
            os.write(2, b"ending after this step (again: at once)\n")  # a print may be under way
        stop.ask(number)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    heard = [number for number in SIGNALS if before[number] != signal.SIG_IGN]
    for number in heard:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])
