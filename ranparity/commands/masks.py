"""`ranparity masks`: what the attention modules of a finished run make of some images."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranparity.errors import InputError
from ranparity.pictures import output
from ranparity.training import backends

if TYPE_CHECKING:
    from ranparity.pictures.images import Chosen
    from ranparity.pictures.opening import Finished

COUNT, MOST = 4, 16  # rows of the picture


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "masks",
        help="draw the attention masks of a finished run over images",
        description="Loads the final weights of a run and draws, for each attention module and "
        "image, the trunk's map before the mask, the mask over the image, and the map after it, "
        "which is (1 + mask) x trunk in attention residual learning and mask x trunk in naive. "
        "Maps are means over channels; a mask's own least and largest value are its colour "
        "bar's. Writes masks.png, and masks.json with the figures of each mask over all its "
        "channels, positions and images. A value of a sigmoid within 0.01 of 0 or 1 counts as "
        "saturated.",
    )
    add = parser.add_argument
    add("run", metavar="RUN", type=Path, help="a run directory whose run is finished")
    add(
        "images",
        metavar="IMAGE",
        nargs="*",
        type=Path,
        help="JPEG or PNG files to draw the masks over, cut and resized as folders of images are "
        "(default: held-out images of the run's data)",
    )
    add(
        "-n",
        "--count",
        type=int,
        metavar="N",
        help="how many held-out images: the first of each class in turn, then the second, and so "
        f"on; up to {MOST} (default: {COUNT})",
    )
    output.add_options(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Draws the masks, writes picture and record, and prints the figures."""
    _check(arguments)
    backend, _ = backends.choose(arguments.backend, os.environ)
    from ranparity.pictures import attention, masks, opening
    from ranparity.training import directory

    run = opening.finished(arguments.run, arguments.data)
    folder = output.folder(arguments.out or arguments.run)
    model, environment = run.begin(backend)
    found = attention.modules(model)
    if not found:
        raise InputError(
            f"{run.folder}: expected a run of a network with attention masks. Received: a run of "
            f"{run.trained.entry.name}, which has none"
        )
    chosen = _chosen(run, arguments)
    seen = attention.see(model, found, chosen.images)
    png = masks.picture(run, backend, chosen, seen)
    record = masks.record(run, backend, chosen, seen, png, environment)
    output.write(
        folder,
        {directory.MASKS_PICTURE: png, directory.MASKS: output.encoded(record)},
    )
    print(json.dumps(record, indent=1) if arguments.json else _table(record))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    count = arguments.count
    if count is not None and not 1 <= count <= MOST:
        raise InputError(f"-n: expected 1 to {MOST}. Received: {count}")
    if count is not None and arguments.images:
        raise InputError("-n says how many held-out images: leave it out, because images are named")
    if len(arguments.images) > MOST:
        raise InputError(f"images: expected {MOST} or fewer. Received: {len(arguments.images)}")
    if arguments.data and arguments.images:
        raise InputError("--data is for held-out images: leave it out, because images are named")


def _chosen(run: Finished, arguments: argparse.Namespace) -> Chosen:
    """Gives the images that are named, or held-out ones."""
    from ranparity.pictures import images

    if arguments.images:
        return images.of_files(run, arguments.images)
    dataset = run.dataset(show=sys.stderr.isatty())
    return images.held_out(run, dataset, COUNT if arguments.count is None else arguments.count)


def _table(record: dict[str, Any]) -> str:
    """Gives the figures for a reader."""
    from tabulate import tabulate

    rows = [
        (
            module["name"],
            "x".join(map(str, module["shape"])),
            *(f"{module['mask'][key]:.4f}" for key in ("min", "mean", "max", "std")),
            output.percent(module["mask"]["saturated"]),
        )
        for module in record["modules"]
    ]
    heads = ("module", "map", "min", "mean", "max", "std", "saturated")
    aligned = ("left", "left", *["right"] * 5)
    return tabulate(rows, heads, colalign=aligned, disable_numparse=True)
