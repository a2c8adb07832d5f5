"""`python -m ranparity.run`, also `ranparity run`: trains a network and writes down everything.

Nothing heavy is imported before the arguments are known to be good: Keras takes its backend from
the environment when it is imported, so the backend is chosen first.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranparity import data
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.training import backends, recipe

if TYPE_CHECKING:
    from ranparity.data.batches import Batches
    from ranparity.training.backends import Trainer
    from ranparity.training.record import Record

DESCRIPTION = """\
Train a network from scratch and write a run directory. Initial weights, the order of the images and
everything else random come from --seed alone, so another backend or another machine sees the same
bytes, and the digests in the run's run.json prove it.
"""
EPILOG = """\
The run directory holds run.json (what ran, where, digests, result), steps.jsonl (a line a step),
epochs.csv (a row an epoch) and final.weights.h5. Exit status: 0 done, 2 bad input, 130 interrupted.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `run` to a parser."""
    default = recipe.named("digits")
    add = parser.add_argument
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    add("--model", default="attention56-cifar", help="the network (default: %(default)s)")
    add("--data", default="digits", help=f"one of {', '.join(data.NAMES)} (default: %(default)s)")
    add(
        "--recipe",
        default="digits",
        help=f"how to train: one of {', '.join(recipe.NAMES)} (default: %(default)s)",
    )
    _add_overrides(parser, default)
    add("--seed", type=int, default=0, help="all randomness of the run (default: %(default)s)")
    add(
        "--backend",
        help=f"{', '.join(backends.NAMES)} (default: what KERAS_BACKEND says, else the first of "
        "these that is installed)",
    )
    add(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="the run directory (default: runs/MODEL-DATA-BACKEND-seedSEED)",
    )
    add("--overwrite", action="store_true", help="replace the run that is in that folder")
    add("--json", action="store_true", help="print the record in place of the table")
    add("--quiet", action="store_true", help="show no progress")


def _add_overrides(parser: argparse.ArgumentParser, default: recipe.Recipe) -> None:
    """Add the options that change a recipe's numbers."""
    add = parser.add_argument
    note = f"(default: the recipe's; {default.name}:"
    add("--epochs", type=int, metavar="N", help=f"passes over the images {note} {default.epochs})")
    add("--batch-size", type=int, metavar="N", help=f"images a step {note} {default.batch_size})")
    add(
        "--learning-rate",
        type=float,
        metavar="RATE",
        help=f"rate of the first step {note} {default.learning_rate})",
    )
    add("--steps", type=int, metavar="N", help="stop after N steps, test, and write the record")


@dataclass(frozen=True)
class Plan:
    """A run that has been checked and can start.

    Attributes:
        entry: The network.
        recipe: How to train, with what the command line changed.
        batches: What each step sees.
        steps: How many steps.
        backend: Name of the backend.
        reason: Why that one.
        folder: The run directory.
    """

    entry: zoo.Entry
    recipe: recipe.Recipe
    batches: Batches
    steps: int
    backend: str
    reason: str
    folder: Path


def plan(args: argparse.Namespace) -> Plan:
    """Check the arguments against one another; nothing is written and no framework is loaded.

    Raises:
        InputError: They do not make a run.
    """
    from ranparity.data.batches import Batches
    from ranparity.data.tape import Tape
    from ranparity.training.record import check_folder

    entry = zoo.entry(args.model)
    how = _overridden(recipe.named(args.recipe), args)
    tape = Tape(args.seed)
    if args.steps is not None and args.steps < 1:
        raise InputError(f"steps: expected 1 or more. Received: {args.steps}")
    backend, reason = backends.choose(args.backend, os.environ)
    folder = args.out or Path("runs", f"{args.model}-{args.data}-{backend}-seed{args.seed}")
    check_folder(folder, overwrite=args.overwrite)
    batches = Batches(data.load(args.data), tape, how.batch_size)
    _check_fit(entry, batches)
    steps = min(how.epochs * batches.steps_per_epoch, args.steps or sys.maxsize)
    return Plan(entry, how, batches, steps, backend, reason, folder)


def _overridden(chosen: recipe.Recipe, args: argparse.Namespace) -> recipe.Recipe:
    """Give the recipe with what the command line changes."""
    changes = {
        name: getattr(args, name)
        for name in ("epochs", "batch_size", "learning_rate")
        if getattr(args, name) is not None
    }
    return replace(chosen, **changes)


def _check_fit(entry: zoo.Entry, batches: Batches) -> None:
    """Raise unless the images are of the network's input size."""
    shape = batches.dataset.image_shape
    if tuple(entry.input_shape) != shape:
        raise InputError(
            f"--model {entry.name} takes images of {_times(entry.input_shape)}, and --data "
            f"{batches.dataset.name} has {_times(shape)}: choose another model or other data"
        )


