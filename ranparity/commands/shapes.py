"""`ranparity shapes`: every layer of a prototxt with its shapes, parameters and MACs."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from typing import Any

from ranparity.caffe import graph as graphs
from ranparity.caffe import published
from ranparity.caffe.description import Description, describe
from ranparity.caffe.prototxt import Net, read
from ranparity.caffe.shapes import by
from ranparity.errors import printable


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "shapes",
        help="a table of a prototxt's layers: shapes, parameters, MACs",
        description="Reads a Caffe prototxt and prints, for each layer, what it reads, the shape "
        "of what it makes (NCHW), its trainable parameters and its multiply-accumulates for one "
        "image, with totals. Loads no framework.",
    )
    parser.add_argument("file", help="the prototxt")
    parser.add_argument(
        "--size",
        type=size,
        metavar="N|HxW",
        help="another input size, in pixels (default: the file's)",
    )
    parser.add_argument(
        "--input",
        action="append",
        type=shape,
        default=[],
        dest="inputs",
        metavar="NAME=SHAPE",
        help="the shape of a blob that is given to the net, such as data=1x3x224x224: in the place "
        "of the file's, or of a layer that reads data; may be repeated",
    )
    parser.add_argument(
        "--phase",
        choices=("TEST", "TRAIN"),
        default="TEST",
        help="which layers are kept (default: %(default)s)",
    )
    parser.add_argument(
        "--erratum",
        action="append",
        default=[],
        metavar="NAME",
        help="repair a known fault of a published file, by name: "
        + ", ".join(known.name for known in published.ERRATA),
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.set_defaults(execute=execute)


def size(text: str) -> tuple[int, int]:
    """Height and width from `224` or `224x320`, in pixels."""
    match = re.fullmatch(r"(0*[1-9][0-9]{0,8})(?:x(0*[1-9][0-9]{0,8}))?", text)
    if not match:
        raise argparse.ArgumentTypeError(
            f"expected N or HxW in pixels, each from 1 to 999999999; found {text!r}"
        )
    return int(match[1]), int(match[2] or match[1])


def shape(text: str) -> tuple[str, tuple[int, ...]]:
    """A blob's name and its shape from `data=1x3x224x224`."""
    name, _, sides = text.rpartition("=")
    if not name or not re.fullmatch(r"[0-9]{1,10}(x[0-9]{1,10}){0,31}", sides):
        raise argparse.ArgumentTypeError(
            f"expected NAME=SHAPE such as data=1x3x224x224; found {text!r}"
        )
    return name, tuple(map(int, sides.split("x")))


def execute(arguments: argparse.Namespace) -> int:
    """Prints the table."""
    net = read(arguments.file, arguments.phase, dict(arguments.inputs))
    net = repaired(net, arguments.erratum)
    release = published.identify(net)  # of the file as it is, before another size
    if arguments.size:
        net = net.with_size(*arguments.size)
    graph = graphs.build(net)
    description = describe(graph)
    if arguments.json:
        print(json.dumps(as_json(net, description, release), indent=1))
    else:
        print(as_text(net, description, release))
    return 0


def repaired(net: Net, names: list[str]) -> Net:
    """Applies errata by name, and refuses a net that still has a known fault.

    Raises:
        InputError: An unknown name, an erratum that does not fit, or a fault that is left.
    """
    for name in names:
        net = published.erratum(name).repair(net)
    published.refuse_faulty(net)
    return net


def as_json(
    net: Net, description: Description, release: published.Published | None
) -> dict[str, Any]:
    """The table as data; `bottoms` and `tops` are named as in the file."""
    return {
        "name": net.name,
        "file": net.source,
        "errata": list(net.errata),
        "published": dataclasses.asdict(release) if release else None,
        "inputs": [dataclasses.asdict(given) for given in net.inputs],
        "layers": [
            {
                "name": layer.name,
                "type": layer.type,
                "bottoms": list(message.bottom),
                "tops": list(message.top),
                "shapes": [list(shape) for shape in layer.facts.tops],
                "parameters": layer.facts.parameter_count,
                "macs": layer.facts.macs,
            }
            for layer, message in zip(description.layers, net.layers, strict=True)
        ],
        "totals": dataclasses.asdict(description.totals),
    }


def as_text(net: Net, description: Description, release: published.Published | None) -> str:
    """The table for a terminal, with the net's name above and totals below."""
    from tabulate import tabulate

    rows = [
        (
            printable(layer.name),
            layer.type,
            printable(", ".join(layer.inputs)),
            ", ".join(map(by, layer.facts.tops)),
            f"{layer.facts.parameter_count:,}" if layer.facts.parameters else "",
            f"{layer.facts.macs:,}" if layer.facts.macs else "",
        )
        for layer in description.layers
    ]
    table = tabulate(
        rows,
        headers=("layer", "type", "inputs", "output", "parameters", "MACs"),
        colalign=("left", "left", "left", "left", "right", "right"),
        disable_numparse=True,
    )
    return "\n".join((*_heading(net, release), "", table, "", *_totals(description)))


def _heading(net: Net, release: published.Published | None) -> list[str]:
    given = ", ".join(f"{given.name} {by(given.shape)}" for given in net.inputs) or "none"
    lines = [printable(f"{net.name or '(a net without a name)'}, input {given}")]
    if net.errata:
        lines.append(f"Repaired after reading: {', '.join(net.errata)}")
    if release:
        note = f", with {', '.join(release.errata)}" if release.errata else ""
        lines.append(f"Says the same as the authors' {release.file}{note} (canonical digest)")
    return lines


def _totals(description: Description) -> list[str]:
    totals = description.totals
    return [
        f"{totals.layers} layers, {totals.blobs} blobs (inputs and in-place results counted)",
        f"{totals.trainable_parameters:,} trainable parameters, "
        f"{totals.parameters_with_statistics:,} with statistics",
        f"{totals.macs:,} MACs for one image (convolutions, deconvolutions and inner products)",
    ]
