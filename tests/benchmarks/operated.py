"""Does on a backend what is timed of convolutions: `python -m tests.benchmarks.operated FILE JSON`.

What it makes goes into an .npz, by the convolution's place and what was done. It prints the seconds
of a convolution whose forward pass takes long, and of its gradients.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ranparity.benchmarks import convolutions, convolving, operators
from ranparity.benchmarks.convolutions import FORWARD, INPUT, WEIGHT
from ranparity.training import backends
from ranparity.workers import serve

BACKEND = os.environ["KERAS_BACKEND"]
SIDE, TIMES = 512, 20  # of the matrix that a slow forward pass multiplies, and how often


def main(arguments: Sequence[str]) -> None:
    path, content = arguments
    backends.start(BACKEND, many_steps=True)
    from keras import ops

    found: dict[str, Any] = {}
    for place, given in enumerate(json.loads(content)):
        for what, do in convolving.actions(BACKEND, convolutions.heard(given)).items():
            do()
            made = do()  # once more: nothing may be used up by the first time
            operators.loaded(BACKEND).wait(made)
            found[f"{place}/{what}"] = ops.convert_to_numpy(ops.stop_gradient(made))
    np.savez(path, **found)
    print(json.dumps(slow()), flush=True)


def slow() -> dict[str, float]:
    """Seconds of a pass that also does what no gradient reads, and of its gradients."""
    from keras import ops

    own = operators.loaded(BACKEND)
    numbers = np.full((SIDE, SIDE), 1 / SIDE, np.float32)
    x, weight = (ops.convert_to_tensor(numbers[:4, :4].reshape(1, 4, 4, 1)) for _ in range(2))
    matrix = ops.convert_to_tensor(numbers)

    def convolve(x: Any, weight: Any) -> Any:
        unread = matrix + ops.stop_gradient(ops.sum(x) + ops.sum(weight))
        for _ in range(TIMES):
            unread = unread @ matrix
        return x * weight + ops.stop_gradient(unread[0, 0])

    seconds = {}
    for what, do in {
        FORWARD: own.forward(convolve, x, weight),
        WEIGHT: own.weight_gradient(convolve, x, weight, x),
        INPUT: own.input_gradient(convolve, x, weight, x),
    }.items():
        own.wait(do())
        begun = time.perf_counter()
        own.wait(do())
        seconds[what] = time.perf_counter() - begun
    return seconds


if __name__ == "__main__":
    serve(main)
