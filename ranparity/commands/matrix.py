"""`ranparity matrix`: many runs from one plan, on this machine or on a Ray cluster."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranparity.errors import InputError

if TYPE_CHECKING:
    from ranparity.matrix.session import Means

DESCRIPTION = """\
Carries out the runs of a plan, each in a process of its own with its share of the processors.
Started again it leaves finished runs as they are, goes on with begun ones from their checkpoints,
and begins the others. A run whose process is killed or dies is gone on with from its checkpoint, up
to two times; one that is refused is not. Ctrl-C ends each run after its step, with a checkpoint.
"""
EPILOG = """\
A plan is a TOML file whose keys are options of `ranparity run`, without their dashes. A list is
varied, and there is a run for every combination; all else is the same for each run:

    model = ["attention56-cifar@4", "resnet18-cifar@8"]
    backend = ["torch", "tensorflow", "jax"]
    seed = [0, 1, 2, 3]
    epochs = 5
    label-noise = [0, 0.2]

FOLDER has a run directory for each, which `ranparity compare` and `ranparity report` take, and
matrix.json, which says what became of them. Exit status: 0 all runs are finished, 1 one has failed,
2 bad input, 130 interrupted, 143 terminated.
"""


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "matrix",
        help="many runs from one plan: nets, data, recipes, backends, seeds",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("plan", type=Path, metavar="PLAN.toml", help="the plan")
    add_options(parser)
    parser.set_defaults(execute=execute)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what a command has that carries out a plan."""
    add = parser.add_argument
    add(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="where the run directories are (default: runs/PLAN)",
    )
    add(
        "--jobs",
        type=int,
        metavar="N",
        help="runs at a time (default: as before; at first a run for each processor). Each has an "
        "equal share of the processors, on which its last bits depend: a run goes on as if nothing "
        "had happened if N stays the same. Large nets may want --jobs 1, for their memory",
    )
    add(
        "--ray",
        metavar="ADDRESS",
        help="carry the runs out on a Ray cluster: HOST:PORT of its head, auto for the one that "
        "this host is part of, or local for one of this machine alone. Each host needs ranparity "
        "with the backends, and FOLDER must be reached by the same path on all of them",
    )
    add(
        "--processors",
        type=int,
        metavar="N",
        help="with --ray: how many each run has (default: 1)",
    )
    add("--json", action="store_true", help="print the record in place of the table")
    add("--quiet", action="store_true", help="show no progress")


def execute(arguments: argparse.Namespace) -> int:
    """Carries the plan out and prints what became of its runs."""
    from ranparity.matrix import plan, session
    from ranparity.matrix.book import FINISHED

    means = means_of(arguments)
    read = plan.read(arguments.plan, run_parser())
    folder = arguments.out or Path("runs", read.name)
    try:
        book = session.carry_out(read, folder, means)
    except KeyboardInterrupt:
        say_how_to_go_on("matrix", arguments, folder)
        raise
    if arguments.json:
        print(json.dumps(book.content, indent=1, allow_nan=False))
    else:
        print(session.shown(book.content, folder))
    return int(len(book.of(FINISHED)) < len(book.rows))


def run_parser() -> argparse.ArgumentParser:
    """The parser of `ranparity run`, which says a line where another one ends the process."""
    from ranparity import run

    parser = _Parser(prog="ranparity run")
    run.add_arguments(parser)
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise InputError(message)


def means_of(arguments: argparse.Namespace) -> Means:
    """How the runs are carried out.

    Raises:
        InputError: A number is out of its range, or a launcher has started several of the command.
    """
    from ranparity.matrix.session import Means
    from ranparity.training import launching

    launching.check_alone(os.environ, "matrices (--ray shares runs out among machines)")
    for option, value in (("--jobs", arguments.jobs), ("--processors", arguments.processors)):
        if value is not None and value < 1:
            raise InputError(f"{option}: expected 1 or more. Received: {value}")
    if arguments.processors is not None and not arguments.ray:
        raise InputError(
            "--processors says what a run has with --ray: leave it out; on this machine --jobs "
            "shares them out"
        )
    return Means(
        at_once=arguments.jobs,
        ray=arguments.ray,
        processors=arguments.processors or 1,
        quiet=arguments.quiet,
    )


def say_how_to_go_on(command: str, arguments: argparse.Namespace, folder: Path) -> None:
    """Says which command goes on with a plan that was interrupted."""
    words = ["ranparity", command, str(arguments.plan), "--out", str(folder)]
    words += ["--ray", arguments.ray] if arguments.ray else []
    if not arguments.quiet:
        print(f"go on with: {shlex.join(words)}", file=sys.stderr, flush=True)
