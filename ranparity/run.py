"""`python -m ranparity.run`, also `ranparity run`: trains a network and writes down everything.

Nothing heavy is imported before the arguments are known to be good: Keras takes its backend from
the environment when it is imported, so the backend is chosen first.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ranparity.errors import InputError, LostDeviceError
from ranparity.training import backends, launching, options, planning, recipe
from ranparity.training.launching import Launch
from ranparity.training.planning import DATA, MODEL, SEED

DESCRIPTION = """\
Train a network and write a run directory. Initial weights, the order of the images and everything
else random come from --seed alone, so another backend or another machine sees the same bytes, and
the digests in the run's run.json prove it. A run that ends early, however it ends, goes on with
--resume as if nothing had happened.
"""
EPILOG = """\
The run directory holds run.json (what ran, where, digests, result), steps.jsonl (a line a step),
epochs.csv (a row an epoch), normalisation.npz, final.weights.h5, STAGE.weights.h5 of each earlier
stage, and checkpoints. Exit status: 0 done, 2 bad input, 75 one of several devices was lost, 130
interrupted, 143 terminated.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `run` to a parser."""
    add = parser.add_argument
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    add("--model", help=f"the network (default: {MODEL})")
    add(
        "--data",
        help="digits; cifar10 or cifar100, downloaded once; cifar10:FOLDER or cifar100:FOLDER; "
        f"folder:PATH with a folder of images a class; or just the folder (default: {DATA})",
    )
    add(
        "--partial",
        action="store_true",
        help="take a CIFAR folder with fewer or other records than the official files",
    )
    add(
        "--recipe",
        help=f"how to train: one of {', '.join(recipe.NAMES)} (default: what fits the data and "
        "the model, which is printed)",
    )
    add(
        "--weights",
        type=Path,
        metavar="FILE|RUN",
        help="weights to start from: a *.weights.h5 file of the network, or of a part of it with "
        "the same names, or a run directory (default: those of the seed)",
    )
    add("--seed", type=int, help=f"all randomness of the run (default: {SEED})")
    add(
        "--precision",
        choices=backends.PRECISIONS,
        help="of the weights and of all arithmetic; bfloat16 and float16 are of what layers "
        "compute, where weights, slots, batch statistics and the loss are in float32, and of "
        "float16 the loss is scaled (default: float32)",
    )
    add(
        "--device",
        choices=backends.DEVICES,
        help=f"{backends.DEVICE_HELP} (default: auto, or that of the run that goes on)",
    )
    add(
        "--tf32",
        action="store_true",
        help="let a GPU compute products of float32 numbers in TF32, of 11 bits: faster (default: "
        "in float32)",
    )
    add(
        "--remat",
        action="store_true",
        help="compute parts of the net a second time on the way back, in place of keeping what "
        "they compute: less memory, longer steps",
    )
    add(
        "--accumulate",
        type=int,
        metavar="N",
        help="compute each batch as N parts, one after the other, and add up their gradients: less "
        "memory, the update of the whole batch up to rounding; but batch normalisation takes its "
        "statistics of each part, and its moving statistics move once a part, so N times a step "
        "(default: 1)",
    )
    add(
        "--devices",
        type=int,
        metavar="N",
        help="compute each batch on N devices together, a part each: GPUs where the framework sees "
        "some, else parts of the CPU; the update is that of one device up to rounding, batch "
        "statistics included; a run may go on with another number (default: 1, or one for each "
        "process that torchrun, jax.distributed or TF_CONFIG has started)",
    )
    add(
        "--twin",
        type=int,
        metavar="N",
        help="train twin N of the run, N from 1: the same, but each trained weight begins one unit "
        "in the last place off, up or down by the tape; `ranparity compare` takes from twins how "
        "far rounding alone takes losses apart",
    )
    add(
        "--backend",
        help=f"{', '.join(backends.NAMES)} (default: what KERAS_BACKEND says, else that of the run "
        "that goes on, else the first of these that is installed)",
    )
    add(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="the run directory (default: runs/MODEL-DATA-BACKEND-seedSEED, with -twinN of a twin)",
    )
    add(
        "--resume",
        nargs="?",
        const="",
        metavar="RUN",
        help="go on with the run in that folder, on any backend; without RUN, with the one in "
        "--out if there is one, and begin it if there is none",
    )
    add("--overwrite", action="store_true", help="replace the run that is in --out")
    add(
        "--checkpoint-every",
        type=int,
        metavar="STEPS",
        help="write a checkpoint after so many steps (always: after each epoch and 5 minutes)",
    )
    add("--tensorboard", action="store_true", help="write RUN/tensorboard too")
    add("--json", action="store_true", help="print the record in place of the table")
    add("--quiet", action="store_true", help="show no progress")
    options.add_options(parser)


def execute(args: argparse.Namespace) -> int:
    """Run what the arguments ask for; returns the exit status.

    Raises:
        InputError: The arguments are bad, or the record cannot be written.
    """
    launch = _launch(args)
    if launch and launch.rank:
        return _follow(args, launch)
    folder, earlier = planning.place_of(args)
    if earlier and earlier.get("status") == "finished":
        try:
            results = _shown(args, earlier, folder)
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{folder / 'run.json'}: expected the results of a run") from None
        _say(args, f"{folder}: the run is finished: nothing to do")
        print(results)
        return 0
    checked, lines = planning.plan(args, folder, earlier)
    _say(args, "\n".join(lines))
    try:
        from ranparity.training.session import train

        record = train(checked, quiet=args.quiet, warn=_warn, tell=partial(_say, args))
    except (KeyboardInterrupt, LostDeviceError):
        if (folder / "run.json").exists():
            _say(args, f"go on with: ranparity run --resume {shlex.quote(str(folder))}")
        raise
    except OSError as error:
        where = error.filename or checked.folder
        raise InputError(f"{where}: cannot be written: {error.strerror or error}") from error
    print(_shown(args, record.run, record.folder))
    return 0


def _launch(args: argparse.Namespace) -> Launch | None:
    """Give this process's place among those that were started together; None of a sole one."""
    if not launching.found(os.environ):
        return None
    name, _ = backends.choose(args.backend, os.environ)
    return launching.of(name, os.environ)


