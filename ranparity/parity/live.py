"""The worker that alters live Keras models, once for every kind of attribute.

`python -m ranparity.parity.live attention56 ...` builds each net, alters one thing of one layer
at a time, and prints the altered layer's name, what was altered, and the description that a
check would be given. Attributes are set on the live layer itself and set back; what the graph
holds (a dropped layer, inputs in another order) is altered in a clone.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

from ranparity.models import layers, zoo
from ranparity.models.describe import caffe_layers, describe
from ranparity.workers import serve

Change = Callable[[Any], Any]

# Per layer class: the kind of attribute, the Keras attribute, and another value for it.
ATTRIBUTES: dict[type, tuple[tuple[str, str, Change], ...]] = {
    layers.Convolution: (
        ("num_output", "filters", lambda value: value + 1),
        ("kernel", "kernel_size", lambda value: (value[0] + 2, value[1])),
        ("weight shape", "_kernel", lambda value: _longer(value)),
        ("stride", "strides", lambda value: (3 - value[0], value[1])),
        ("pad", "pad", lambda value: (value[0], value[1] + 1)),
        ("dilation", "dilation_rate", lambda value: (value[0] + 1, value[1])),
        ("group", "groups", lambda value: value + 1),
        ("bias_term", "use_bias", lambda value: not value),
        ("activation", "activation", lambda value: keras.activations.relu),  # noqa: ARG005
    ),
    layers.CaffePool: (
        ("pool", "pool", lambda value: "AVE" if value == "MAX" else "MAX"),
        ("kernel", "kernel_size", lambda value: (value[0] - 1, value[1])),
        ("stride", "strides", lambda value: (3 - value[0], value[1])),
        ("pad", "pad", lambda value: (value[0] + 1, value[1])),
        ("round_mode", "round_mode", lambda value: "FLOOR"),  # noqa: ARG005
    ),
    layers.BN: (
        ("eps", "epsilon", lambda value: 100 * value),
        ("momentum", "momentum", lambda value: 0.5 + value / 2),
        ("axis", "axis", lambda value: 1 if value != 1 else 2),
    ),
    layers.ReLU: (("negative_slope", "negative_slope", lambda value: value + 0.01),),
    layers.Eltwise: (
        ("operation", "operation", lambda value: "PROD" if value == "SUM" else "SUM"),
        ("coeff", "coeff", lambda value: (1.0, 0.5)),  # noqa: ARG005
    ),
    layers.InnerProduct: (
        ("num_output", "units", lambda value: value + 1),
        ("bias_term", "use_bias", lambda value: not value),
    ),
    layers.Softmax: (("axis", "axis", lambda value: value + 1),),
    layers.Normalize: (("eps", "eps", lambda value: 100 * value),),
    layers.MVN: (("eps", "eps", lambda value: 100 * value),),
    layers.Power: (("power", "power", lambda value: value + 1),),
    layers.Slice: (("axis", "axis", lambda value: 1 - value),),
    layers.Concat: (("axis", "axis", lambda value: 1 - value),),
    layers.Reduction: (
        ("operation", "operation", lambda value: "SUM" if value == "MEAN" else "MEAN"),
        ("axis", "axis", lambda value: 1 - value),
    ),
}


def main(names: Sequence[str]) -> None:
    """Alters each net and prints one line an alteration."""
    for name in names:
        model = zoo.entry(name).build()
        for layer, what, altered in alterations(model):
            data = {"model": name, "layer": layer, "what": what}
            print(json.dumps(data | {"description": describe(altered).to_json()}), flush=True)


def alterations(model: keras.Model) -> Iterator[tuple[str, str, keras.Model]]:
    """Yields the altered layer's name, the kind of attribute, and the altered model."""
    ordered = caffe_layers(model)
    for type_, attributes in ATTRIBUTES.items():
        layer = _first(ordered, type_)
        for what, attribute, change in attributes if layer else ():
            with _set(layer, attribute, change(getattr(layer, attribute))):
                yield layer.caffe_name, f"{type_.__name__} {what}", model
    for type_ in (layers.BN, layers.ReLU, layers.Sigmoid, layers.Softmax):
        if layer := _first(ordered, type_):
            yield layer.caffe_name, f"{type_.__name__} dropped", _clone(model, layer, _dropped)
    for type_, what, call in (
        (layers.Eltwise, "order of inputs", _swapped),
        (layers.Interp, "size reference", _other_reference),
    ):
        if layer := _first(ordered, type_):
            yield layer.caffe_name, f"{type_.__name__} {what}", _clone(model, layer, call)


def _first(ordered: list[Any], type_: type) -> Any:
    return next((layer for layer in ordered if type(layer) is type_), None)


@contextlib.contextmanager
def _set(layer: Any, attribute: str, value: Any) -> Iterator[None]:
    """Sets an attribute of a live layer for a while; Keras's own guards are passed by."""
    before = getattr(layer, attribute)
    object.__setattr__(layer, attribute, value)
    try:
        yield
    finally:
        object.__setattr__(layer, attribute, before)


def _longer(weight: Any) -> Any:
    """A weight (HWIO) whose kernel is higher by two."""
    height, *rest = weight.shape
    return keras.Variable(keras.ops.zeros((height + 2, *rest)))


def _clone(model: keras.Model, target: Any, call: Callable[..., Any]) -> keras.Model:
    """The model with one layer called in another way."""
    made: list[Any] = []

    def call_each(layer: Any, *args: Any, **kwargs: Any) -> Any:
        altered = getattr(layer, "caffe_name", None) == target.caffe_name
        result = call(layer, args[0], made) if altered else layer(*args, **kwargs)
        made.append(result)
        return result

    return keras.models.clone_model(model, call_function=call_each)


def _dropped(layer: Any, inputs: Any, made: list[Any]) -> Any:
    del layer, made
    return inputs


def _swapped(layer: Any, inputs: list[Any], made: list[Any]) -> Any:
    del made
    return layer(inputs[::-1])


def _other_reference(layer: Any, inputs: list[Any], made: list[Any]) -> Any:
    """The layer with another tensor of its reference's shape in the reference's place."""
    x, reference = inputs
    alike = [t for t in made if t.shape == reference.shape and t is not reference]
    return layer([x, alike[-1]])


if __name__ == "__main__":
    serve(main)
