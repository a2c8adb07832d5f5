"""Shows how a run goes: a bar on a terminal, a line an epoch elsewhere, or nothing."""

from __future__ import annotations

import contextlib
import sys
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from tqdm import tqdm

from ranparity.training.logs import Epoch, Step


class Progress(Protocol):
    """What the loop tells."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop showing."""

    def step(self, step: Step) -> None:
        """A step is done."""

    def epoch(self, epoch: Epoch) -> None:
        """An epoch is done and tested."""


class Quiet:
    """Shows nothing."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""

    def step(self, step: Step) -> None:
        """A step is done."""

    def epoch(self, epoch: Epoch) -> None:
        """An epoch is done and tested."""


class Lines(Quiet):
    """Shows a line an epoch."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def epoch(self, epoch: Epoch) -> None:
        """Write the epoch's results."""
        print(summary(epoch), file=self._stream, flush=True)


class Bar(Quiet):
    """Shows a bar with the loss, the rate and the time left, and a line an epoch above it."""

    def __init__(self, stream: TextIO, steps: int, done: int = 0) -> None:
        self._bar: Any = tqdm(
            total=steps, initial=done, unit="step", file=stream, dynamic_ncols=True
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the bar where it is."""
        self._bar.close()

    def step(self, step: Step) -> None:
        """Move the bar."""
        self._bar.set_postfix(epoch=step.epoch, loss=f"{step.loss:.4f}", refresh=False)
        self._bar.update()

    def epoch(self, epoch: Epoch) -> None:
        """Write the epoch's results above the bar."""
        self._bar.write(summary(epoch), file=self._bar.fp)


class Several:
    """Tells each of several."""

    def __init__(self, *parts: Progress) -> None:
        self._parts = parts
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Begin with all of them."""
        for part in self._parts:
            self._open.enter_context(part)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop all of them, the last one first."""
        self._open.close()

    def step(self, step: Step) -> None:
        """A step is done."""
        for part in self._parts:
            part.step(step)

    def epoch(self, epoch: Epoch) -> None:
        """An epoch is done and tested."""
        for part in self._parts:
            part.epoch(epoch)


def show(steps: int, done: int = 0, *, quiet: bool, stream: TextIO = sys.stderr) -> Progress:
    """Give what fits the stream: a bar if it is a terminal, else lines; nothing if quiet.

    Args:
        steps: Number of steps of the run.
        done: How many of them an earlier process has done.
        quiet: Show nothing.
        stream: Where to.
    """
    if quiet:
        return Quiet()
    return Bar(stream, steps, done) if stream.isatty() else Lines(stream)


def summary(epoch: Epoch) -> str:
    """Give an epoch's results as a line of text."""
    stage = "" if epoch.stage == "train" else f"{epoch.stage}, "
    return (
        f"{stage}epoch {epoch.epoch}: train loss {epoch.train_loss:.4f}, "
        f"test loss {epoch.test_loss:.4f}, "
        f"test accuracy {epoch.test_accuracy:.2%} (top 5: {epoch.test_top5_accuracy:.2%}), "
        f"{epoch.seconds:.1f} s"
    )
