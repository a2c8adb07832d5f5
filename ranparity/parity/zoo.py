"""Runs the whole zoo: every net once on each backend, and the ablations' short trainings.

`nox -s zoo`, or `python -m ranparity.parity.zoo --help`. On each backend

    every net       is built at its own size with weights from the tape, run on one image, and held
                    against its prototxt (level 0, at its own size and at an odd one);
    every ablation  of the paper and of its re-implementations trains for one epoch on digits;
    DRA-Net         trains in both of its stages on digits, and its features are measured.

What is known goes into reports/data/zoo-<backend>.json after each net and each training, so that a
session that was ended goes on where it was. What an earlier one found stands as long as the
package's source and the net's prototxt are what they were. Nothing here imports a framework.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ranparity import schema
from ranparity.files import check_writable, write_text
from ranparity.models import zoo
from ranparity.parity import ablations, nets, sessions
from ranparity.parity.nets import Found, Row
from ranparity.parity.trainings import Training, carry_out
from ranparity.training import backends

PARTS = ("nets", "trainings")
DESCRIPTION = """\
Run every net of the zoo once on each backend and hold it against its prototxt, then train the
ablations for one epoch on digits and DRA-Net in both of its stages. What is done already is passed
over: the session goes on where it was ended.
"""


class Book:
    """The record of a backend, written again after each row.

    Args:
        out: Folder of the records.
        backend: Its name.
        source: Digest of this package's source.

    Raises:
        InputError: What is there is no such record.
        OSError: It cannot be written.
    """

    def __init__(self, out: Path, backend: str, source: str) -> None:
        self.path = out / f"zoo-{backend}.json"
        self.backend, self.source = backend, source
        check_writable(self.path)
        content = sessions.read_record(self.path, "a zoo session", _check) or {}
        self.environment = content.get("environment", {})
        self.rows: dict[str, dict[str, Row]] = {
            part: {row["model"]: row for row in content.get(part, [])} for part in PARTS
        }

    def add(self, part: str, row: Row) -> None:
        """Take a row in, in the place of an earlier one of the same net."""
        self.rows[part][row["model"]] = row
        self.write()

    def write(self) -> None:
        """Write the record; nets that the zoo no longer has are left out."""
        content: dict[str, Any] = {"backend": self.backend, "environment": self.environment}
        for part, known in (("nets", zoo.ENTRIES), ("trainings", ablations.names().values())):
            rows = self.rows[part]
            content[part] = [rows[name] for name in known if name in rows]
        text = json.dumps(schema.versioned(content), indent=1, allow_nan=False)
        write_text(self.path, text + "\n")

    def lacks(self, name: str) -> bool:
        """Whether a net has no row that still stands."""
        row = self.rows["nets"].get(name)
        return row is None or not nets.is_current(row, zoo.entry(name), self.source)


def _check(content: Any) -> None:
    _ = [row["model"] for part in PARTS for row in content[part]]


class Session:
    """One go through the zoo.

    Args:
        books: The records, by backend.
        models: Names of the nets.
        runs: Where run directories are.
        again: Whether what is done already is done again.
    """

    def __init__(
        self, books: Mapping[str, Book], models: Sequence[str], runs: Path, *, again: bool
    ) -> None:
        self._books, self._runs = books, runs
        self._nets = {
            name: [model for model in models if again or book.lacks(model)]
            for name, book in books.items()
        }
        self._trainings, self._done = _sorted(books, models, runs, again=again)
        self._bar = tqdm(
            total=sum(map(len, self._nets.values())) + len(self._trainings),
            unit="row",
            disable=not sys.stderr.isatty(),
        )

    def run(self) -> None:
        """Do what is not done yet."""
        with self._bar:
            for backend, models in self._nets.items():
                self._run_nets(backend, [zoo.entry(name) for name in models])
            for training in self._done:
                self._trained(training, "")
            jobs = {t.job(overwrite=fresh): t for t, fresh in self._trainings.items()}
            for job, error in carry_out(list(jobs)):
                self._trained(jobs[job], error)
                self._bar.update()

    def _run_nets(self, backend: str, entries: Sequence[zoo.Entry]) -> None:
        book, found = self._books[backend], Found()
        for row in found.rows(entries, backend, book.source):
            book.environment = found.environment or book.environment
            book.add("nets", row)
            self._tell(backend, row)
            self._bar.update()

    def _trained(self, training: Training, error: str) -> None:
        """Write down a training; DRA-Net's record is kept as a whole before that."""
        book = self._books[training.backend]
        error = error or ablations.keep(training, book.path.parent / "runs")
        row = ablations.row(training, error, book.source)
        book.add("trainings", row)
        self._tell(training.backend, row)

    def _tell(self, backend: str, row: Row) -> None:
        said = row.get("error") or "; ".join(row["faults"]) or row["verdict"]
        self._bar.write(f"{backend}: {row['model']}: {said}", file=sys.stderr)


def _sorted(
    books: Mapping[str, Book], models: Sequence[str], runs: Path, *, again: bool
) -> tuple[dict[Training, bool], list[Training]]:
    """Give trainings to carry out, each with whether it begins afresh, and those to write down."""
    to_do, done = {}, []
    for training in ablations.trainings(models, list(books), runs):
        book = books[training.backend]
        current = ablations.is_current(training, book.source)
        if again or not current or not ablations.is_finished(training):
            to_do[training] = again or not current
        elif not ablations.stands(book.rows["trainings"].get(training.model), book.source):
            done.append(training)
    return to_do, done


def faults(books: Mapping[str, Book]) -> list[str]:
    """Say what of the records failed, and what backends did not begin alike."""
    found = []
    for name, book in books.items():
        for rows in book.rows.values():
            found += [
                f"{name}: {row['model']}: {row.get('error') or row['verdict']}"
                for row in rows.values()
                if row.get("verdict") != "pass"
            ]
    for part, same in (("nets", nets.same), ("trainings", ablations.same)):
        for model in {model: 0 for book in books.values() for model in book.rows[part]}:
            rows = {n: b.rows[part][model] for n, b in books.items() if model in b.rows[part]}
            if not same(rows):
                found.append(f"{model}: the backends began with other weights or images")
    return found


def main(argv: Sequence[str]) -> int:
    """Run the command line; gives the exit status: 0 pass, 1 a failure, 2 bad input."""
    parser = argparse.ArgumentParser(prog="python -m ranparity.parity.zoo", description=DESCRIPTION)
    add = parser.add_argument
    add("--backends", default=",".join(backends.NAMES), help="default: %(default)s")
    add("--models", help="nets, with commas between them (default: all)")
    add("--out", type=Path, default=Path("reports/data"), help="default: %(default)s")
    add("--runs", type=Path, default=Path("runs/zoo"), help="default: %(default)s")
    add("--again", action="store_true", help="do again what is done already")
    args = parser.parse_args(argv)
    models = args.models.split(",") if args.models else list(zoo.ENTRIES)
    for name in models:
        _ = zoo.entry(name).prototxt  # a narrow twin has none
    names, source = sessions.named(args.backends), sessions.source()
    args.out.mkdir(parents=True, exist_ok=True)
    books = {name: Book(args.out, name, source) for name in names}
    Session(books, models, args.runs, again=args.again).run()
    found = faults(books)
    for fault in found:
        print(fault, file=sys.stderr)
    written = ", ".join(str(book.path) for book in books.values())
    print(f"{len(found) or 'no'} failures; records: {written}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(sessions.guarded(main))
