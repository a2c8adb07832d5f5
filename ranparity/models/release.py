"""A model with its numbers as Caffe's two files: for OpenCV, or as the authors' fork has them."""

from __future__ import annotations

from pathlib import Path

import keras

from ranparity.caffe import graph as graphs
from ranparity.caffe import opencv, prototxt
from ranparity.errors import InputError
from ranparity.files import write_bytes, write_text
from ranparity.models import caffemodels
from ranparity.models.entry import Entry
from ranparity.models.export import to_prototxt


def write(
    model: keras.Model, entry: Entry, text: Path, numbers: Path, *, authors: bool = False
) -> None:
    """Write a model of the zoo.

    Args:
        model: It.
        entry: Of the zoo.
        text: The prototxt.
        numbers: The caffemodel.
        authors: Whether layers are those of the authors' fork, whose BN keeps inverse standard
            deviations; else those that OpenCV reads, BN being BatchNorm and Scale.

    Raises:
        InputError: A layer that OpenCV has nothing for.
        OSError: A file cannot be written.
    """
    described = to_prototxt(model, entry.title, entry.release)
    if authors:
        caffemodels.save(model, numbers)
        write_text(text, described)
        return
    graph = graphs.build(prototxt.parse(described, entry.title))
    try:
        net = opencv.translated(graph, caffemodels.of(model))
    except opencv.NotAskedError as error:
        raise InputError(f"{error}; ask for --dialect authors") from None
    for path, content in zip((text, numbers), opencv.files(net), strict=True):
        write_bytes(path, content)
