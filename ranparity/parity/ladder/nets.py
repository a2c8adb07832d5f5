"""Runs the ladder on nets of the zoo at their own width and size, into a record.

`nox -s ladder-nets`, or `python -m ranparity.parity.ladder.nets --help`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ranparity import schema
from ranparity.errors import InputError
from ranparity.files import check_writable, write_text
from ranparity.parity import sessions
from ranparity.parity.ladder import judge, rounding
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.planned import (
    CASES,
    PUBLISHED,
    QUICK,
    QUICK_RECORD,
    RECORD,
    TRAINED,
)
from ranparity.parity.ladder.run import DIGEST, Ladder, default_references, description
from ranparity.training import backends, twins

DESCRIPTION = """\
Run the ladder on the four published nets at 224 (levels 1 to 3, OpenCV beside them), and on
attention56-cifar and dranet-cifar (levels 1 to 5, and 1 and 2 in float64; of the first also 1 to 3
in 16 bits, and 3 and 4 on two devices). What is done already is passed over: the session goes on
where it was ended.
"""


class Book:
    """The record, written again after each case.

    Args:
        path: Its file.
        source: Digest of this package's source.
        cases: What it may hold; others in it are dropped.

    Raises:
        InputError: What is there is no such record.
    """

    def __init__(self, path: Path, source: str, cases: Sequence[Case]) -> None:
        check_writable(path)
        self.path, self._source = path, source
        self._known = {case.digest for case in cases}
        kept = sessions.read_record(path, "a ladder session", lambda c: c["cases"].items())
        self._cases: dict[str, dict[str, Any]] = kept["cases"] if kept else {}

    def add(self, case: Case, found: Mapping[str, Any]) -> None:
        """Take what was found of a case."""
        self._cases[case.digest] = {**found, "source_digest": self._source}
        content = {
            "limit": rounding.LIMIT,
            "factor": twins.FACTOR,
            "quantiles": judge.QUANTILES,
            "cases": {key: value for key, value in self._cases.items() if key in self._known},
        }
        text = json.dumps(schema.versioned(content), indent=0, allow_nan=False)
        write_text(self.path, text + "\n")

    def found(self, case: Case) -> dict[str, Any]:
        """Give what was found of a case."""
        return self._cases[case.digest]

    def lacks(self, case: Case, held: Mapping[str, str]) -> bool:
        """Whether there is nothing of a case that this source has found of the present prototxt.

        Args:
            case: The case.
            held: What `run.description` gives of it.
        """
        found = self._cases.get(case.digest, {})
        if bool(found.get("failures")) or found.get("source_digest") != self._source:
            return True
        return found.get(DIGEST, held.get(DIGEST)) != held.get(DIGEST)


def main(argv: Sequence[str]) -> int:
    """Run the command line; gives the exit status: 0 pass, 1 a failure, 2 bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m ranparity.parity.ladder.nets", description=DESCRIPTION
    )
    add = parser.add_argument
    add("--backends", default=",".join(backends.NAMES), help="default: %(default)s")
    add("--models", help="nets, with commas between them (default: all)")
    add("--out", type=Path, default=Path("reports/data"), help="default: %(default)s")
    add("--work", type=Path, default=Path("runs/ladder"), help="default: %(default)s")
    add(
        "--quick",
        action="store_true",
        help=f"levels 1 to 3 of {QUICK[0].model} alone, again, into {QUICK_RECORD}: what nox -s "
        "report runs",
    )
    add("--again", action="store_true", help="do again what is done already")
    args = parser.parse_args(argv)
    names, source = sessions.named(args.backends), sessions.source()
    models = args.models.split(",") if args.models else [*TRAINED, *PUBLISHED]
    for model in models:
        if model not in (*TRAINED, *PUBLISHED):
            known = ", ".join((*TRAINED, *PUBLISHED))
            raise InputError(f"--models: expected some of {known}. Received: {model!r}")
    args.out.mkdir(parents=True, exist_ok=True)
    cases, record = (QUICK, QUICK_RECORD) if args.quick else (CASES, RECORD)
    book = Book(args.out / record, source, cases)
    again = args.again or args.quick
    failed = []
    for case in cases:
        if case.model not in models or not (again or book.lacks(case, description(case))):
            continue
        asks = case.model in PUBLISHED
        ladder = Ladder(names, args.work, default_references(), sessions.say, opencv=asks)
        found = ladder.run(case)
        book.add(case, found.to_json())
        sessions.say(f"{case.model}, {case.how}: {found.verdict}, {found.seconds['all']:.0f} s")
        if found.verdict != judge.PASS:
            failed.append(f"{case.model}, {case.how}")
    print(f"{len(failed) or 'no'} failures; record: {book.path}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(sessions.guarded(main))