def _times(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def execute(args: argparse.Namespace) -> int:
    """Run what the arguments ask for; returns the exit status.

    Raises:
        InputError: The arguments are bad, or the record cannot be written.
    """
    checked = plan(args)
    _say(args, _announcement(checked))
    try:
        record = _train(checked, quiet=args.quiet)
    except OSError as error:
        where = error.filename or checked.folder
        raise InputError(f"{where}: cannot be written: {error.strerror or error}") from error
    print(json.dumps(record.run, indent=2) if args.json else _table(record))
    return 0


def _train(checked: Plan, *, quiet: bool) -> Record:
    """Train, and give the finished record."""
    from ranparity.training import environment, progress, variables
    from ranparity.training.loop import Loop
    from ranparity.training.record import Record
    from ranparity.training.update import Update

    backend, switches = backends.start(checked.backend)
    how, batches = checked.recipe, checked.batches
    model = checked.entry.build(
        input_shape=checked.entry.input_shape,
        classes=batches.dataset.classes,
        classifier_activation=None,
        data_format="channels_last",
    )
    initial_weights = variables.initialise(model, batches.tape)
    trainer = backend.trainer(model, Update(how.update, how.momentum, how.weight_decay))
    surroundings = environment.describe(checked.backend, trainer.device(), switches)
    record = Record(checked.folder, _description(checked, initial_weights, surroundings))
    with _closing(record), progress.show(checked.steps, quiet=quiet) as shown:
        begun = time.perf_counter()
        Loop(trainer, batches, how, record, shown).run(checked.steps)
        _conclude(record, trainer, time.perf_counter() - begun)
    return record


def _description(
    checked: Plan, initial_weights: dict[str, Any], surroundings: dict[str, Any]
) -> dict[str, Any]:
    """Give what a run's record says from the start."""
    from ranparity.data import digest

    dataset = checked.batches.dataset
    return {
        "model": checked.entry.name,
        "backend": checked.backend,
        "recipe": asdict(checked.recipe),
        "seed": checked.batches.tape.seed,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": {
            "name": dataset.name,
            "digest": dataset.digest,
            "train": len(dataset.train_labels),
            "test": len(dataset.test_labels),
        },
        "planned_steps": checked.steps,
        "initial_weights_digest": digest.of_named_arrays(initial_weights),
        "environment": surroundings,
    }


def _conclude(record: Record, trainer: Trainer, seconds: float) -> None:
    """Write down the weights and the results."""
    from ranparity.data import digest

    record.save_weights(trainer.finish().save_weights)
    record.close(
        "finished",
        **_progress_made(record),
        final_weights_digest=digest.of_named_arrays(trainer.weights()),
        test_accuracy=record.epochs[-1].test_accuracy,
        test_loss=record.epochs[-1].test_loss,
        seconds=seconds,
        seconds_per_step=statistics.median(step.seconds for step in record.steps),
    )


def _progress_made(record: Record) -> dict[str, Any]:
    """Give the number of steps done, and the digest of all that they drew from the tape."""
    from ranparity.data import digest

    drawn = [record.run["initial_weights_digest"], *(step.batch_digest for step in record.steps)]
    return {"steps": len(record.steps), "tape_digest": digest.of_texts(drawn)}


@contextmanager
def _closing(record: Record) -> Iterator[None]:
    """Write down how a run ended that did not end well."""
    try:
        yield
    except KeyboardInterrupt:
        record.close("interrupted", **_progress_made(record))
        raise
    except Exception as error:
        record.close("failed", **_progress_made(record), reason=f"{type(error).__name__}: {error}")
        raise


def _announcement(checked: Plan) -> str:
    how, batches = checked.recipe, checked.batches
    return (
        f"{checked.entry.name} on {batches.dataset.name}: {checked.steps} steps of "
        f"{how.batch_size} images, recipe {how.name}, seed {batches.tape.seed}\n"
        f"backend {checked.backend} ({checked.reason})\n"
        f"record in {checked.folder}"
    )


def _table(record: Record) -> str:
    """Give the results for a reader."""
    from tabulate import tabulate

    run = record.run
    rows = [
        ("backend", run["environment"]["framework"]),
        ("test accuracy", f"{run['test_accuracy']:.2%} of {run['data']['test']}"),
        ("test loss", f"{run['test_loss']:.4f}"),
        ("steps", run["steps"]),
        ("seconds", f"{run['seconds']:.1f}, {run['seconds_per_step']:.3f} a step (median)"),
        ("initial weights", run["initial_weights_digest"]),
        ("tape", run["tape_digest"]),
        ("final weights", run["final_weights_digest"]),
        ("record", str(record.folder)),
    ]
    return str(tabulate(rows, tablefmt="plain", disable_numparse=True))


def _say(args: argparse.Namespace, text: str) -> None:
    if not args.quiet:
        print(text, file=sys.stderr, flush=True)


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
