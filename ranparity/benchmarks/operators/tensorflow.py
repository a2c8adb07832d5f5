"""A convolution on TensorFlow, in graphs: what a graph's result does not need is not computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Convolve = Callable[[Any, Any], Any]
Do = Callable[[], Any]


def forward(convolve: Convolve, x: Any, weight: Any) -> Do:
    """See `Operators.forward`."""
    made = tf.function(convolve)
    return lambda: made(x, weight)


def weight_gradient(convolve: Convolve, x: Any, weight: Any, top: Any) -> Do:
    """See `Operators.weight_gradient`."""

    def traced(x: Any, weight: Any, top: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(weight)
            made = convolve(x, weight)
        return tape.gradient(made, weight, top)

    made = _graph(traced, x, weight)
    return lambda: made(x, weight, top)


def input_gradient(convolve: Convolve, x: Any, weight: Any, top: Any) -> Do:
    """See `Operators.input_gradient`."""

    def traced(x: Any, weight: Any, top: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            made = convolve(x, weight)
        return tape.gradient(made, x, top)

    made = _graph(traced, x, weight)
    return lambda: made(x, weight, top)


def product(left: Any, right: Any) -> Do:
    """See `Operators.product`; of a single group as the matrices that they are."""
    if left.shape[0] == 1:
        left, right = left[0], right[0]
    made = tf.function(tf.matmul)
    return lambda: made(left, right)


def wait(made: Any) -> None:
    """See `Operators.wait`."""
    del made
    tf.test.experimental.sync_devices()


def _graph(traced: Callable[..., Any], x: Any, weight: Any) -> Callable[..., Any]:
    """A graph of a gradient.

    A convolution in groups is compiled by XLA as it is, which cannot be divided again afterwards:
    its forward pass would be done too, unless its gradient is compiled with it.
    """
    return tf.function(traced, jit_compile=x.shape[3] != weight.shape[2] or None)  # type: ignore[no-any-return]
