"""Weights from a file, of Keras's kinds or Caffe's, put into a model."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras

from ranparity.errors import InputError
from ranparity.models import caffemodels


def loaded(model: keras.Model, weights: str | Path | None) -> keras.Model:
    """The model, with the weights of a file if one is given.

    Raises:
        InputError: The file cannot be used.
    """
    if weights is None:
        return model
    path = Path(weights)
    if not path.is_file():
        raise InputError(f"weights must be None or a file of weights. Received: weights={path}")
    if path.suffix == caffemodels.SUFFIX:
        caffemodels.load(model, path)
        return model
    try:
        with warnings.catch_warnings():  # Keras only warns where it leaves layers as they were
            warnings.simplefilter("error", UserWarning)
            model.load_weights(path)
    except (OSError, ValueError, UserWarning) as error:
        raise InputError(
            f"{path}: expected weights of {model.name} (.weights.h5, .keras or .caffemodel): "
            f"{error}"
        ) from None
    return model
