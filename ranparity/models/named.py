"""The zoo as functions in the manner of keras.applications: one for each entry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from ranparity.models.entry import Entry, function_name


def function_of(entry: Entry) -> Callable[..., keras.Model]:
    """A function that builds the entry's network, with arguments as in keras.applications."""
    shape, count = entry.input_shape, entry.classes

    def function(
        include_top: bool = True,
        weights: str | Path | None = None,
        input_shape: tuple[int, ...] | None = None,
        classes: int = count,
        classifier_activation: str | Callable[[Any], Any] | None = "softmax",
        name: str = entry.name,
        data_format: str | None = None,
    ) -> keras.Model:
        return entry.build(
            include_top=include_top,
            weights=weights,
            input_shape=input_shape,
            classes=classes,
            classifier_activation=classifier_activation,
            name=name,
            data_format=data_format,
        )

    function.__name__ = function.__qualname__ = function_name(entry)
    function.__doc__ = f"""{entry.title}, for {shape} images and {count} classes unless told.

    Args:
        include_top: Whether the average pool and the classifier are built.
        weights: A `.weights.h5`, `.keras` or `.caffemodel` file of this network, or None.
        input_shape: (H, W, C), or (C, H, W) with `channels_first`, in pixels; fixed. Any size
            that Caffe's rules allow; the head pools the whole last map.
        classes: Number of classes.
        classifier_activation: `softmax`, any Keras activation, or None for logits.
        name: The model's name.
        data_format: `channels_last` or `channels_first`; by default Keras's own setting.

    Returns:
        A functional `keras.Model` of (N, H, W, C) images (see `preprocess_input`) to
        (N, classes).

    Raises:
        InputError: A shape that is not fixed or too small, or weights that cannot be used.
    """
    return function
