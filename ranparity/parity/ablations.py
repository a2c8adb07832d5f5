"""The zoo session's trainings: the ablations for one epoch on digits, and DRA-Net in two stages.

A training passes when it runs to its end, which it does not where a loss is no number; DRA-Net's
must also reach an accuracy. Which of the ablations is better, one epoch does not say.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.parity.nets import Row
from ranparity.parity.trainings import Training, last_lines
from ranparity.training import directory
from ranparity.training.logs import read_step

DATA = "digits"
BASE = "attention56-cifar"  # what the paper's ablations are held against: mixed, residual
ABLATED = re.compile(r"-(channel|spatial|local|naive|no-skip|e4040)(-|$)")
# Nets of a billion multiply-accumulates, whose epoch is an hour of the session: their narrow twins.
NARROWED = {"-wide": 4}
DRANET = "dranet-cifar"
LEAST = 0.95  # DRA-Net's accuracy on the held-out digits
LOGS = (directory.RUN, directory.STEPS, directory.EPOCHS)
# Of run.json, in a row of the record.
RESULTS = (
    "steps",
    "test_accuracy",
    "test_loss",
    "seconds",
    "seconds_per_step",
    "initial_weights_digest",
    "tape_digest",
    "final_weights_digest",
)
SAME = ("initial_weights_digest", "tape_digest")  # on every backend


def names() -> dict[str, str]:
    """Give the nets of which something is trained, in the zoo's order, each with what it is."""
    chosen = [name for name in zoo.ENTRIES if name in (BASE, DRANET) or ABLATED.search(name)]
    return {name: f"{name}@{factor}" if (factor := _narrowing(name)) else name for name in chosen}


def _narrowing(name: str) -> int:
    """By what a net's widths are divided before it is trained; 0 for its own widths."""
    return next((factor for mark, factor in NARROWED.items() if mark in name), 0)


def trainings(models: Iterable[str], backends: Sequence[str], folder: Path) -> Iterator[Training]:
    """Give each training, DRA-Net's first, which take longest; backends take turns.

    Args:
        models: Names of the zoo; those that are not trained here are passed over.
        backends: On which.
        folder: Where the run directories are.
    """
    known = names()
    chosen = [known[name] for name in models if name in known]
    for model in sorted(chosen, key=lambda name: name != DRANET):
        for backend in backends:
            place = folder / f"{model}-{DATA}-{backend}"
            # DRA-Net's recipe has as many epochs in each stage as it needs.
            options = ("--data", DATA) + (() if model == DRANET else ("--epochs", "1"))
            yield Training(place, backend, model, options)


def is_current(training: Training, source: str) -> bool:
    """Whether what is in a training's folder was made by the present source."""
    run = training.record()
    return run is not None and run.get("environment", {}).get("source_digest") == source


def is_finished(training: Training) -> bool:
    """Whether a training has been carried out."""
    run = training.record()
    return run is not None and run.get("status") == "finished"


def stands(row: Row | None, source: str) -> bool:
    """Whether a row of an earlier session is one of the present source, and of a result."""
    return row is not None and "error" not in row and row.get("source_digest") == source


def row(training: Training, error: str, source: str) -> Row:
    """Give what the record has of a training, which may have failed with an error."""
    about = {"model": training.model, "options": list(training.options), "source_digest": source}
    if error:
        return {**about, "error": error}
    try:
        return {**about, **_results(training.folder)}
    except (InputError, KeyError, IndexError, TypeError, OSError) as fault:
        return {**about, "error": f"unreadable record: {type(fault).__name__}: {fault}"}


def _results(folder: Path) -> Row:
    run = directory.read_run(folder)
    lines = (folder / directory.STEPS).read_text(encoding="utf-8").splitlines()
    losses = [read_step(line, directory.STEPS).loss for line in lines]
    found = {key: run[key] for key in RESULTS}
    stages = [
        {key: stage[key] for key in ("name", "steps", "test_accuracy", "seconds")}
        for stage in run.get("stages", ())
    ]
    enough = run["model"] != DRANET or run["test_accuracy"] >= LEAST
    faults = [] if enough else [f"expected an accuracy of {LEAST:.0%} or more"]
    return {
        "first_loss": losses[0],
        "last_loss": losses[-1],
        **found,
        "stages": stages,
        "faults": faults,
        "verdict": "fail" if faults else "pass",
    }


def same(rows: Mapping[str, Row]) -> bool:
    """Whether backends trained a net from the same weights with the same batches."""
    found = [row for row in rows.values() if "error" not in row]
    return all(len({row[key] for row in found}) <= 1 for key in SAME)


def keep(training: Training, runs: Path) -> str:
    """Measure the features of DRA-Net's run and copy its record; of another run do nothing.

    Args:
        training: One that has been carried out.
        runs: The folder of runs that the report shows.

    Returns:
        Why that failed, or nothing.
    """
    if training.model != DRANET:
        return ""
    folder = training.folder
    program = [sys.executable, "-m", "ranparity", "features", str(folder)]
    done = subprocess.run(  # noqa: S603  (this same Python)
        [*program, "--backend", training.backend], capture_output=True, check=False
    )
    if done.returncode:
        said = last_lines(done.stderr)
        return f"ranparity features: ended with status {done.returncode}: {said}"
    copy = runs / f"zoo-{training.model}-{training.backend}"
    copy.mkdir(parents=True, exist_ok=True)
    for name in (*LOGS, directory.FEATURES):
        with contextlib.suppress(shutil.SameFileError):
            shutil.copyfile(folder / name, copy / name)
    return ""
