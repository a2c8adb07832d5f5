"""The command line: `ranparity COMMAND`. A command imports what it needs when it runs.

Exit status: 0 pass, 1 a parity failure, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ranparity import __version__, run
from ranparity.commands import check, export, shapes
from ranparity.errors import InputError

COMMANDS = (shapes, check, export)


def parser() -> argparse.ArgumentParser:
    """Returns the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="ranparity",
        description="Is this network the same network everywhere? Checks Keras 3 models against "
        "their Caffe descriptions, and trains them alike on PyTorch, TensorFlow and JAX.",
        epilog="Exit status: 0 pass, 1 a parity failure, 2 bad input.",
    )
    top.add_argument("--version", action="version", version=f"ranparity {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(commands)
    train = commands.add_parser("run", help="train a network from scratch and record everything")
    run.add_arguments(train)
    train.set_defaults(execute=run.execute)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit status."""
    arguments = parser().parse_args(argv)
    return guarded(arguments)


def guarded(arguments: argparse.Namespace) -> int:
    """Runs a parsed command; bad input and Ctrl-C become one line and an exit status."""
    try:
        status = arguments.execute(arguments)
        sys.stdout.flush()  # so that a closed pipe is met here
    except InputError as error:
        print(f"ranparity: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ranparity: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader (`| head`) has seen enough
        sys.stderr.close()
        return 0
    return int(status)
