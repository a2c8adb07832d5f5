"""The command line: `ranparity COMMAND`. A command imports what it needs when it runs.

Exit status: 0 pass, 1 a parity failure, 2 bad input, 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ranparity import __version__, run
from ranparity.commands import (
    bench,
    check,
    claims,
    compare,
    evaluate,
    export,
    features,
    import_,
    ladder,
    masks,
    matrix,
    models,
    report,
    shapes,
    statistics,
)
from ranparity.errors import InputError, LostDeviceError, TerminatedError, printable

COMMANDS = (
    models,
    shapes,
    check,
    ladder,
    statistics,
    matrix,
    compare,
    bench,
    import_,
    export,
    evaluate,
    masks,
    features,
    claims,
    report,
)


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
    _prepare_streams()
    try:
        status = arguments.execute(arguments)
        sys.stdout.flush()  # so that a closed pipe or a full disk is met here
    except BrokenPipeError:  # the reader (`| head`) has seen enough
        _drop_output()
        return 0
    except InputError as error:
        return _ended(str(error), 2)
    except LostDeviceError as error:
        return _ended(str(error), 75)
    except OSError as error:
        return _ended(printable(str(error)), 2)
    except TerminatedError:
        return _ended("terminated", 143)
    except KeyboardInterrupt:
        return _ended("interrupted", 130)
    return int(status)


def _prepare_streams() -> None:
    """Lets a print work where a stream is closed (`>&-`) or cannot show a character."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  (it stays)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _ended(message: str, status: int) -> int:
    print(f"ranparity: {message}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # a full disk
        _drop_output()
    return status


def _drop_output() -> None:
    """Sends what is still to be written nowhere, or Python would try again when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
