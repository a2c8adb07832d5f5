"""The worker of the zoo session: builds nets, runs them on one image, and describes them.

`python -m ranparity.parity.forward attention56 ...` prints what it runs on, and then a line a net.
A net runs as it does in `ranparity run` and `evaluate`: compiled on TensorFlow and JAX, eagerly on
PyTorch. One compiled call takes half to a fifth of the same call operation by operation on JAX
(2.4 s against 9.7 s for attention56-cifar, 4.8 s against 11.8 s for attention56 at 224, two CPU
cores) and about as long on TensorFlow (.8 s against .5 s, .8 s against 1.8 s).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.data import digest
from ranparity.data.tape import Tape
from ranparity.models import zoo
from ranparity.training import backends, environment, variables
from ranparity.training.backends import Backend
from ranparity.training.update import IDLE
from ranparity.workers import serve

TAPE = Tape(0)
PURPOSE = "image of the zoo session"


def main(names: Sequence[str]) -> None:
    """Runs each net once; the process's backend is the one that KERAS_BACKEND says."""
    chosen, _ = backends.choose(None, os.environ)
    backend, switches = backends.start(chosen)
    import keras

    print(json.dumps({"environment": environment.describe(chosen, backend.device(), switches)}))
    for name in names:
        print(json.dumps(run(zoo.entry(name), backend)), flush=True)
        keras.backend.clear_session()


def run(entry: zoo.Entry, backend: Backend) -> dict[str, Any]:
    """Builds a net at its own size, runs it, and describes it at all sizes of a check.

    Returns:
        Digests of weights and image, logits and probabilities of the one image, the descriptions
        by size (in the check's order), and the seconds of each part.
    """
    import keras

    clock = _Clock()
    model = entry.build(data_format="channels_last", initializer=keras.initializers.Zeros)
    weights = variables.initialise(model, TAPE)
    clock.stop("build")
    pixels = image(entry)
    logits, probabilities = _outputs(model, backend, pixels)
    clock.stop("forward")
    described = [_described(entry, size, model) for size in entry.sizes]
    clock.stop("describe")
    return {
        "model": entry.name,
        "initial_weights_digest": digest.of_named_arrays(weights),
        "image_digest": digest.of_arrays((pixels,)),
        "logits": logits.tolist(),
        "probabilities": probabilities.tolist(),
        "descriptions": described,
        "seconds": clock.seconds,
    }


def image(entry: zoo.Entry) -> NDArray[np.float32]:
    """Gives the one image (NHWC, N = 1) of a net's input size: normal numbers from the tape."""
    height, width, channels = entry.input_shape
    normals = TAPE.normals(PURPOSE, height * width * channels)
    return normals.astype(np.float32).reshape(1, height, width, channels)


def _outputs(
    model: variables.Model, backend: Backend, pixels: NDArray[np.float32]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Gives what goes into the net's softmax and what comes out, each (N, classes)."""
    import keras

    from ranparity.models.building import functional

    softmax = _softmax(model)
    both = keras.layers.Concatenate(axis=-1, name="both")([softmax.input, softmax.output])
    probe = functional(model.inputs, both, name=model.name)
    found = backend.trainer(probe, IDLE).logits(pixels)
    classes = found.shape[-1] // 2
    return found[:, :classes], found[:, classes:]


def _softmax(model: variables.Model) -> Any:
    """Gives the layer that makes the probabilities: the last one, but for one that adds a loss."""
    import keras

    from ranparity.models.layers import Softmax

    makers = {id(layer.output): layer for layer in model.layers}
    layer = makers[id(model.outputs[0])]
    while not isinstance(layer, Softmax):
        layer = makers[id(keras.tree.flatten(layer.input)[0])]
    return layer


def _described(entry: zoo.Entry, size: tuple[int, int], model: variables.Model) -> dict[str, Any]:
    """Describes a net at a size; the model is the one of its own size."""
    import keras

    from ranparity.models.describe import describe

    if size != entry.input_shape[:2]:
        shape = (*size, entry.input_shape[2])
        zeros = keras.initializers.Zeros
        model = entry.build(data_format="channels_last", input_shape=shape, initializer=zeros)
    return dict(describe(model).to_json())


class _Clock:
    """Seconds of parts that follow one another."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def stop(self, part: str) -> None:
        """End a part, and begin the next one."""
        now = time.perf_counter()
        self.seconds[part] = round(now - self._since, 3)
        self._since = now


if __name__ == "__main__":
    serve(main)
