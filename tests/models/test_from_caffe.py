"""Any net of Caffe is in Keras as in the arbiter: on each backend, in float64, both formats."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import ranparity
from ranparity.caffe import graph, prototxt
from ranparity.caffe.arbiter import run
from ranparity.errors import InputError
from ranparity.models import caffe_weights, layers, zoo
from ranparity.models.building import functional
from ranparity.models.export import to_prototxt
from ranparity.models.from_caffe import caffe_to_keras, named
from ranparity.training import variables
from tests.conftest import BACKENDS
from tests.models import imported
from tests.models.cases import FLOAT64
from tests.models.test_layers import error

Array = np.ndarray[Any, Any]
WORKER = Path(__file__).with_name("import_worker.py")
SIDES = [("channels_last", False), ("channels_first", True)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Array]]:
    """What the worker of each backend gives."""
    folder, found = tmp_path_factory.mktemp("imported"), {}
    for backend in BACKENDS:
        switches = {"KERAS_BACKEND": backend, "JAX_ENABLE_X64": "1"}
        command = [sys.executable, os.fspath(WORKER), os.fspath(folder)]
        done = subprocess.run(
            command, env=os.environ | switches, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{backend}: {done.stderr[-3000:]}"
        with np.load(folder / f"{backend}.npz") as arrays:
            found[backend] = dict(arrays)
    return found


@functools.cache
def expected(*, training: bool) -> run.Forward:
    """What the arbiter gives; in training, where it runs no Dropout, without that."""
    given = {"data": imported.images()}
    whole = graph.build(imported.net())
    kept = tuple(node for node in whole.nodes if not (training and node.type == "Dropout"))
    arbiter = run.Arbiter(dataclasses.replace(whole, nodes=kept))
    return arbiter.forward(run.tensors(given), run.tensors(imported.numbers()), training=training)


def test_the_net_has_every_type_that_can_be_built() -> None:
    types = {node.type for node in graph.build(imported.net()).nodes}
    assert types >= {*layers.OPERATIONS}


@pytest.mark.parametrize(("side", "training"), SIDES)
def test_every_blob_is_the_arbiters(
    made: Mapping[str, Mapping[str, Array]], backend: str, side: str, training: bool
) -> None:
    prefix, blobs = f"{side}|{training}|", dict(expected(training=training).blobs)
    del blobs["data"]
    found = {
        key.removeprefix(prefix): value
        for key, value in made[backend].items()
        if key.startswith(prefix)
    }
    assert found.keys() - blobs.keys() == ({"dropout"} if training else set())
    for name, value in blobs.items():
        assert found[name].shape == tuple(value.shape), name
        assert error(found[name], value.detach().numpy()) <= FLOAT64, name


def test_what_a_batch_norm_keeps_moves_as_in_caffe(
    made: Mapping[str, Mapping[str, Array]], backend: str
) -> None:
    moved = expected(training=True).statistics
    for name in ("mean", "variance", "factor"):
        found = made[backend][f"statistic|batchnorm/{name}"]
        assert error(found, moved[f"batchnorm/{name}"].numpy()) <= FLOAT64, name
        same = made[backend][f"statistic|global/{name}"]
        np.testing.assert_array_equal(same, imported.numbers()[f"global/{name}"])


def array(x: Any) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(x))


def all_blobs(model: Any, x: Array) -> dict[str, Array]:
    """Every blob in inference mode, by its name in Caffe."""
    tensors, names = [], []
    for layer, known in named(model).items():
        tensors += keras.tree.flatten(model.get_layer(layer).output)
        names += known["blobs"]
    given = functional(model.inputs[0], tensors)(x, training=False)
    return dict(zip(names, map(array, given), strict=True))


@pytest.mark.parametrize(
    "name", ["attention56-cifar@8", "attentionnext56@16", "dranet-cifar@16", "resnet18@8"]
)
def test_a_net_of_the_zoo_is_the_same_when_it_is_imported(name: str) -> None:
    entry = zoo.entry(name)
    size = entry.input_shape if "cifar" in name else (64, 64, 3)
    model = entry.build(input_shape=size)
    other = caffe_to_keras(prototxt.parse(to_prototxt(model, name), name))
    values, random = variables.named(model), np.random.default_rng(0)
    assert values.keys() == variables.named(other).keys()
    for key, variable in variables.named(other).items():
        value = array(values[key].value) + random.uniform(0.1, 0.2, values[key].shape)
        variable.assign(value)
        values[key].assign(value)
    images = random.standard_normal((2, *size)).astype(np.float32)
    own, theirs = all_blobs(model, images), all_blobs(other, images)
    assert list(own) == list(theirs)
    for blob, value in own.items():
        np.testing.assert_array_equal(theirs[blob], value, err_msg=blob)
    assert len(other.losses) == len(model.losses)


def parsed(layers_: str, sides: str = "dim: 1 dim: 3 dim: 8 dim: 8") -> Any:
    return prototxt.parse(f'input: "data" input_shape {{ {sides} }} {layers_}', "net.prototxt")


def test_names_go_there_and_back_whatever_they_are(tmp_path: Path) -> None:
    names = ["a/b", "a-b", "a.b", "a b", "data", "ä", "twice", "twice"]
    text = "".join(
        f'layer {{ name: "{name}" type: "ReLU" bottom: "{bottom}" top: "blob/{place}" }}'
        for place, (name, bottom) in enumerate(
            zip(names, ["data", *(f"blob/{place}" for place in range(7))], strict=True)
        )
    )
    model = caffe_to_keras(parsed(text))
    model.save(tmp_path / "net.keras")
    loaded = named(keras.models.load_model(tmp_path / "net.keras"))
    assert loaded == named(model)
    assert [each["name"] for each in loaded.values()] == names
    assert [each["blobs"] for each in loaded.values()] == [[f"blob/{n}"] for n in range(8)]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in loaded)


def test_a_batch_of_any_size_and_a_file_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(
        'layer { name: "d" type: "Data" top: "data" top: "label" }'
        'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" '
        "inner_product_param { num_output: 3 } }"
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }'
    )
    shapes = {"data": (1, 2, 4, 4), "label": (1,)}
    with pytest.raises(InputError, match=r'"loss" \(SoftmaxWithLoss\): has no counterpart in K'):
        ranparity.caffe_to_keras(path, inputs=shapes)
    path.write_text(path.read_text().rpartition("layer {")[0])
    model = ranparity.caffe_to_keras(path, inputs=shapes)
    assert [tuple(x.shape) for x in model.inputs] == [(None, 4, 4, 2), (None,)]
    assert array(model([np.ones((5, 4, 4, 2)), np.ones(5)])).shape == (5, 3)


def test_a_dropout_draws_elements_in_training_unless_it_is_told_not_to() -> None:
    net = parsed('layer { name: "drop" type: "Dropout" bottom: "data" top: "drop" }')
    x = np.ones((2, 8, 8, 3), np.float32)
    drawn = array(caffe_to_keras(net)(x, training=True))
    assert set(np.unique(drawn)) == {0.0, 2.0}
    np.testing.assert_array_equal(array(caffe_to_keras(net)(x, training=False)), x)
    np.testing.assert_array_equal(array(caffe_to_keras(net, dropout=False)(x, training=True)), x)


CONV = 'type: "Convolution" convolution_param { num_output: 3 kernel_size: 1 }'
REFUSED = {
    "a type that no backend has": (
        'layer { name: "boxes" type: "PriorBox" bottom: "data" bottom: "data" top: "boxes" '
        "prior_box_param { min_size: 4 } }",
        r'net.prototxt: layer "boxes" (PriorBox): has no counterpart in Keras here; expected one',
    ),
    "two layers with numbers of one name": (
        f'layer {{ name: "c" bottom: "data" top: "x" {CONV} }}'
        f'layer {{ name: "c" bottom: "x" top: "y" {CONV} }}',
        'net.prototxt: layer "c" (Convolution): expected a name of its own, because numbers go by',
    ),
    "a parameter that two layers share": (
        f'layer {{ name: "c" bottom: "data" top: "x" param {{ name: "w" }} {CONV} }}',
        'net.prototxt: layer "c" (Convolution): expected parameters of its own; found "w", which',
    ),
    "no input": (
        'layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 2 } } }',
        "net.prototxt: expected an input, found none",
    ),
    "nothing that is left": (
        'layer { name: "hush" type: "Silence" bottom: "data" }',
        "net.prototxt: expected a blob that no layer reads, found none",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_built_is_refused_by_name(what: str) -> None:
    text, expected_ = REFUSED[what]
    net = parsed(text)
    net = net.replace(inputs=()) if what == "no input" else net
    with pytest.raises(InputError, match=re.escape(expected_)):
        caffe_to_keras(net)


def test_an_axis_that_joins_the_items_of_a_batch_is_refused() -> None:
    text = (
        'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" '
        "inner_product_param { num_output: 3 axis: 0 } }"
    )
    model = caffe_to_keras(parsed(text))
    with pytest.raises(InputError, match=r'"ip" \(InnerProduct\): expected an axis of 1 or more'):
        model(np.ones((1, 8, 8, 3)))


def test_shapes_are_for_a_path_only() -> None:
    with pytest.raises(InputError, match=r"inputs: expected with a path"):
        caffe_to_keras(imported.net(), inputs={"data": (1, 3, 8, 8)})
    assert set(caffe_weights.OWN) <= set(caffe_weights.NAMES)
