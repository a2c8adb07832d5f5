"""Runs the cases on one backend and leaves arrays, and a saved model, in a folder.

`KERAS_BACKEND=jax python tests/models/worker.py FOLDER`
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests import workload

if __name__ == "__main__":  # tests import it too
    workload.load_little()

import keras
import numpy as np

from ranparity.models import layers
from ranparity.models.attention import build_attention
from ranparity.models.describe import caffe_layers, describe
from ranparity.models.export import to_prototxt
from tests.models import cases

Found = Iterator[tuple[str, Any]]


def nchw(x: Any) -> Any:
    return x.transpose(0, 3, 1, 2) if x.ndim == 4 else x


def nhwc(x: Any) -> Any:
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


def array(x: Any) -> np.ndarray[Any, Any]:
    return np.asarray(keras.ops.convert_to_numpy(x))


def seed_weights(owner: Any) -> None:
    """Gives every variable a value that its path determines."""
    for variable in owner.variables:
        path = variable.path.split("/", 1)[-1] if "/" in variable.path else variable.path
        variable.assign(cases.value(path, tuple(variable.shape)))


def called(owner: Any, x: Any, **arguments: Any) -> Any:
    """What a layer or a model gives; JAX compiles it as one, not every operation by itself."""
    if keras.backend.backend() != "jax":
        return owner(x, **arguments)
    import jax

    kept = owner.non_trainable_variables
    values = ([v.value for v in variables] for variables in (owner.trainable_variables, kept))
    made, after = jax.jit(partial(owner.stateless_call, **arguments))(*values, x)
    for variable, value in zip(kept, after, strict=True):
        variable.assign(value)
    return made


def run_layer(case: cases.LayerCase, first: bool) -> Found:
    """A layer's result as NHWC (each of them, of a slice), and a batch norm's statistics."""
    given = [nchw(x) if first else x for x in cases.inputs(case)]
    given = [keras.ops.convert_to_tensor(x) for x in given]
    arguments = dict(case.arguments)
    if case.layer in cases.ON_MAPS:
        arguments["data_format"] = "channels_first" if first else "channels_last"
    if case.layer == "BN":
        arguments["axis"] = 1 if first else -1
    layer = getattr(layers, case.layer)(
        caffe_name=case.name, caffe_order=0, name="layer", **arguments
    )
    x = given if len(given) > 1 else given[0]
    layer.build([t.shape for t in given] if len(given) > 1 else x.shape)
    seed_weights(layer)
    made = called(layer, x, **({"training": case.training} if case.layer == "BN" else {}))
    stated = layer.compute_output_shape([t.shape for t in given] if len(given) > 1 else x.shape)
    if not isinstance(made, list):
        made, stated = [made], [stated]
    for number, (y, shape) in enumerate(zip(map(array, made), stated, strict=True)):
        assert y.dtype == np.float64, (case.name, y.dtype)
        assert tuple(shape) == y.shape, (case.name, shape, y.shape)
        yield f"y{number or ''}", nhwc(y) if first else y
    if case.layer == "BN":
        yield "mean", array(layer.moving_mean)
        yield "variance", array(layer.moving_variance)


def narrow(kind: str, first: bool) -> tuple[keras.Model, int]:
    """A narrow net, and its input size."""
    entry, size = cases.narrow(kind)
    shape = (3, size, size) if first else (size, size, 3)
    data_format = "channels_first" if first else "channels_last"
    model = entry.build(input_shape=shape, classes=10, data_format=data_format)
    seed_weights(model)
    return model, size


def structure(model: keras.Model) -> Found:
    """What a check is given of a model, and on torch what the exporter writes of it."""
    yield "description", json.dumps(describe(model).to_json())
    if keras.backend.backend() == "torch":
        yield "prototxt", to_prototxt(model, model.name)


def run_model(kind: str, model: keras.Model, size: int, first: bool) -> Found:
    """Every blob of a narrow net in training mode, of some also in inference mode, as NHWC."""
    x = np.random.default_rng(0).standard_normal((2, size, size, 3))
    ordered = caffe_layers(model)
    outputs = [(layer.caffe_name, y) for layer in ordered for y in keras.tree.flatten(layer.output)]
    probe = keras.Model(model.input, [y for _, y in outputs])
    for training in (True,) if first or kind in cases.NARROWER else (False, True):
        blobs = probe(nchw(x) if first else x, training=training)
        for place, ((name, _), blob) in enumerate(zip(outputs, map(array, blobs), strict=True)):
            assert blob.dtype == np.float64, (kind, name, blob.dtype)
            key = f"{training}|{name}" + (f"|{place}" if "attractor" in name else "")
            yield key, nhwc(blob) if first else blob
    for layer in ordered:
        if isinstance(layer, layers.BN):
            yield f"mean|{layer.caffe_name}", array(layer.moving_mean)
            yield f"variance|{layer.caffe_name}", array(layer.moving_variance)


def tiny(**arguments: Any) -> keras.Model:
    model = build_attention(
        cases.TINY, input_shape=(12, 12, 3), classes=4, data_format="channels_last", **arguments
    )
    seed_weights(model)
    return model


IMAGES = np.random.default_rng(1).standard_normal((4, 12, 12, 3)).astype("float32")


def run_saved(folder: Path) -> Found:
    """Saves a model, and loads those that other backends have left there."""
    name = keras.backend.backend()
    model = tiny()
    model.save(folder / f"{name}.keras")
    model.save_weights(folder / f"{name}.weights.h5")
    yield "own", array(model(IMAGES))
    reloaded = tiny(weights=folder / f"{name}.weights.h5")
    yield "reloaded", array(reloaded(IMAGES))
    for path in sorted(folder.glob("*.keras")):
        loaded = keras.models.load_model(path)
        yield f"from {path.stem}", array(loaded(IMAGES))
        yield f"names from {path.stem}", [layer.caffe_name for layer in caffe_layers(loaded)]


def run_fit() -> Found:
    """Compiles and fits a model with its top, and fine-tunes one without."""
    labels = np.array([0, 1, 2, 3])
    model = tiny(classifier_activation=None)
    before = array(model.get_layer("conv1").kernel)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss=loss)
    history = model.fit(IMAGES, labels, epochs=2, batch_size=4, verbose=0)
    yield "loss", history.history["loss"]
    yield "moved", np.abs(array(model.get_layer("conv1").kernel) - before).max()
    base = tiny(include_top=False)
    base.trainable = False
    pooled = keras.layers.GlobalAveragePooling2D()(base.output)
    tuned = keras.Model(base.input, keras.layers.Dense(4)(pooled))
    frozen = array(base.get_layer("conv1-bn").moving_mean)
    tuned.compile(optimizer="sgd", loss=loss)
    history = tuned.fit(IMAGES, labels, epochs=2, batch_size=4, verbose=0)
    yield "tuned loss", history.history["loss"]
    yield "frozen moved", np.abs(array(base.get_layer("conv1-bn").moving_mean) - frozen).max()


def main(folder: Path) -> None:
    found: dict[str, Any] = {}

    def keep(case: str, items: Iterable[tuple[str, Any]]) -> None:
        found.update({f"{case}|{name}": np.asarray(item) for name, item in items})

    keep("saved", run_saved(folder))
    keep("fit", run_fit())
    keep("msra", [("kernel", array(layers.MSRA(seed=1)((3, 3, 64, 128), "float32")))])
    keep("uniform", [("kernel", array(layers.Uniform(0.25, seed=1)((64, 128), "float32")))])
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    for first in (False, True):
        side = "channels_first" if first else "channels_last"
        for name, case in cases.LAYERS.items():
            keep(f"{side}|{name}", run_layer(case, first))
        for kind in (*cases.NARROW, *cases.NARROWER) if not first else cases.NARROW_FIRST:
            model, size = narrow(kind, first)
            if not first:
                keep(f"structure|{kind}", structure(model))
            keep(f"{side}|{kind}", run_model(kind, model, size, first))
    np.savez(folder / f"{keras.backend.backend()}.npz", **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
