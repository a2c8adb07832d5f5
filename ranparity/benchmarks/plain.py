"""The net as plain Keras: stock layers, `compile`, `train_on_batch` and `predict_on_batch`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ranparity.benchmarks.case import DECAY, MOMENTUM, RATE, Case, unknown
from ranparity.caffe.rules.base import sides
from ranparity.caffe.shapes import Facts

Tensors = Sequence[Any]


def _convolution(facts: Facts, x: Tensors) -> Any:
    attributes, size = facts.attributes, facts.tops[0][2:]
    kernel, stride, pad = (tuple(sides(attributes[name])) for name in ("kernel", "stride", "pad"))
    same = stride == (1, 1) and tuple(x[0].shape[1:3]) == size
    map_ = keras.layers.ZeroPadding2D(pad)(x[0]) if any(pad) and not same else x[0]
    return keras.layers.Conv2D(
        int(attributes["num_output"]),
        kernel,
        stride,
        padding="same" if same else "valid",
        dilation_rate=tuple(sides(attributes["dilation"])),
        groups=int(attributes["group"]),
        use_bias="bias" in facts.parameters,
    )(map_)


def _bn(facts: Facts, x: Tensors) -> Any:
    momentum, eps = (float(facts.attributes[name]) for name in ("momentum", "eps"))
    return keras.layers.BatchNormalization(momentum=momentum, epsilon=eps)(x[0])


def _pooling(facts: Facts, x: Tensors) -> Any:
    """The padding, of the two that Keras knows, that gives the size."""
    kernel, stride = (tuple(sides(facts.attributes[name])) for name in ("kernel", "stride"))
    maximum = facts.attributes["pool"] == "MAX"
    layer = keras.layers.MaxPooling2D if maximum else keras.layers.AveragePooling2D
    made = layer(kernel, stride, padding="valid")(x[0])
    if tuple(made.shape[1:3]) == facts.tops[0][2:]:
        return made
    return layer(kernel, stride, padding="same")(x[0])


def _eltwise(facts: Facts, x: Tensors) -> Any:
    layer = keras.layers.Add if facts.attributes["operation"] == "SUM" else keras.layers.Multiply
    return layer()(list(x))


def _interp(facts: Facts, x: Tensors) -> Any:
    factors = [out // size for out, size in zip(facts.tops[0][2:], x[0].shape[1:3], strict=True)]
    return keras.layers.UpSampling2D(factors, interpolation="bilinear")(x[0])


def _inner_product(facts: Facts, x: Tensors) -> Any:
    dense = keras.layers.Dense(int(facts.attributes["num_output"]))
    return dense(keras.layers.Flatten()(x[0]))


LAYERS: dict[str, Callable[[Facts, Tensors], Any]] = {
    "BN": _bn,
    "Convolution": _convolution,
    "Eltwise": _eltwise,
    "Flatten": lambda _, x: keras.layers.Flatten()(x[0]),
    "InnerProduct": _inner_product,
    "Interp": _interp,
    "Pooling": _pooling,
    "ReLU": lambda _, x: keras.layers.ReLU()(x[0]),
    "Sigmoid": lambda _, x: keras.layers.Activation("sigmoid")(x[0]),
    "Softmax": lambda _, x: x[0],  # the loss has it: what comes out is logits
}


def model_of(case: Case) -> keras.Model:
    """Build the net, which ends in logits.

    Raises:
        InputError: A layer that plain Keras has no layer for here.
    """
    layers, given = case.layers()
    _, channels, height, width = given.shape
    images = keras.Input((height, width, channels))
    blobs = {given.name: images}
    for node, facts in layers:
        if node.type not in LAYERS:
            raise unknown(node, "plain Keras")
        blobs[node.outputs[0]] = LAYERS[node.type](facts, [blobs[each] for each in node.inputs])
    return keras.Model(images, blobs[layers[-1][0].outputs[0]])


class Plain:
    """The net in training; see `ranparity.benchmarks.worker.Subject`."""

    def __init__(self, case: Case) -> None:
        self._model = model_of(case)
        self._model.compile(
            optimizer=keras.optimizers.SGD(RATE, MOMENTUM, nesterov=True, weight_decay=DECAY),
            loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        )

    def training_step(self, images: NDArray[np.float32], targets: NDArray[np.float32]) -> None:
        """What `fit` does with a batch, the loss as a number."""
        self._model.train_on_batch(images, targets)

    def forward(self, images: NDArray[np.float32]) -> None:
        """Outputs of images (NHWC) in inference mode, as an array."""
        self._model.predict_on_batch(images)
