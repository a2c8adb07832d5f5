"""The networks: on all backends alike, in both data formats, saved, loaded, fitted."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from ranparity import models
from ranparity.errors import InputError
from ranparity.models import layers, zoo
from ranparity.models.attention import build_attention
from ranparity.models.describe import caffe_layers
from tests.conftest import BACKENDS
from tests.models import cases
from tests.models.test_layers import error

Found = dict[str, dict[str, np.ndarray[Any, Any]]]
FLOAT32 = 1e-4
"""Largest error, relative to the largest element, that float32 outputs of the tiny net may show.

Measured between backends: 4e-7. It is no verdict on parity, which is the ladder's; it tells a
model that was loaded from one that was not, whose outputs differ in the first digit.
"""


@pytest.mark.parametrize("kind", cases.NARROW)
def test_every_blob_is_the_same_in_float64_on_all_backends(
    model_results: Found, backend: str, kind: str
) -> None:
    """Every blob in both modes and every moving statistic; also with channels first."""
    found, wanted = model_results[backend], model_results["torch"]
    names = [name for name in found if name.startswith((f"channels_last|{kind}|",))]
    names += [name for name in found if name.startswith(f"channels_first|{kind}|")]
    assert len(names) > 2 * 380
    bad = {}
    for name in names:
        reference = wanted[name.replace("channels_first", "channels_last")]
        if not error(found[name], reference) <= cases.FLOAT64:
            bad[name] = error(found[name], reference)
    assert not bad


def test_training_mode_uses_the_batch_and_moves_the_statistics(model_results: Found) -> None:
    found = model_results["torch"]
    blob = "channels_last|preactivation|{}|conv1/bn"
    assert error(found[blob.format(True)], found[blob.format(False)]) > 0.01
    mean = found["channels_last|preactivation|mean|conv1/bn"]
    batch = found["channels_last|preactivation|True|conv1"].mean(axis=(0, 1, 2))
    start = cases.value("moving_mean", mean.shape)
    assert error(mean, 0.9 * start + 0.1 * batch) <= cases.FLOAT64
    assert error(mean, 0.99 * start + 0.01 * batch) > 0.01  # Keras's own momentum would show


def test_saved_on_one_backend_and_loaded_on_the_others(
    model_results: Found, shared_folder: Path
) -> None:
    """Torch's model on TensorFlow and JAX, TensorFlow's on JAX, and theirs here on torch."""
    own = {backend: model_results[backend]["saved|own"] for backend in BACKENDS}
    loads = 0
    for backend in BACKENDS:
        assert error(model_results[backend]["saved|reloaded"], own[backend]) == 0
        for source in BACKENDS:
            name = f"saved|from {source}"
            if name in model_results[backend]:
                loads += 1
                assert error(model_results[backend][name], own[source]) <= FLOAT32
                names = list(model_results[backend][f"saved|names from {source}"])
                assert names == list(model_results["torch"]["saved|names from torch"])
    assert loads == 6
    for source in ("tensorflow", "jax"):
        loaded = keras.models.load_model(shared_folder / f"{source}.keras")
        images = np.random.default_rng(1).standard_normal((4, 12, 12, 3)).astype("float32")
        here = keras.ops.convert_to_numpy(loaded(images))
        assert error(here, own[source]) <= FLOAT32


def test_compile_and_fit_and_fine_tune(model_results: Found, backend: str) -> None:
    found = model_results[backend]
    for name in ("fit|loss", "fit|tuned loss"):
        assert found[name].shape == (2,)
        assert np.isfinite(found[name]).all()
        assert found[name][1] < found[name][0]
    assert found["fit|moved"] > 0
    assert found["fit|frozen moved"] == 0  # a frozen batch norm keeps its statistics


@pytest.mark.parametrize("name", models.__all__)
def test_the_functions_are_keras_applications_like(name: str) -> None:
    function = getattr(models, name)
    assert function.__name__ == name
    assert function.__doc__
    if name == "preprocess_input":
        return
    parameters = inspect.signature(function).parameters
    assert list(parameters)[:6] == [
        "include_top",
        "weights",
        "input_shape",
        "classes",
        "classifier_activation",
        "name",
    ]


def small(**arguments: Any) -> keras.Model:
    return build_attention(cases.TINY, **({"input_shape": (12, 12, 3), "classes": 4} | arguments))


def test_a_model_is_a_plain_functional_keras_model() -> None:
    model = small(name="net")
    assert type(model).__name__ == "Functional"
    assert (model.name, model.input_shape, model.output_shape) == (
        "net",
        (None, 12, 12, 3),
        (None, 4),
    )
    layer = model.get_layer("AttentionA_1-mask-linear_1")
    assert layer.caffe_name == "AttentionA_1/mask/linear_1"
    orders = [layer.caffe_order for layer in caffe_layers(model)]
    assert orders == list(range(len(model.layers) - 1))
    assert model.get_layer("conv1-bn").momentum == 0.9
    assert model.get_layer("conv1-bn").epsilon == 1e-5


def test_without_its_top_it_gives_the_last_activated_map() -> None:
    model = small(include_top=False)
    assert model.output_shape == (None, 6, 6, 32)
    assert isinstance(model.layers[-1], layers.ReLU)


def test_classifier_activation() -> None:
    assert isinstance(small().layers[-1], layers.Softmax)
    assert isinstance(small(classifier_activation=None).layers[-1], layers.InnerProduct)
    assert small(classifier_activation="relu").layers[-1].activation is keras.activations.relu
    images = np.zeros((2, 12, 12, 3), "float32")
    total = keras.ops.convert_to_numpy(small()(images)).sum(axis=1)
    np.testing.assert_allclose(total, 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("size", "kernel"), [((224, 224), "7x7"), ((320, 320), "10x10"), ((224, 320), "7x10")]
)
def test_the_head_pools_the_whole_map_at_any_size(size: tuple[int, int], kernel: str) -> None:
    model = models.Attention56(input_shape=(*size, 3), classes=2)
    height, width = model.get_layer("ave_pool").kernel_size
    assert f"{height}x{width}" == kernel
    assert model.output_shape == (None, 2)


def test_both_data_formats_have_the_same_weights() -> None:
    last = small()
    first = small(input_shape=(3, 12, 12), data_format="channels_first")
    assert first.input_shape == (None, 3, 12, 12)
    assert [w.path for w in last.weights] == [w.path for w in first.weights]
    first.set_weights(last.get_weights())
    images = np.random.default_rng(0).standard_normal((2, 12, 12, 3)).astype("float32")
    one = keras.ops.convert_to_numpy(last(images))
    two = keras.ops.convert_to_numpy(first(images.transpose(0, 3, 1, 2)))
    assert error(two, one) <= FLOAT32


def test_the_default_shape_follows_the_data_format() -> None:
    model = zoo.entry("attention56-cifar").build(data_format="channels_first")
    assert model.input_shape == (None, 3, 32, 32)


@pytest.mark.parametrize(
    "shape", [(None, None, 3), (224, 224), (0, 224, 3), (224.0, 224, 3), (224, 224, None)]
)
def test_a_size_that_is_not_fixed_is_refused(shape: Any) -> None:
    with pytest.raises(InputError) as caught:
        models.Attention56(input_shape=shape)
    assert str(caught.value).startswith("input_shape must be three positive integers")
    assert str(caught.value).endswith(f"Received: input_shape={shape}")


def test_a_size_that_is_too_small_names_the_layer() -> None:
    with pytest.raises(InputError) as caught:
        models.Attention56(input_shape=(32, 32, 3))
    assert str(caught.value) == (
        'layer "AttentionA_1/mask/down_sample/pool3_3x3_s2": a window of 3 pixels is larger than '
        "its map of 2 (padding 0); expected a smaller window or a larger input"
    )


def test_weights_from_a_path(tmp_path: Path) -> None:
    model = small()
    model.save_weights(tmp_path / "net.weights.h5")
    images = np.ones((1, 12, 12, 3), "float32")
    again = small(weights=tmp_path / "net.weights.h5")
    one, two = (keras.ops.convert_to_numpy(m(images)) for m in (model, again))
    np.testing.assert_array_equal(one, two)


def test_weights_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"weights must be None or a file of weights\. Received"):
        small(weights=tmp_path / "none.weights.h5")
    damaged = tmp_path / "damaged.weights.h5"
    damaged.write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"damaged\.weights\.h5: expected weights of attention"):
        small(weights=damaged)
    other = tmp_path / "other.weights.h5"
    small(classes=5).save_weights(other)
    with pytest.raises(InputError, match=r"other\.weights\.h5: expected weights of attention"):
        small(weights=other)


def test_preprocess_input_is_bgr_minus_the_mean() -> None:
    red = np.zeros((1, 2, 2, 3), "float32")
    red[..., 0] = 255
    found = models.preprocess_input(red, data_format="channels_last")
    np.testing.assert_allclose(found[0, 0, 0], [-103.939, -116.779, 255 - 123.68], rtol=1e-6)
    assert red[0, 0, 0, 0] == 255  # the caller's images stay as they are
    first = models.preprocess_input(red.transpose(0, 3, 1, 2), data_format="channels_first")
    np.testing.assert_allclose(first[0, :, 0, 0], found[0, 0, 0])


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Attention57'"):
        models.Attention57  # noqa: B018
