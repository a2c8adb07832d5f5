"""A Keras model's numbers from a `.caffemodel`, and into one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
from numpy.typing import NDArray

from ranparity.caffe import caffemodel, weights
from ranparity.caffe.caffemodel import Blob, LayerBlobs
from ranparity.caffe.description import Described
from ranparity.caffe.rules.elements import INVERSE
from ranparity.caffe.shapes import Facts
from ranparity.models import caffe_weights
from ranparity.models.describe import caffe_layers, read

SUFFIX = ".caffemodel"


def load(model: keras.Model, path: str | Path, bn: str = INVERSE) -> tuple[str, ...]:
    """Take all numbers of a model from a file, or none.

    Args:
        model: Of this project's layers.
        path: The `.caffemodel`.
        bn: What the fourth blob of a BN is: `inverse-std`, as the authors' fork has it, or
            `variance`.

    Returns:
        The names of layers with blobs that the model does not have, which are left out.

    Raises:
        InputError: The file is none, or does not fit; names the layer. The model is as before.
    """
    file = caffemodel.read(path)
    found, left = weights.numbers(file, _layers(model), bn)
    known = _variables(model)
    for name, variable in known.items():  # one at a time: in Keras's layout each is a copy
        (value,) = caffe_weights.variables_named([name], found).values()
        file.let_go()
        variable.assign(value)
    return left


def save(model: keras.Model, path: Path, bn: str = INVERSE) -> None:
    """Write all numbers of a model into a file.

    Args:
        model: Of this project's layers.
        path: The `.caffemodel`.
        bn: As `load` has it.

    Raises:
        OSError: It cannot be written; what was there before is untouched.
    """
    numbers = of(model)
    layers = []
    for layer in _layers(model):
        blobs = []
        for name in (*layer.facts.parameters, *layer.facts.statistics):
            value = numbers[f"{layer.name}/{name}"]
            if layer.type == "BN" and name == "variance" and bn == INVERSE:
                value = weights.inverse(value, float(layer.facts.attributes["eps"]))
            blobs.append(Blob(value.ravel(), value.shape))
        layers.append(LayerBlobs(layer.name, layer.type, tuple(blobs)))
    caffemodel.write(path, model.name, layers)


def of(model: keras.Model) -> dict[str, NDArray[Any]]:
    """Give a model's numbers by LAYER/PARAMETER, in Caffe's layouts."""
    values = {
        name: keras.ops.convert_to_numpy(each.value) for name, each in _variables(model).items()
    }
    return caffe_weights.named(values)


def _variables(model: keras.Model) -> dict[str, Any]:
    """The model's variables by LAYER/VARIABLE."""
    return {
        f"{each.caffe_name}/{x.name}": x
        for each in caffe_layers(model)
        for x in each.variables
        if x.name in caffe_weights.NAMES  # and not what a Dropout draws with
    }


def _layers(model: keras.Model) -> tuple[Described, ...]:
    """The model's layers with what they keep; their shapes are not traced."""
    found = []
    for layer in caffe_layers(model):
        type_, (attributes, parameters, statistics) = read(layer)
        facts = Facts((), parameters, statistics, attributes=attributes)
        found.append(Described(layer.caffe_name, type_, (), (), facts))
    return tuple(found)
