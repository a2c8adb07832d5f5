"""`ranparity statistics`: level 6 of the ladder, final accuracies over seeds."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

DESCRIPTION = """\
Trains a net with several seeds on each backend, as `ranparity matrix` does, and compares final test
accuracies seed by seed: two one-sided tests for equivalence within a margin that was fixed
beforehand, and the test for a difference, both corrected by Holm's method, with power. Each two
backends are equivalent, different or inconclusive; a recipe that is planted, worse on purpose, must
come out different.
"""
EPILOG = """\
What is asked stands in the plan, beside what `ranparity matrix` takes:

    model = "attention56-cifar@4"
    backend = ["torch", "tensorflow", "jax"]
    seed = [0, 1, 2, 3, 4, 5, 6, 7]

    [statistics]
    margin = 2.0               # points of percent by which means may differ and be equivalent
    level = 0.05               # of each test (this is the default)

    [planted.label-noise]      # any name: a recipe that is worse on purpose
    backend = "torch"
    label-noise = 0.2

It is written into FOLDER/statistics.json before the first run begins, and cannot be changed after.
Exit status: 0 every two backends are equivalent and all that is planted is different, 1 not so, 2
bad input, 130 interrupted, 143 terminated.
"""


def add_parser(commands: Any) -> None:
    """Adds the command."""
    from ranparity.commands import matrix

    parser = commands.add_parser(
        "statistics",
        help="level 6: are final accuracies equivalent over seeds?",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "plan",
        nargs="?",
        type=Path,
        metavar="PLAN.toml",
        help="the plan (default: a narrow ResNet-18 on digits, twelve seeds)",
    )
    matrix.add_options(parser)
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FOLDER",
        help="also write statistics.json and matrix-PLAN.json there, such as reports/data",
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Trains what is not trained yet, compares, and prints what follows."""
    from ranparity.commands import matrix
    from ranparity.matrix import session
    from ranparity.parity import statistics

    means = matrix.means_of(arguments)
    arguments.plan = arguments.plan or statistics.PLAN
    design = statistics.read(arguments.plan, matrix.run_parser())
    folder = arguments.out or Path("runs", design.plan.name)
    folder.mkdir(parents=True, exist_ok=True)
    answers = statistics.Answers(design, folder)
    try:
        book = session.carry_out(design.plan, folder, means, design.beside)
    except KeyboardInterrupt:
        matrix.say_how_to_go_on("statistics", arguments, folder)
        raise
    answers.take(book)
    if arguments.record:
        answers.copy(book, arguments.record)
    _show(arguments, answers)
    return int(bool(answers.faults()))


def _show(arguments: argparse.Namespace, answers: Any) -> None:
    from ranparity.report import statistics, statistics_record, terminal

    text = json.dumps(answers.content, indent=1, allow_nan=False)
    if arguments.json:
        print(text)
        return
    print(terminal.write(statistics.document(statistics_record.read(text.encode()))))
    for fault in answers.faults():
        print(f"ranparity: {fault}", file=sys.stderr)
