"""`ranparity report`: records as Markdown, HTML and figures; with --collect, first the records."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from ranparity.errors import InputError
from ranparity.training import backends

FOLDER = Path("reports")


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "report",
        help="write reports/ from the records in it; --collect makes them first",
        description="Renders the records in reports/data: README.md, index.html, a table of each "
        "net's layers, figures, and the records' JSON Schemas. Loads no framework and runs nothing "
        "again. With --collect it first runs the checks, the alterations and a training on each "
        "backend, one after the other, which takes some ten minutes; other runs in "
        "reports/data/runs stay as they are, and so do the records of `nox -s endurance`. Exit "
        "status 1 if anything in the report failed, differs, is missing or is stale.",
    )
    parser.add_argument(
        "runs",
        nargs="*",
        type=Path,
        metavar="RUN",
        help="a run directory whose record, without weights, is to be put into the report",
    )
    parser.add_argument(
        "--reports",
        type=Path,
        default=FOLDER,
        metavar="FOLDER",
        help="where the report is (default: %(default)s)",
    )
    parser.add_argument("--collect", action="store_true", help="run everything first")
    parser.add_argument(
        "--backends",
        type=_names,
        metavar="NAME,...",
        help=f"with --collect: on which backends (default: {','.join(backends.NAMES)})",
    )
    parser.set_defaults(execute=execute)


def _names(text: str) -> tuple[str, ...]:
    """Backends from `torch,jax`."""
    names = tuple(dict.fromkeys(text.split(",")))
    if unknown := [name for name in names if name not in backends.NAMES]:
        expected = ", ".join(backends.NAMES)
        raise argparse.ArgumentTypeError(f"expected some of {expected}, found {unknown[0]!r}")
    return names


def execute(arguments: argparse.Namespace) -> int:
    """Collects if asked to, renders, writes, and says what came out."""
    from ranparity.report import records, render, store

    folder: Path = arguments.reports
    _check(arguments)
    given = records.named(arguments.runs)
    present = records.load(folder)
    fresh = _collected(arguments) | given
    kept = {name: content for name, content in present.items() if not _replaced(name, fresh)}
    rendered = render.render(kept | fresh)
    store.write(folder, fresh | rendered.files)
    gone = [name for name in present if name not in kept and name not in fresh]
    store.drop(folder, [*gone, *store.stale(folder, rendered.files)])
    _say(folder, rendered)
    return int(bool(rendered.problems))


def _check(arguments: argparse.Namespace) -> None:
    if arguments.backends and not arguments.collect:
        raise InputError("--backends says where to --collect: give both, or neither to render only")
    folder: Path = arguments.reports
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise InputError(f"--reports {folder}: expected a folder, but {there} is a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"--reports {folder}: no permission to write in {there}")


def _collected(arguments: argparse.Namespace) -> dict[str, bytes]:
    if not arguments.collect:
        return {}
    from ranparity.report.collect import collect

    return collect(arguments.backends or backends.NAMES, _tell)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _replaced(name: str, fresh: dict[str, bytes]) -> bool:
    """Whether a record's file is of a record that is fresh; a run's files go together."""
    parent = name.rpartition("/")[0]
    return name in fresh or (
        parent.startswith("data/runs/") and any(f.startswith(f"{parent}/") for f in fresh)
    )


def _say(folder: Path, rendered: Any) -> None:
    print(f"Wrote {folder / 'README.md'} and {folder / 'index.html'}")
    for problem in rendered.problems:
        print(f"  {problem}")
    print("FAIL" if rendered.problems else "PASS: everything in the report has passed")
