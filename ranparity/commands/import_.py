"""`ranparity import`: a Caffe net, with its weights, as a Keras model in a file."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from ranparity.caffe import graph as graphs
from ranparity.caffe import prototxt
from ranparity.caffe.description import describe
from ranparity.caffe.rules.elements import DIALECTS, INVERSE
from ranparity.commands.ladder import FORMATS
from ranparity.commands.shapes import shape
from ranparity.errors import InputError
from ranparity.files import check_writable, write_text
from ranparity.training import backends
from ranparity.training.backends.startup import is_error, stderr_filtered

SUFFIX = ".keras"
RECORD = ".json"  # what the name of the record beside a model ends with


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "import",
        help="a prototxt and a caffemodel as a .keras file",
        description="Builds a Keras model of any prototxt whose layer types are known, takes its "
        "numbers from a .caffemodel, and saves both. A record goes beside it: what was read, with "
        "digests, and the Caffe name of each layer and blob. Whoever loads the file has to import "
        "ranparity.models.layers first.",
    )
    add = parser.add_argument
    add("prototxt", help="the net")
    add(
        "caffemodel",
        nargs="?",
        help="its numbers (default: none, and the model begins as Caffe's msra would have it)",
    )
    add("-o", "--output", required=True, metavar="FILE.keras", type=Path, help="where to write it")
    add(
        "--bn",
        choices=DIALECTS,
        default=INVERSE,
        help="what the fourth blob of a BN is, which nothing in the file tells: the inverse "
        "standard deviation, as the fork of the Residual Attention Networks keeps it, or the "
        "variance, as PSPNet's does (default: %(default)s)",
    )
    add(
        "--input",
        action="append",
        type=shape,
        default=[],
        dest="inputs",
        metavar="NAME=SHAPE",
        help="as in shapes: the shape (NxCxHxW) of a blob that is given to the net",
    )
    add("--data-format", choices=FORMATS, default=FORMATS[0], help="default: %(default)s")
    add("--backend", help="as in check; the file can be loaded on any")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Writes the model."""
    path: Path = arguments.output
    if path.suffix != SUFFIX:
        raise InputError(f"--output: expected a file name that ends with {SUFFIX}; found {path}")
    record = path.with_name(path.name + RECORD)
    for each in (path, record):
        check_writable(each)
    net = prototxt.read(arguments.prototxt, shapes=dict(arguments.inputs))
    backend, _ = backends.choose(arguments.backend, os.environ)
    if sys.stderr.isatty():
        print(f"Building {net.source} on {backend} ...", file=sys.stderr)
    backends.start(backend)
    from ranparity.models import caffemodels, from_caffe

    model = from_caffe.caffe_to_keras(net, data_format=arguments.data_format)
    left: tuple[str, ...] = ()
    if arguments.caffemodel:
        left = caffemodels.load(model, arguments.caffemodel, arguments.bn)
    _save(model, path)
    content = {
        "prototxt": _source(arguments.prototxt),
        "caffemodel": _source(arguments.caffemodel) if arguments.caffemodel else None,
        "bn": arguments.bn,
        "left_out": list(left),
        "data_format": arguments.data_format,
        "inputs": {
            tensor.name: given.name for tensor, given in zip(model.inputs, net.inputs, strict=True)
        },
        "layers": from_caffe.named(model),
    }
    write_text(record, json.dumps(content, indent=1) + "\n")
    count = describe(graphs.build(net)).totals.parameters_with_statistics
    print(f"Wrote {path}: {len(net.layers)} layers, {count:,} numbers; names: {record}")
    if left:
        shown = ", ".join(left[:5]) + (", ..." if len(left) > 5 else "")
        print(f"Left out, because the net has no such layers: {shown}")
    return 0


def _source(path: str) -> dict[str, str]:
    with Path(path).open("rb") as file:
        return {"file": Path(path).name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _save(model: Any, path: Path) -> None:
    """Save a model so that no half of it is ever there."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
        beside = Path(folder, f"model{SUFFIX}")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        with stderr_filtered(is_error):  # Keras imports TensorFlow to save, if it is there
            model.save(beside)
        beside.replace(path)