def _follow(args: argparse.Namespace, launch: Launch) -> int:
    """Compute parts of batches for the first of the processes that were started together."""
    how: dict[str, Any] = {"device": args.device or backends.AUTO, "tf32": args.tf32}
    devices = launch.devices(args.devices)
    backend, _ = backends.start(launch.backend, devices=devices, **how)
    processes = importlib.import_module(f"{backends.__name__}.{launch.backend}_processes")
    processes.follow(backend, devices)
    return 0


def _shown(args: argparse.Namespace, run: dict[str, Any], folder: Path) -> str:
    return json.dumps(run, indent=2) if args.json else _table(run, folder)


def _table(run: dict[str, Any], folder: Path) -> str:
    """Give the results for a reader."""
    from tabulate import tabulate

    images = run["data"]["test"]
    rows = [
        ("backend", run["environment"]["framework"]),
        *_stages(run),
        ("test accuracy", f"{run['test_accuracy']:.2%} of {images}"),
        ("top 5", f"{run['test_top5_accuracy']:.2%}"),
        ("test loss", f"{run['test_loss']:.4f}"),
        ("steps", f"{run['steps']}{_left_out(run)}"),
        ("seconds", f"{run['seconds']:.1f}, {run['seconds_per_step']:.3f} a step (median)"),
        ("initial weights", run["initial_weights_digest"]),
        ("tape", run["tape_digest"]),
        ("final weights", run["final_weights_digest"]),
        ("record", str(folder)),
    ]
    return str(tabulate(rows, tablefmt="plain", disable_numparse=True))


def _left_out(run: dict[str, Any]) -> str:
    """Say how many steps were left out; nothing where none can be."""
    skipped = run.get("skipped_steps")
    return "" if skipped is None else f", {skipped} of them left out for the loss scale"


def _stages(run: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Give a row for each stage but the last, whose results are the run's."""
    for stage in run.get("stages", [])[:-1]:
        reached = f"test accuracy {stage['test_accuracy']:.2%}, {stage['steps']} steps"
        yield f"stage {stage['name']}", f"{reached}, {stage['seconds']:.1f} s"


def _say(args: argparse.Namespace, text: str) -> None:
    if not args.quiet:
        print(text, file=sys.stderr, flush=True)


def _warn(text: str) -> None:
    print(f"ranparity: warning: {text}", file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    Args:
        argv: The arguments; those of the process if not given.
    """
    from ranparity import cli

    parser = argparse.ArgumentParser(prog="python -m ranparity.run")
    add_arguments(parser)
    parser.set_defaults(execute=execute)
    return cli.guarded(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
