"""`ranparity models`: the zoo, from the prototxts alone."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ranparity.errors import InputError
from ranparity.models import zoo


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "models",
        help="the networks: origin, input, parameters, MACs, what each reproduces",
        description="Lists the networks. Trainable parameters and MACs (multiply-accumulates of "
        "convolutions and inner products for one image) are counted from each net's prototxt, "
        "which `ranparity check` holds against the Keras model. Loads no framework. A name with "
        "@N, as in attention56-cifar@8, is the net's narrow twin: every width divided by N.",
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", help="only these (default: all)")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Prints the list."""
    rows = [row(zoo.entry(name)) for name in arguments.models or zoo.ENTRIES]
    print(json.dumps(rows, indent=1) if arguments.json else _table(rows))
    return 0


def row(entry: zoo.Entry) -> dict[str, Any]:
    """What is known of a network, as data that JSON can hold.

    Raises:
        InputError: Its prototxt is missing or damaged, or not of its name.
    """
    from ranparity.caffe import graph as graphs
    from ranparity.caffe import prototxt
    from ranparity.caffe.description import describe

    net = prototxt.read(entry.prototxt)
    expected = entry.release.net_name or entry.title
    if net.name != expected:
        raise InputError(f"{entry.prototxt}: expected the net {expected}, found {net.name}")
    totals = describe(graphs.build(net)).totals
    return {
        "name": entry.name,
        "title": entry.title,
        "origin": entry.origin,
        "input_shape": list(entry.input_shape),
        "classes": entry.classes,
        "parameters": totals.trainable_parameters,
        "macs": totals.macs,
        "prototxt": f"prototxt/{entry.prototxt.name}",
        "reproduces": entry.reproduces,
    }


def _table(rows: list[dict[str, Any]]) -> str:
    from tabulate import tabulate

    lines = [
        (
            row["name"],
            row["origin"],
            "x".join(map(str, row["input_shape"])),
            f"{row['parameters']:,}",
            f"{row['macs'] / 1e9:.3f} G",
            row["prototxt"].removeprefix("prototxt/"),
            row["reproduces"],
        )
        for row in rows
    ]
    headers = ("name", "origin", "input (HxWxC)", "parameters", "MACs", "prototxt", "reproduces")
    aligned = ("left", "left", "left", "right", "right", "left", "left")
    return str(tabulate(lines, headers, colalign=aligned, disable_numparse=True))
