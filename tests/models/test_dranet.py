"""DRA-Net against its equations, in NumPy; its regularisers, its parts, and its two outputs."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from ranparity.data.tape import Tape
from ranparity.errors import InputError
from ranparity.models import layers, zoo
from ranparity.models.building import functional
from ranparity.models.describe import caffe_layers
from ranparity.models.dranet import representations
from ranparity.training import variables
from ranparity.training.variables import named

Array = np.ndarray[Any, Any]
SIZE, CLASSES = 16, 5
IMAGES = np.random.default_rng(0).standard_normal((3, SIZE, SIZE, 3)).astype("float32")
CLOSE = {"rtol": 2e-5, "atol": 1e-6}


def test_dense_layers_after_the_features_start_as_pytorchs() -> None:
    """Uniform within 1 / sqrt(fan_in), by Keras as by the tape; the backbone's own by MSRA."""
    model = zoo.entry("dranet-cifar@16").build(input_shape=(SIZE, SIZE, 3), classes=CLASSES)
    dense = [layer for layer in model.layers if isinstance(layer, layers.InnerProduct)]
    assert len(dense) == 8
    for values in (weights(model), variables.initialise(model, Tape(2))):
        for layer in dense:
            bound = layer.kernel.shape[0] ** -0.5
            both = [values[f"{layer.caffe_name}/{part}"] for part in ("kernel", "bias")]
            assert 0.8 * bound < max(abs(part).max() for part in both) <= bound * (1 + 1e-6)
            assert all(part.any() for part in both)
    backbone = zoo.entry("dranet-cifar@16").build(part="features")
    assert [x.bound for x in backbone.layers if isinstance(x, layers.InnerProduct)] == [None]


def test_another_initializer_holds_for_every_kernel() -> None:
    model = zoo.entry("dranet-cifar@16").build(initializer=keras.initializers.Zeros)
    found = {name: value for name, value in weights(model).items() if name.endswith("/kernel")}
    assert not any(value.any() for value in found.values())


def twin(name: str = "dranet-cifar", **arguments: Any) -> keras.Model:
    """A narrow twin: features of 32, attractors of 64; no bias is 0 and no softmax is 0 or 1."""
    keras.utils.set_random_seed(11)
    shape = (SIZE, SIZE, 3)
    entry = zoo.entry(f"{name}@16")
    model = entry.build(**({"input_shape": shape, "classes": CLASSES} | arguments))
    random = np.random.default_rng(1)
    for path, variable in named(model).items():
        if path.endswith("/bias"):
            variable.assign(0.1 * random.standard_normal(variable.shape))
        if path in ("embedding/kernel", "classifier/fc1/kernel"):
            variable.assign(0.02 * array(variable))
    return model


def array(x: Any) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(x))


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return twin()


@pytest.fixture(scope="module")
def blobs(model: keras.Model) -> dict[str, Array]:
    """What each layer that makes one blob gives for the images."""
    ordered = [layer for layer in caffe_layers(model) if not isinstance(layer, layers.Slice)]
    found = functional(model.input, [layer.output for layer in ordered])(IMAGES)
    return {layer.caffe_name: array(y) for layer, y in zip(ordered, found, strict=True)}


def weights(model: keras.Model) -> dict[str, Array]:
    return {name: array(variable) for name, variable in named(model).items()}


def dense(w: dict[str, Array], name: str, x: Array) -> Array:
    return np.asarray(x @ w[f"{name}/kernel"] + w[f"{name}/bias"])


def mlp(w: dict[str, Array], name: str, x: Array) -> Array:
    return dense(w, f"{name}/fc2", np.maximum(dense(w, f"{name}/fc1", x), 0))


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def test_every_step_is_its_equation(model: keras.Model, blobs: dict[str, Array]) -> None:
    w, f = weights(model), blobs["pool5/flat"]
    assert f.shape == (3, 32)
    h = dense(w, "embedding", f)
    share = softmax(mlp(w, "weights", h))
    attractors = w["attractors/parameter"]
    assert attractors.shape == (CLASSES, 64)
    a = sum(share[:, [k]] ** 2 * attractors[k] for k in range(CLASSES))
    z = f + dense(w, "aggregation/fc", a)
    for name, wanted in (
        ("embedding", h),
        ("weights/softmax", share),
        ("aggregation", a),
        ("aggregation/sum", z),
        ("prob", softmax(mlp(w, "classifier", z))),
    ):
        np.testing.assert_allclose(blobs[name], wanted, err_msg=name, **CLOSE)


def test_the_weights_are_squared_and_not_used_once(
    model: keras.Model, blobs: dict[str, Array]
) -> None:
    share = blobs["weights/softmax"]
    assert 0.01 < share.min() < share.max() < 0.99
    once = share @ weights(model)["attractors/parameter"]
    assert np.abs(blobs["aggregation"] - once).max() > 0.1


def published(w: dict[str, Array]) -> float:
    """The learned distance of each pair i < j: an MLP on both, ReLU after both layers."""
    a = w["attractors/parameter"]
    pairs = np.array([np.concatenate([a[i], a[j]]) for i, j in pairs_of(len(a))])
    distances = np.maximum(mlp(w, "regulariser/distance", pairs), 0)
    return float(1e-3 * distances.mean())


def diversity(w: dict[str, Array]) -> float:
    """The Euclidean distance of each pair i < j, rewarded."""
    a = w["attractors/parameter"]
    distances = [np.linalg.norm(a[i] - a[j]) for i, j in pairs_of(len(a))]
    return float(-1e-3 * np.mean(distances))


def pairs_of(count: int) -> list[tuple[int, int]]:
    return list(itertools.combinations(range(count), 2))


