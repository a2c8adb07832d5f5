"""What building a model of any family asks for: a fixed input, and weights from a file."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import keras

from ranparity.errors import InputError

DEEPEST = 50_000  # calls: Keras 3.15 takes about one for each layer on the longest way


@contextlib.contextmanager
def deep() -> Iterator[None]:
    """Lets Keras walk a graph of thousands of layers, which it does by recursion."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, DEEPEST))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def functional(inputs: Any, outputs: Any, name: str | None = None) -> keras.Model:
    """A functional model, however deep."""
    with deep():
        return keras.Model(inputs, outputs, name=name)


def fixed(input_shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape of three axes, or an error.

    Raises:
        InputError: It is another.
    """
    if len(input_shape) != 3 or any(not isinstance(s, int) or s < 1 for s in input_shape):
        raise InputError(
            "input_shape must be three positive integers (height, width, channels; channels "
            "first with channels_first), because the masks are resized by matrices of a fixed "
            f"size. Received: input_shape={input_shape}"
        )
    return tuple(input_shape)
