"""`ranparity evaluate`: how good trained weights are on held-out images, over all and by class."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranparity import data
from ranparity.errors import InputError
from ranparity.training import backends

if TYPE_CHECKING:
    from ranparity.data.dataset import Dataset, Images, Labels
    from ranparity.data.normalisation import Normalisation
    from ranparity.training.evaluation import Outcome
    from ranparity.training.trained import Trained

    Batches = Iterator[tuple[Images, Labels]]

PADDING = 4  # zeros around an image that ten crops of its own size are cut from


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "evaluate",
        help="top-1 and top-5 of trained weights, over all held-out images and by class",
        description="Loads the weights of a run, or a file of weights, and tests them on the "
        "held-out images of a data set.",
    )
    add = parser.add_argument
    add("weights", metavar="RUN|WEIGHTS", type=Path, help="a run directory, or a *.weights.h5 file")
    add(
        "--data",
        metavar="DATA",
        help=f"{', '.join(data.NAMES)} (default: the run's; needed with WEIGHTS)",
    )
    add("--partial", action="store_true", help="take --data with fewer or other images than usual")
    add("--model", metavar="MODEL", help="the network (needed with WEIGHTS; a run has its own)")
    add(
        "--recipe",
        metavar="RECIPE",
        help="with WEIGHTS: the recipe that trained them, which says how images are normalised "
        "(default: the one that a run of the model on the data takes)",
    )
    add(
        "--crops",
        type=int,
        choices=(1, 10),
        default=1,
        help="1: the centre of each image; 10: the mean probabilities of its corners, its centre "
        f"and their mirrors, with {PADDING} zeros on each side of images that are stored at the "
        "network's size (default: %(default)s)",
    )
    add(
        "--batch-size",
        type=int,
        default=64,
        metavar="N",
        help="images at a time (default: %(default)s)",
    )
    add("--backend", help="as in run; it may be another than the one that trained")
    add(
        "--device",
        choices=backends.DEVICES,
        default=backends.AUTO,
        help=f"{backends.DEVICE_HELP} (default: %(default)s)",
    )
    add("--json", action="store_true", help="print JSON in place of the tables")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Evaluates the weights and prints the figures."""
    if arguments.batch_size < 1:
        raise InputError(f"--batch-size: expected 1 or more. Received: {arguments.batch_size}")
    trained = _trained(arguments)
    backend, _ = backends.choose(arguments.backend, os.environ)
    dataset = data.load(
        trained.data,
        image_size=trained.entry.input_shape[0],
        partial=trained.partial,
        show=sys.stderr.isatty(),
    )
    how = arguments.crops, arguments.batch_size, arguments.device
    found = evaluate(trained, dataset, backend, *how)
    print(json.dumps(found, indent=1) if arguments.json else _tables(found))
    return 0


def _trained(arguments: argparse.Namespace) -> Trained:
    """Finds what is to be evaluated; options say what a file of weights does not."""
    from ranparity.training import trained

    path = arguments.weights
    if not path.exists():
        raise InputError(f"{path}: expected a run directory or a *.weights.h5 file: no such file")
    is_run = path.is_dir()
    for option in ("model", "recipe") if is_run else ():
        if getattr(arguments, option):
            raise InputError(f"--{option}: leave it out, because {path} is a run and has its own")
    for option in () if is_run else ("model", "data"):
        if not getattr(arguments, option):
            raise InputError(f"--{option}: needed, because {path} is no run directory")
    if is_run:
        return trained.of_run(path, arguments.data, partial=arguments.partial)
    return trained.of_file(
        path,
        arguments.model,
        arguments.data,
        partial=arguments.partial,
        trained_by=arguments.recipe,
    )


