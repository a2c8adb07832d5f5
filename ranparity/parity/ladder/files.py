"""A net of anyone's prototxt as the ladder runs it: built for Keras from the file, at level 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from google.protobuf import text_format
from numpy.typing import NDArray

from ranparity.caffe import caffe_pb2, prototxt
from ranparity.caffe.prototxt import Input, Net, Shape
from ranparity.data.tape import Tape
from ranparity.errors import InputError
from ranparity.parity.ladder import feed, state
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.subjects import Taped
from ranparity.training import recipe
from ranparity.training.variables import Model

Array = NDArray[np.float32]
RECIPE = "paper-imagenet"  # whose update rule is written down; level 1 takes no step


def input_of(net: Net) -> Input:
    """Give a net's one input, a map.

    Raises:
        InputError: There are several, or it has another number of axes.
    """
    if len(net.inputs) != 1 or len(net.inputs[0].shape) != 4:
        found = ", ".join(f'"{x.name}" {list(x.shape)}' for x in net.inputs) or "none"
        raise InputError(f"{net.source}: expected one input of four axes (NCHW), found {found}")
    return net.inputs[0]


def sized(path: str | Path, size: Shape = (), batch: int = 0) -> Net:
    """Give the net of a file for so many images of a size.

    Args:
        path: The prototxt.
        size: Height and width, in pixels; by default the file's.
        batch: How many images; by default as many as in the file.
    """
    net = prototxt.read(path)
    given = input_of(net)
    count, channels, *own = given.shape
    shape = (batch or count, channels, *(size or own))
    return net.replace(inputs=(Input(given.name, shape),))


def written(net: Net) -> str:
    """Give a net as text, with the shapes of its inputs."""
    message = caffe_pb2.NetParameter(name=net.name, layer=net.layers)
    for given in net.inputs:
        message.input.append(given.name)
        message.input_shape.add(dim=given.shape)
    return text_format.MessageToString(message)


class FileNet(Taped):
    """A net of a prototxt.

    Args:
        case: What is asked of it; its `model` is the path.
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        self._net = sized(case.model, case.size, case.batch_size)
        self.stage = recipe.named(RECIPE).stages[-1]

    def trained(self) -> Model:
        """Give the net; nothing is drawn in its Dropouts."""
        from ranparity.models.from_caffe import caffe_to_keras

        return caffe_to_keras(self._net, data_format=self._case.data_format, dropout=False)

    def inferred(self) -> Model:
        """Give the net."""
        return self.trained()

    def batch(self, tape: Tape) -> tuple[Array, Array]:
        """Give normal pixels; no step is taken, so that there are no targets."""
        count, channels, *size = self._net.inputs[0].shape
        return state.images(tape, (count, *size, channels)), np.zeros((count, 0), np.float32)

    def feed(self) -> tuple[feed.Feed, str]:
        """There is no run.

        Raises:
            InputError: Always.
        """
        raise InputError(f"{self._case.model}: a prototxt is run at level 1")

    def prototxt(self) -> str:
        """Give the net as text."""
        return written(self._net)
