"""How many runs are done, and how long the others will take."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from typing import Any

from ranparity.matrix.book import FAILED, FINISHED, INTERRUPTED, RUNNING, WAITING, Book, Row


class Progress:
    """What is done of a matrix, and an estimate of the rest.

    Args:
        book: Its record.
        at_once: How many runs there are at a time.
        clock: Gives seconds.
    """

    def __init__(self, book: Book, at_once: int, clock: Any = time.monotonic) -> None:
        self._book, self._at_once, self._clock = book, at_once, clock
        self._begun: dict[str, float] = {}
        self._took: dict[str, list[float]] = {}

    def begun(self, name: str) -> None:
        """Note when a run's process was started; a second one counts with the first."""
        self._begun.setdefault(name, self._clock())

    def ended(self, name: str) -> None:
        """Note what a run took, from its start to its end."""
        begun = self._begun.pop(name, None)
        if begun is not None and self._book.rows[name]["status"] == FINISHED:
            kind = _kind(self._book.rows[name])
            self._took.setdefault(kind, []).append(self._clock() - begun)

    def left(self) -> float | None:
        """Give the seconds that the rest will take; None as long as no run is done.

        A run takes what those took that differ from it in their seeds alone; where there is none,
        what all took. Runs that were done before this process began count by what their own
        records say, if no other does.
        """
        known = self._took or self._of_records()
        if not known:
            return None
        whole = statistics.fmean(each for several in known.values() for each in several)
        seconds = 0.0
        for row in self._book.of(WAITING, RUNNING, INTERRUPTED):
            took = known.get(_kind(row))
            expected = statistics.fmean(took) if took else whole
            spent = self._clock() - self._begun[row["name"]] if row["name"] in self._begun else 0
            seconds += max(0.0, expected - spent)
        return seconds / self._at_once

    def _of_records(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for row in self._book.of(FINISHED):
            found.setdefault(_kind(row), []).append(float(row["seconds"]))
        return found

    def line(self) -> str:
        """Say how many runs are done, how many run and have failed, and what is left."""
        book = self._book
        done, running, failed = (len(book.of(status)) for status in (FINISHED, RUNNING, FAILED))
        words = f"{done} of {len(book.rows)} done, {running} running, {failed} failed"
        left = self.left() if done + failed < len(book.rows) else None
        return words if left is None else f"{words}, about {duration(left)} left"


def _kind(row: Row) -> str:
    """What runs have in common that differ in their seeds alone."""
    settings = {key: value for key, value in row["settings"].items() if key != "seed"}
    return json.dumps(settings, sort_keys=True, default=str)


def duration(seconds: float) -> str:
    """Give seconds as a reader has them: 40 s, 12 min, 3 h 5 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def result(row: Row) -> str:
    """Say what became of a run, in a line."""
    if row["status"] != FINISHED:
        return f"{row['name']}: FAILED: {row.get('error', row['status'])}"
    return f"{row['name']}: accuracy {row['test_accuracy']:.2%}, {row['seconds']:.0f} s"


def table(rows: Sequence[Row], folder: str) -> list[list[str]]:
    """Give a row for each run: accuracy, loss, seconds, status, tries and record."""
    return [
        [
            row["name"],
            *(_number(row, key, form) for key, form in NUMBERS),
            row["status"],
            str(row["tries"]),
            f"{folder}/{row['name']}",
        ]
        for row in rows
    ]


NUMBERS = (("test_accuracy", ".2%"), ("test_loss", ".4f"), ("seconds", ".1f"))
HEADERS = ("run", "accuracy", "loss", "seconds", "status", "tries", "record")


def _number(row: Row, key: str, form: str) -> str:
    return format(row[key], form) if key in row else ""
