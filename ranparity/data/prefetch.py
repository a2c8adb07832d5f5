"""Things made in the background, a few ahead of their use."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class Prefetch(Generic[T]):
    """What `make` gives for each step, in order, made by one thread ahead of the caller.

    NumPy and file reading let other threads run, so a batch is made while a step computes. Use it
    as a context manager; leaving it ends the thread, after what it is making just then.

    An exception in `make` is raised where its result would have come, and ends the steps.

    Attributes:
        waited: Seconds that the caller has waited for results.
    """

    def __init__(self, make: Callable[[int], T], steps: range, depth: int = 3) -> None:
        """Prepare; nothing is made before the context is entered.

        Args:
            make: Makes the result of a step; runs in the thread.
            steps: The steps.
            depth: How many results to be ahead by, the one in the making included; 1 or more.
        """
        if depth < 1:
            raise ValueError(f"`depth` must be 1 or more. Received: depth={depth}")
        self.waited = 0.0
        self._make = make
        self._steps = steps
        self._left = 0
        self._free = threading.Semaphore(depth)
        self._made: SimpleQueue[tuple[T, None] | tuple[None, BaseException]] = SimpleQueue()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)

    def __enter__(self) -> Prefetch[T]:
        self._left = self._steps.stop - self._steps.start  # `len` refuses very many
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._left = 0
        self._ended.set()
        self._free.release()  # it may be waiting for room
        self._thread.join()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._thread.ident is None:
            raise RuntimeError("a Prefetch makes nothing outside of its context: use `with`")
        if not self._left:
            raise StopIteration
        begun = time.perf_counter()
        result, error = self._made.get()
        self.waited += time.perf_counter() - begun
        if error is not None:
            self._left = 0
            raise error
        self._left -= 1
        self._free.release()
        return result  # type: ignore[return-value]

    def _run(self) -> None:
        """Make everything, in the thread."""
        for step in self._steps:
            self._free.acquire()
            if self._ended.is_set():
                return
            try:
                self._made.put((self._make(step), None))
            except BaseException as error:  # whatever it is, it belongs to the caller
                self._made.put((None, error))
                return