def evaluate(
    trained: Trained, dataset: Dataset, backend: str, crops: int, batch_size: int, device: str
) -> dict[str, Any]:
    """Gives what `--json` prints.

    Args:
        trained: What is evaluated.
        dataset: On whose held-out images.
        backend: On what.
        crops: 1 or 10.
        batch_size: Images at a time.
        device: One of `backends.DEVICES`.

    Raises:
        InputError: The weights cannot be loaded, do not suit the data, or give no numbers.
    """
    from ranparity.training import evaluation
    from ranparity.training.trained import load, normalisation_for

    normalise = normalisation_for(trained, dataset)
    model = load(trained, dataset.classes, backend, device)
    batches = _batches(dataset, normalise, batch_size, whole=crops > 1)
    with _bar(len(dataset.test.labels)) as bar:
        views = _ten_crops(dataset) if crops > 1 else None
        outcome = evaluation.outcome(model, _counted(batches, bar), batch_size, views)
    if not math.isfinite(outcome.scores().loss):
        raise InputError(f"{trained.weights}: the network's outputs are not all finite numbers")
    return {
        "model": trained.entry.name,
        "weights": str(trained.weights),
        "data": dataset.describe(),
        "normalisation": normalise.kind,
        "backend": backend,
        "crops": crops,
        **asdict(outcome.scores()),
        "per_class": list(_per_class(outcome, dataset.class_names)),
    }


def _batches(dataset: Dataset, normalise: Normalisation, size: int, *, whole: bool) -> Batches:
    """Gives the held-out images in order, normalised: whole, or what the network takes of them."""
    import numpy as np

    from ranparity.data.batches import held_out

    if not whole:
        yield from held_out(dataset, normalise, size)
        return
    labels = dataset.test.labels
    for start in range(0, len(labels), size):
        chosen = np.arange(start, min(start + size, len(labels)))
        yield normalise(dataset.test.read(chosen)), labels[chosen]


def _ten_crops(dataset: Dataset) -> Callable[[Images], Iterator[Images]]:
    """Gives the function that cuts an image of the data set, as it is stored."""
    from ranparity.training import evaluation

    height, width, _ = dataset.image_shape
    padding = PADDING if dataset.test.shape == dataset.image_shape else 0
    return lambda images: evaluation.ten_crops(images, (height, width), padding)


def _bar(images: int) -> Any:
    from tqdm import tqdm

    return tqdm(total=images, unit="image", disable=not sys.stderr.isatty(), leave=False)


def _counted(batches: Batches, bar: Any) -> Batches:
    """Gives the batches; the bar moves when one has been judged."""
    for images, labels in batches:
        yield images, labels
        bar.update(len(labels))


def _per_class(outcome: Outcome, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Gives a row for each class; one without images has no figures."""
    scores = outcome.by_class()
    none = {"loss": None, "top1": None, "top5": None, "images": 0}
    for label, name in enumerate(names):
        yield {"class": name, **(asdict(scores[label]) if label in scores else none)}


def _tables(found: dict[str, Any]) -> str:
    """Gives the figures for a reader."""
    from tabulate import tabulate

    crops = "the centre of each image" if found["crops"] == 1 else "ten crops of each image"
    rows = [
        ("model", found["model"]),
        ("weights", found["weights"]),
        ("data", f"{found['images']:,} held-out images of {found['data']['source']}"),
        ("judged by", crops),
        ("backend", found["backend"]),
        ("loss", f"{found['loss']:.4f}"),
        ("top-1", _percent(found["top1"])),
        ("top-5", _percent(found["top5"])),
    ]
    classes = [
        (row["class"], row["images"], _percent(row["top1"]), _percent(row["top5"]))
        for row in found["per_class"]
    ]
    figures = tabulate(rows, tablefmt="plain", disable_numparse=True)
    headers = ("class", "images", "top-1", "top-5")
    aligned = ("left", "right", "right", "right")
    return f"{figures}\n\n{tabulate(classes, headers, colalign=aligned, disable_numparse=True)}"


def _percent(part: float | None) -> str:
    return "-" if part is None else f"{part:.2%}"
