"""Whether a backend has, on this device, the operations that a mixed precision needs.

Frameworks lack some of them for some types on some processors, and say so in the midst of a step.
So a step of a small net with a layer of each kind is taken first.
"""

from __future__ import annotations

import numpy as np

from ranparity.errors import InputError
from ranparity.training import precisions
from ranparity.training.backends import Backend
from ranparity.training.update import Update
from ranparity.training.variables import Model

SIDE, CHANNELS, CLASSES = 8, 4, 3


def check(backend: Backend, name: str, precision: str) -> None:
    """Raise `InputError` unless a backend can train in a precision.

    Args:
        backend: Of this process, started with the precision.
        name: Its name.
        precision: One of `precisions.NAMES`; only mixed ones are tried.
    """
    if precision not in precisions.MIXED:
        return
    update = Update("caffe-nesterov", momentum=0.9, weight_decay=1e-4)
    images = np.linspace(-1, 1, 2 * SIDE * SIDE * CHANNELS, dtype=np.float32)
    try:
        trainer = backend.trainer(_small(), update)
        trainer.step(
            images.reshape(2, SIDE, SIDE, CHANNELS),
            np.eye(CLASSES, dtype=np.float32)[:2],
            update.scalars(0, 0.1),
        )
    except Exception as error:  # each framework has its own
        told = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InputError(
            f"--precision {precision}: {name} cannot take a step in it on {backend.device()}: "
            f"{told}"
        ) from None


def _small() -> Model:
    """A net with a layer of each kind that has an operation of its own."""
    import keras

    from ranparity.models.builder import Builder

    image = keras.Input((SIDE, SIDE, CHANNELS), name="data")
    net = Builder("channels_last", keras.initializers.GlorotUniform)
    x = net.bn_relu(net.convolution(image, "conv1", CHANNELS, 3), "conv1")
    x = net.max_pool(x, "pool1")
    x = net.convolution(x, "conv2", CHANNELS, 1, stride=2)
    x = net.sigmoid(net.convolution(x, "conv3", CHANNELS, 3, group=2), "mask")
    return keras.Model(image, net.inner_product(net.average_whole_map(x, "pool2"), "fc", CLASSES))
