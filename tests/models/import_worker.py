"""Builds the net of `imported` on one backend in float64, and leaves what it gives in a folder.

`KERAS_BACKEND=jax python tests/models/import_worker.py FOLDER`
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests import workload

if __name__ == "__main__":  # tests import it too
    workload.load_little()

import keras
import numpy as np

import ranparity
from ranparity.models import caffe_weights, from_caffe
from ranparity.models.building import functional
from ranparity.training import variables
from tests.models import imported

SEED = "seed_generator_state"  # what a Dropout draws with


def filled(model: Any) -> Any:
    """The model with the numbers that are the same on all backends."""
    known = {k: x for k, x in variables.named(model).items() if not k.endswith(SEED)}
    for name, value in caffe_weights.variables_named(known, imported.numbers()).items():
        known[name].assign(value)
    return model


def blobs(model: Any, first: bool, *, training: bool) -> dict[str, Any]:
    """Every blob by its name in Caffe, NCHW where it has four axes."""
    names = [name for each in from_caffe.named(model).values() for name in each["blobs"]]
    tensors = [
        tensor
        for name in from_caffe.named(model)
        for tensor in keras.tree.flatten(model.get_layer(name).output)
    ]
    probe, x = functional(model.inputs[0], tensors), imported.images()
    given = keras.ops.convert_to_tensor(x if first else x.transpose(0, 2, 3, 1))
    if keras.backend.backend() == "jax":
        import jax

        kept = model.non_trainable_variables
        values = ([v.value for v in some] for some in (probe.trainable_variables, kept))
        made, after = jax.jit(partial(probe.stateless_call, training=training))(*values, given)
        for variable, value in zip(kept, after, strict=True):
            variable.assign(value)
    else:
        made = probe(given, training=training)
    found = {}
    for name, tensor in zip(names, made, strict=True):
        value = np.asarray(keras.ops.convert_to_numpy(tensor))
        assert value.dtype == np.float64, (name, value.dtype)
        found[name] = value.transpose(0, 3, 1, 2) if value.ndim == 4 and not first else value
    return found


def main(folder: Path) -> None:
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    found: dict[str, Any] = {}
    for first, side in ((False, "channels_last"), (True, "channels_first")):
        model = filled(ranparity.caffe_to_keras(imported.net(), data_format=side, dropout=False))
        if not first:
            path = folder / f"{keras.backend.backend()}.keras"
            model.save(path)
            model = keras.models.load_model(path)
        made = blobs(model, first, training=first)
        found |= {f"{side}|{first}|{name}": value for name, value in made.items()}
    known = variables.named(model)
    for name in ("mean", "variance", "factor"):
        for layer in ("batchnorm", "global"):
            value = keras.ops.convert_to_numpy(known[f"{layer}/{name}"].value)
            found[f"statistic|{layer}/{name}"] = value
    np.savez(folder / f"{keras.backend.backend()}.npz", **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
