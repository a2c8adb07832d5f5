"""Runs the ladder's proof and its long comparisons into a record.

`nox -s ladder`, or `python -m ranparity.parity.ladder.session --help`.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ranparity import schema
from ranparity.caffe.arbiter.run import use_threads
from ranparity.errors import InputError
from ranparity.files import check_writable, write_text
from ranparity.parity import sessions
from ranparity.parity.ladder import judge, proof, rounding
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.faults import PLANTED
from ranparity.parity.ladder.proof import HALVES, NETS, Proof, Row
from ranparity.parity.ladder.run import default_references
from ranparity.training import backends, twins
from ranparity.workers import end_all

PROCESSES = 2
RECORD = "ladder-proof.json"
DESCRIPTION = """\
Judge the judge: compare narrow twins of every kind of net clean, on all backends, where no alarm
may be raised, and with planted faults, each of which must be caught. What is done already is passed
over: the session goes on where it was ended.
"""


class Book:
    """The record of the proof, written again after each row.

    Args:
        path: Its file.
        source: Digest of this package's source.

    Raises:
        InputError: What is there is no such record.
    """

    def __init__(self, path: Path, source: str) -> None:
        check_writable(path)
        self.path, self._source, self._lock = path, source, threading.Lock()
        kept = sessions.read_record(path, "a ladder session", _check)
        content = kept or {"rows": [], "environments": {}}
        self._rows = {proof.key(row): row for row in content["rows"]}
        self._environments = dict(content["environments"])

    @property
    def rows(self) -> list[Row]:
        """All rows."""
        return list(self._rows.values())

    def add(self, row: Row) -> None:
        """Take a row in."""
        with self._lock:
            self._rows[proof.key(row)] = row | {"source_digest": self._source}
            content = {
                "limit": rounding.LIMIT,
                "factor": twins.FACTOR,
                "quantiles": judge.QUANTILES,
                "environments": self._environments,
                "rows": self.rows,
            }
            text = json.dumps(schema.versioned(content), indent=0, allow_nan=False)
            write_text(self.path, text + "\n")

    def place(self, backend: str, environment: Mapping[str, Any]) -> None:
        """Take in what a backend runs on; on more threads, where it ran on several."""
        with self._lock:
            known = self._environments.get(backend)
            if known is None or known["threads"] <= environment["threads"]:
                self._environments[backend] = dict(environment)

    def lacks(self, model: str, names: Sequence[str], *, planted: bool) -> bool:
        """Whether a net has a case without a row of this source.

        Args:
            model: The net.
            names: Of the backends.
            planted: Whether cases with a fault count.
        """
        every = [*proof.clean(model), *(proof.planted(model) if planted else ())]
        return any(self.lacks_case(case, name) for case in every for name in names)

    def lacks_case(self, case: Case, backend: str) -> bool:
        """Whether a case has no row of this source on a backend."""
        row = self._rows.get((case.digest, backend), {"error": "not there"})
        return row.get("source_digest") != self._source or "error" in row


def _check(content: Any) -> None:
    _ = [proof.key(row) for row in content["rows"]], content["environments"].items()


def run(
    book: Book,
    models: Sequence[str],
    names: Sequence[str],
    work: Path,
    *,
    again: bool,
    planted: bool,
) -> None:
    """Run nets, two at a time, each on one processor after the other's work."""
    use_threads(1)  # backends' processes are busy beside it
    left = [model for model in models if again or book.lacks(model, names, planted=planted)]
    total = sum(
        (len(proof.clean(model)) + planted * len(proof.planted(model))) * len(names)
        for model in left
    )
    bar = tqdm(total=total, unit="case", disable=not sys.stderr.isatty())
    stopped = threading.Event()

    def tell(row: Row) -> None:
        if stopped.is_set():  # what a worker that was ended says is no result
            raise InterruptedError
        book.add(row)
        bar.update("~" not in row["backend"])
        bar.write(_line(row), file=sys.stderr)

    def lacks(case: Case, backend: str) -> bool:
        return again or book.lacks_case(case, backend)

    def carry_out(model: str) -> None:
        parts = (names, work, default_references(), tell, book.place)
        Proof(model, *parts, lacks if planted else None).run()

    with ThreadPoolExecutor(PROCESSES) as pool, bar:
        try:
            for done in as_completed([pool.submit(carry_out, model) for model in left]):
                done.result()
        finally:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            end_all()


def _line(row: Row) -> str:
    what = f"{row['model']} on {row['backend']}, {row['fault'] or 'clean'}, seed {row['seed']}"
    if "error" in row:
        return f"{what}: error: {row['error']}"
    parts = []
    for number, level in row["levels"].items():
        figure = level.get("worst_rho", level.get("ratio"))
        parts.append(f"{number} {level['verdict']} {float(figure):.3g}")
    named = f"; {row['named']}" if row.get("named") else ""
    return f"{what}: {', '.join(parts)}{named}"


def faults(rows: Sequence[Row]) -> list[str]:
    """Say which clean comparisons raised an alarm, and which faults were not caught."""
    found = []
    for row in rows:
        if "error" in row:
            found.append(_line(row))
        elif not row["fault"]:
            if any(level["verdict"] != "pass" for level in row["levels"].values()):
                found.append(f"alarm: {_line(row)}")
        elif PLANTED[row["fault"]].below:
            continue
        elif not row["caught"] or row["right_layer"] is False:
            found.append(f"not caught at its layer: {_line(row)}")
    return found


def main(argv: Sequence[str]) -> int:
    """Run the command line; gives the exit status: 0 pass, 1 a failure, 2 bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m ranparity.parity.ladder.session", description=DESCRIPTION
    )
    add = parser.add_argument
    add("--backends", default=",".join(backends.NAMES), help="default: %(default)s")
    add("--half", choices=HALVES, help="only the nets of one half (default: both)")
    add("--models", help="nets, with commas between them (default: all)")
    add("--out", type=Path, default=Path("reports/data"), help="default: %(default)s")
    add("--work", type=Path, default=Path("runs/ladder"), help="default: %(default)s")
    add("--clean", action="store_true", help="plant no faults")
    add("--again", action="store_true", help="do again what is done already")
    args = parser.parse_args(argv)
    names, source = sessions.named(args.backends), sessions.source()
    models = [model for half, nets in NETS.items() if args.half in (None, half) for model in nets]
    if args.models:
        models = args.models.split(",")
        for model in models:
            if model not in proof.sizes():
                known = ", ".join(proof.sizes())
                raise InputError(f"--models: expected some of {known}. Received: {model!r}")
    args.out.mkdir(parents=True, exist_ok=True)
    book = Book(args.out / RECORD, source)
    run(book, models, names, args.work, again=args.again, planted=not args.clean)
    found = faults(book.rows)
    lacking = [m for m in models if book.lacks(m, names, planted=not args.clean)]
    found += [f"{model}: not all of its cases have been run" for model in lacking]
    for fault in found:
        print(fault, file=sys.stderr)
    print(f"{len(found) or 'no'} failures; record: {book.path}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(sessions.guarded(main))
