"""`ranparity features`: what aggregation does to the features of a finished run of DRA-Net."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranparity.errors import InputError
from ranparity.pictures import output
from ranparity.training import backends

if TYPE_CHECKING:
    from ranparity.data.dataset import Dataset, Images, Labels
    from ranparity.pictures.opening import Finished

DRAWN, FEWEST, MOST = 1000, 4, 5000  # images in the picture


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "features",
        help="measure the features of a finished DRA-Net run before and after aggregation",
        description="Loads the final weights of a run of a DRA-Net and takes the features of all "
        "held-out images: f, which the backbone gives, and z, which is f after aggregation. "
        "Intra-class compactness is the mean over classes of the mean Euclidean distance to the "
        "class's mean; inter-class distance is the mean over pairs of classes of 1 - the cosine "
        "similarity of their means. The published code measures f alone, which the second stage "
        "of training does not change. Writes features.json, and features.png with both in the "
        "plane by t-SNE.",
    )
    add = parser.add_argument
    add("run", metavar="RUN", type=Path, help="a run directory whose run is finished")
    add(
        "-n",
        "--drawn",
        type=int,
        default=DRAWN,
        metavar="N",
        help=f"held-out images in the picture at most, spaced evenly, {FEWEST} to {MOST:,}; the "
        "figures are of all (default: %(default)s)",
    )
    add(
        "--batch-size",
        type=int,
        default=64,
        metavar="N",
        help="images at a time (default: %(default)s)",
    )
    output.add_options(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Measures the features, writes record and picture, and prints the figures."""
    for option, low, high in (("drawn", FEWEST, MOST), ("batch_size", 1, 1 << 20)):
        value = getattr(arguments, option)
        if not low <= value <= high:
            name = "--" + option.replace("_", "-")
            raise InputError(f"{name}: expected {low} to {high}. Received: {value}")
    backend, _ = backends.choose(arguments.backend, os.environ)
    from ranparity.pictures import features, opening
    from ranparity.training import directory

    run = opening.finished(arguments.run, arguments.data)
    features.check(run)
    folder = output.folder(arguments.out or arguments.run)
    dataset = run.dataset(show=sys.stderr.isatty())
    model, environment = run.begin(backend)
    batches = _batches(run, dataset, arguments.batch_size)
    found, labels = features.representations(model, batches, arguments.batch_size)
    record = features.record(
        run, backend, found, labels, arguments.drawn, environment, show=sys.stderr.isatty()
    )
    record["class_names"] = list(dataset.class_names)
    png = _picture(record)
    output.write(
        folder,
        {directory.FEATURES_PICTURE: png, directory.FEATURES: output.encoded(record)},
    )
    print(json.dumps(record, indent=1) if arguments.json else _table(record))
    return 0


def _batches(run: Finished, dataset: Dataset, size: int) -> Iterator[tuple[Images, Labels]]:
    """Gives the held-out images, normalised, with their classes; shows how far it has come."""
    from tqdm import tqdm

    from ranparity.data.batches import held_out
    from ranparity.training.trained import normalisation_for

    normalise = normalisation_for(run.trained, dataset)
    hidden = not sys.stderr.isatty()
    with tqdm(total=len(dataset.test.labels), unit="image", disable=hidden, leave=False) as bar:
        for images, labels in held_out(dataset, normalise, size):
            yield images, labels
            bar.update(len(labels))


def _picture(record: dict[str, Any]) -> bytes:
    """Draws what a record holds, as the report does."""
    from ranparity.report import features_record, scatter

    found = features_record.of_run("", {features_record.FILE: output.encoded(record)})
    return scatter.draw("features", found).png


def _table(record: dict[str, Any]) -> str:
    """Gives the figures for a reader."""
    from tabulate import tabulate

    sides = record["before"], record["after"]
    rows = [
        ("intra-class compactness", *(f"{side['intra_class_compactness']:.4f}" for side in sides)),
        ("inter-class distance", *(f"{side['inter_class_distance']:.4f}" for side in sides)),
        ("test accuracy", *(output.percent(side["accuracy"]) for side in sides)),
    ]
    heads = (f"of {record['images']:,} images", "before (f)", "after (z)")
    return tabulate(rows, heads, colalign=("left", "right", "right"), disable_numparse=True)