@pytest.mark.parametrize(
    ("name", "formula", "sign"),
    [("dranet-cifar", published, 1), ("dranet-cifar-diversity", diversity, -1)],
)
def test_the_regulariser_is_the_one_loss_and_does_not_pile_up(
    name: str, formula: Any, sign: int
) -> None:
    model = twin(name)
    w = weights(model)
    for _ in range(3):
        model(IMAGES)
        (loss,) = model.losses
        assert tuple(loss.shape) == ()
        assert float(array(loss)) == pytest.approx(formula(w), rel=1e-5)
    assert np.sign(formula(w)) == sign
    model.get_layer("attractors").parameter.assign(3 * w["attractors/parameter"])
    model(IMAGES)
    assert float(array(model.losses[0])) == pytest.approx(formula(weights(model)), rel=1e-5)


def test_the_learned_distance_is_not_the_same_both_ways(model: keras.Model) -> None:
    """So that the pairs' order i < j is seen above."""
    w = weights(model)
    swapped = w | {"attractors/parameter": w["attractors/parameter"][::-1]}
    assert published(swapped) != pytest.approx(published(w), rel=1e-2)


def test_fit_adds_the_regulariser_to_the_loss() -> None:
    model = twin("dranet-cifar-diversity", part="aggregation", classifier_activation=None)
    wanted = -np.log(softmax(array(model(IMAGES)))[np.arange(3), [0, 1, 2]]).mean()
    wanted += diversity(weights(model))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss=loss)
    found = model.evaluate(IMAGES, np.array([0, 1, 2]), verbose=0)
    assert found == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("name", ["resnet18-cifar", "attention56-cifar"])
def test_no_other_net_has_a_loss_of_its_own(name: str) -> None:
    model = zoo.entry(f"{name}@16").build(input_shape=(SIZE, SIZE, 3))
    model(IMAGES)
    assert model.losses == []


def backbone_names() -> set[str]:
    model = zoo.entry("resnet18-cifar@16").build(input_shape=(SIZE, SIZE, 3))
    return {name for name in named(model) if not name.startswith("fc1000")}


def test_aggregation_leaves_the_backbone_as_it_is() -> None:
    """No variable of it is trained, and BN keeps its statistics, and uses them, in training."""
    model = twin(part="aggregation")
    names = {id(variable): name for name, variable in named(model).items()}
    trained = {names[id(variable)] for variable in model.trainable_variables}
    assert trained.isdisjoint(backbone_names())
    assert trained == set(names.values()) - backbone_names()
    before = weights(model)
    out = [array(model(IMAGES, training=training)) for training in (True, False)]
    np.testing.assert_array_equal(*out)
    for name, value in weights(model).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


def test_the_whole_is_trained_and_moves_its_statistics() -> None:
    model = twin()
    names = {id(variable): name for name, variable in named(model).items()}
    trained = {names[id(variable)] for variable in model.trainable_variables}
    assert {name for name in backbone_names() if "/moving_" not in name} < trained
    before = weights(model)
    model(IMAGES, training=True)
    after = weights(model)
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert moved == {name for name in before if "/moving_" in name}


def test_features_is_the_backbone_with_a_classifier_of_a_thousand_classes() -> None:
    model = twin(part="features", classifier_activation=None)
    assert model.output_shape == (None, 1000)
    assert model.layers[-1].caffe_name == "fc1000"
    assert {name for name in named(model) if not name.startswith("fc1000")} == backbone_names()
    model(IMAGES)
    assert model.losses == []


def test_the_parts_share_the_backbones_names_and_shapes() -> None:
    shapes = [
        {name: tuple(v.shape) for name, v in named(twin(part=part)).items()}
        for part in ("whole", "features", "aggregation")
    ]
    for name in backbone_names():
        assert len({found[name] for found in shapes}) == 1
    assert shapes[0] == shapes[2]


@pytest.mark.parametrize("part", ["whole", "features"])
def test_without_its_top_a_part_gives_its_vector(part: str, blobs: dict[str, Array]) -> None:
    model = twin(part=part, include_top=False)
    names = set(named(model))
    assert not any(name.startswith(("classifier", "fc1000")) for name in names)
    blob = {"whole": "aggregation/sum", "features": "pool5/flat"}[part]
    other = named(twin())
    for name, variable in named(model).items():
        variable.assign(array(other[name]))
    np.testing.assert_allclose(array(model(IMAGES)), blobs[blob], **CLOSE)


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        twin(part="attractors")
    assert str(caught.value) == (
        "dranet-cifar@16: expected one of its parts whole, features, aggregation, found attractors"
    )
    with pytest.raises(InputError, match=r"expected one of its parts whole, found features$"):
        zoo.entry("resnet18-cifar@16").build(part="features")


def test_representations_are_the_features_and_the_aggregated(
    model: keras.Model, blobs: dict[str, Array]
) -> None:
    f, z = representations(model)(IMAGES)
    np.testing.assert_array_equal(array(f), blobs["pool5/flat"])
    np.testing.assert_array_equal(array(z), blobs["aggregation/sum"])


def test_a_saved_model_loads_with_its_loss_and_its_outputs(
    model: keras.Model, tmp_path: Path
) -> None:
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(array(again(IMAGES)), array(model(IMAGES)))
    assert array(again.losses[0]) == array(model.losses[0])
    for one, other in zip(
        representations(again)(IMAGES), representations(model)(IMAGES), strict=True
    ):
        np.testing.assert_array_equal(array(one), array(other))


def test_both_data_formats_give_the_same(model: keras.Model) -> None:
    first = twin(input_shape=(3, SIZE, SIZE), data_format="channels_first")
    first.set_weights(model.get_weights())
    found = array(first(IMAGES.transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(found, array(model(IMAGES)), **CLOSE)
