"""`ranparity compare`: are runs the same, and where do they first part?"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranparity.errors import InputError

if TYPE_CHECKING:
    from ranparity.report.compared import Compared


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "compare",
        help="runs side by side: what differs in their recipes, and the step where they part",
        description="Reads the records of finished runs and prints what differs in their recipes "
        "and data, and in where they ran; their results side by side, as the report has them; the "
        "first step whose batches differ, and the first whose losses do; and, held against twins "
        "that `ranparity run --twin N` has made, the first step whose losses are further apart "
        "than rounding explains. Loads no framework and runs nothing again. Exit status 0 if "
        "recipe, data, initial weights and the batches of all steps that both made are the same "
        "and no losses part beyond twins; 1 if one of these differs.",
    )
    add = parser.add_argument
    add(
        "runs",
        nargs="*",
        type=Path,
        metavar="RUN",
        help="run directories, two or more; a twin among them is taken as the twin of the run of "
        "its backend, model, recipe, data and seed",
    )
    add(
        "--twins",
        nargs="+",
        action="extend",
        default=[],
        type=Path,
        metavar="RUN",
        help="more run directories, all of which must be of twins",
    )
    add(
        "--html",
        type=Path,
        metavar="FILE",
        help="also write a page with these tables and the curves, one file that needs no network",
    )
    add("--json", action="store_true", help="print JSON in place of the tables")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Compares the runs and prints what was found."""
    from ranparity.report import compared, compared_page, given, terminal

    page: Path | None = arguments.html
    if page:
        _check(page)
    found = compared.compare(given.read(arguments.runs, arguments.twins, page))
    if page:
        _write(found, page)
    if arguments.json:
        print(json.dumps(compared.to_json(found), indent=1, allow_nan=False))
    else:
        print(terminal.write(compared_page.document(found, drawn=False)))
    return int(bool(list(found.problems())))


def _check(page: Path) -> None:
    """Raises `InputError` unless a page can be written, before anything is drawn."""
    from ranparity.files import check_writable

    try:
        check_writable(page)
    except OSError as error:
        raise InputError(f"--html {page}: cannot be written: {error.strerror or error}") from None


def _write(found: Compared, page: Path) -> None:
    from ranparity.files import write_text
    from ranparity.report import compared_page, html

    try:
        write_text(page, html.write(compared_page.document(found, drawn=True)))
    except OSError as error:
        raise InputError(f"--html {page}: cannot be written: {error.strerror or error}") from None
    print(f"Wrote {page}", file=sys.stderr)
