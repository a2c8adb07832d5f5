"""What is tried on any bytes: each reader, to its end, with nothing raised but our own error."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ranparity.caffe import caffemodel, canonical, graph, prototxt, weights
from ranparity.caffe.caffemodel import CaffeModel
from ranparity.caffe.description import describe
from ranparity.errors import InputError

MOST = 2**64  # a sum over a net's layers, of which there are fewer than 2^20, each below 2^44


def text(content: bytes) -> str:
    """Reads a prototxt and works out shapes, parameters and MACs; gives the error, or nothing."""
    with _file(content) as path:
        try:
            net = prototxt.read(path)
            canonical.digest(net)
            found = describe(graph.build(net))
        except InputError as error:
            return _told(error, path)
    totals = found.totals
    assert totals.layers == len(net.layers)
    assert all(each >= 0 for each in (totals.macs, totals.parameters_with_statistics))
    return ""


def binary(content: bytes) -> str:
    """Reads a caffemodel with all of its numbers; gives the error, or nothing."""
    with _file(content) as path:
        try:
            model = caffemodel.read(path)
            _ = model.by_name()
            for layer in model.layers:
                for blob in layer.blobs:
                    assert blob.values.nbytes <= len(content)
            weights.numbers(model, ())
        except InputError as error:
            return _told(error, path)
    assert isinstance(model, CaffeModel)
    return ""


def _told(error: InputError, path: Path) -> str:
    """An error in a line that says which file it is about."""
    said = str(error)
    assert said.startswith(str(path)), said[:500]
    assert "\n" not in said, said[:500]
    assert len(said) < 20_000, said[:500]
    return said


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[Path]:
    handle, name = tempfile.mkstemp()
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        yield Path(name)
    finally:
        Path(name).unlink()


TARGETS: Mapping[str, Callable[[bytes], str]] = {"text": text, "binary": binary}
