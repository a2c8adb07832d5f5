"""`ranparity export`: a model of the zoo as a prototxt."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ranparity.caffe.shapes import by
from ranparity.commands.shapes import size
from ranparity.errors import InputError
from ranparity.files import check_writable, write_text
from ranparity.models import zoo
from ranparity.training import backends
from ranparity.training.directory import WEIGHTS

OPENCV, AUTHORS = DIALECTS = ("opencv", "authors")


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "export",
        help="write a model as a prototxt",
        description="Builds a model and writes it as a prototxt in Caffe's names and order. The "
        "files in prototxt/ are what this writes.",
    )
    parser.add_argument("model", help=f"one of {', '.join(zoo.ENTRIES)}")
    parser.add_argument(
        "--size",
        type=size,
        metavar="N|HxW",
        help="another input size, in pixels; the head then pools its whole map",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="where to write it; - for standard output (default: the net's file in prototxt/ of "
        "the working folder; needed with --size); with --weights a folder, which gets "
        "NAME.prototxt and NAME.caffemodel",
    )
    parser.add_argument(
        "--weights",
        metavar="RUN|WEIGHTS",
        type=Path,
        help="write the numbers too: a run directory, or a .weights.h5, .keras or .caffemodel file",
    )
    parser.add_argument(
        "--dialect",
        choices=DIALECTS,
        help="with --weights: layers that OpenCV reads, BN as BatchNorm and Scale (the default), "
        "or those of the authors' fork",
    )
    parser.add_argument("--backend", help="as in check; the text does not depend on it")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Writes the file."""
    entry = zoo.entry(arguments.model)
    backend, _ = backends.choose(arguments.backend, os.environ)
    if arguments.weights:
        return _with_weights(arguments, entry, backend)
    if arguments.dialect:
        raise InputError("--dialect: expected with --weights; a prototxt alone is the authors'")
    if arguments.output == "-":
        print(_text(arguments, entry, backend), end="")
        return 0
    path = _path(arguments, entry)
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        check_writable(path)
    text = _text(arguments, entry, backend)
    with _writing(path):
        write_text(path, text)
    print(f"Wrote {path}")
    return 0


def _with_weights(arguments: argparse.Namespace, entry: zoo.Entry, backend: str) -> int:
    """Writes prototxt and caffemodel into a folder."""
    if not arguments.output or arguments.output == "-":
        raise InputError("--output: expected a folder, because --weights makes two files")
    folder = Path(arguments.output)
    paths = [folder / f"{entry.title}{suffix}" for suffix in (".prototxt", ".caffemodel")]
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            check_writable(path)
    if sys.stderr.isatty():
        print(f"Building {entry.title} on {backend} ...", file=sys.stderr)
    backends.start(backend)
    from ranparity.models.release import write

    given: Path = arguments.weights
    shape = (*(arguments.size or entry.input_shape[:2]), entry.input_shape[2])
    model = entry.build(input_shape=shape, weights=given / WEIGHTS if given.is_dir() else given)
    with _writing(folder):
        write(model, entry, *paths, authors=arguments.dialect == AUTHORS)
    for path in paths:
        print(f"Wrote {path}")
    return 0


def _text(arguments: argparse.Namespace, entry: zoo.Entry, backend: str) -> str:
    if sys.stderr.isatty():
        print(f"Building {entry.title} on {backend} ...", file=sys.stderr)
    backends.start(backend)
    return exported(entry, arguments.size or entry.input_shape[:2])


def _path(arguments: argparse.Namespace, entry: zoo.Entry) -> Path:
    """The file to write; by default the net's own, which is of the net's own size."""
    if arguments.output:
        return Path(arguments.output)
    path = Path("prototxt", f"{entry.title}.prototxt")
    own = entry.input_shape[:2]
    if arguments.output is not None:
        raise InputError("--output: expected a file name, or - for standard output; found ''")
    if arguments.size not in (None, own):
        raise InputError(f"--size: expected --output FILE with it, because {path} is of {by(own)}")
    return path


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Says in one line why a file cannot be written."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{path}: cannot write the prototxt: {reason}") from None


def exported(entry: zoo.Entry, hw: tuple[int, int]) -> str:
    """The text of an entry's prototxt, header included, for an input size in pixels."""
    from keras.initializers import Zeros

    from ranparity.models.export import to_prototxt

    shape = (*hw, entry.input_shape[2])
    # No weight's value is in the file, and drawing millions takes seconds.
    model = entry.build(input_shape=shape, data_format="channels_last", initializer=Zeros)
    return _header(entry, hw) + to_prototxt(model, entry.title, entry.release)


def _header(entry: zoo.Entry, hw: tuple[int, int]) -> str:
    option = "" if hw == entry.input_shape[:2] else f" --size {hw[0]}x{hw[1]}"
    lines = [
        f"Written by `ranparity export {entry.name}{option}` from the Keras model; not edited."
    ]
    if entry.origin == "derived":
        lines.append("Derived: no prototxt of this net was published.")
    elif not option:
        lines.append("Its canonical digest equals that of the authors' file.")
    lines += [
        f"Erratum of the authors' file, repaired here: {name}." for name in entry.release.errata
    ]
    return "".join(f"# {line}\n" for line in lines)
