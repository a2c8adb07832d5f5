"""Times what a training step does of a convolution, and the matrix product of the same work."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ranparity.benchmarks import operators
from ranparity.benchmarks.convolutions import FORWARD, INPUT, PRODUCT, WEIGHT, Convolution
from ranparity.benchmarks.operators import Do, Operators

Array = NDArray[np.float32]
Seconds = dict[str, list[float]]


def numbers(convolution: Convolution) -> list[Array]:
    """Give normal numbers, always the same.

    Args:
        convolution: Its shapes.

    Returns:
        Maps (NHWC), a weight (HWIO), the gradient of the top (NHWC), and the two batches of
        matrices.
    """
    random = np.random.Generator(np.random.Philox(0))
    maps = [_nhwc(convolution.bottom), convolution.weight, _nhwc(convolution.top)]
    return [random.standard_normal(shape, np.float32) for shape in (*maps, *convolution.factors)]


def actions(backend: str, convolution: Convolution) -> dict[str, Do]:
    """Give what a step does of a convolution, and the product, ready to be done.

    Args:
        backend: The framework, which Keras uses in this process.
        convolution: Its shapes.
    """
    from keras import ops

    from ranparity.kernels import kernel

    x, weight, top, left, right = map(ops.convert_to_tensor, numbers(convolution))
    own: Operators = operators.loaded(backend)
    convolve: Callable[..., object] = functools.partial(
        kernel("convolution"),
        stride=convolution.stride,
        pad=convolution.pad,
        dilation=convolution.dilation,
        group=convolution.group,
        data_format="channels_last",
    )
    made = {
        FORWARD: own.forward(convolve, x, weight),
        WEIGHT: own.weight_gradient(convolve, x, weight, top),
    }
    if convolution.input_gradient:
        made[INPUT] = own.input_gradient(convolve, x, weight, top)
    return made | {PRODUCT: own.product(left, right)}


def timed(backend: str, convolution: Convolution, warm_up: int, count: int) -> Seconds:
    """Give the seconds of each of them, done in turns, so that none has the machine for itself.

    Args:
        backend: The framework.
        convolution: Its shapes.
        warm_up: Turns before those that are timed, in which frameworks compile.
        count: Turns that are timed.
    """
    wait = operators.loaded(backend).wait
    doing = actions(backend, convolution)
    seconds: Seconds = {what: [] for what in doing}
    for _ in range(warm_up + count):
        for what, do in doing.items():
            begun = time.perf_counter()
            wait(do())
            seconds[what].append(time.perf_counter() - begun)
    return {what: each[warm_up:] for what, each in seconds.items()}


def _nhwc(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of maps that are NCHW in Caffe."""
    images, channels, height, width = shape
    return images, height, width, channels
