"""The networks: on all backends alike, in both data formats, saved, loaded, fitted."""

from __future__ import annotations

import functools
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


@pytest.mark.parametrize("kind", [*cases.NARROW, *cases.NARROWER])
def test_every_blob_is_the_same_in_float64_on_all_backends(
    model_results: Found, backend: str, kind: str
) -> None:
    """Every blob, of some kinds in both modes, and every moving statistic; also channels first."""
    found, wanted = model_results[backend], model_results["torch"]
    names = [name for name in found if name.startswith((f"channels_last|{kind}|",))]
    names += [name for name in found if name.startswith(f"channels_first|{kind}|")]
    assert len(names) > (2 * 380 if kind in cases.NARROW else 80)
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


def test_a_size_that_is_too_small_names_the_layer() -> None:
    with pytest.raises(InputError) as caught:
        models.Attention56(input_shape=(32, 32, 3))
    assert str(caught.value) == (
        'layer "AttentionA_1/mask/down_sample/pool3_3x3_s2": a window of 3 pixels is larger than '
        "its map of 2 (padding 0); expected a smaller window or a larger input"
    )


def test_preprocess_input_is_bgr_minus_the_mean() -> None:
    red = np.zeros((1, 2, 2, 3), "float32")
    red[..., 0] = 255
    found = models.preprocess_input(red, data_format="channels_last")
    np.testing.assert_allclose(found[0, 0, 0], [-103.939, -116.779, 255 - 123.68], rtol=1e-6)
    assert red[0, 0, 0, 0] == 255  # the caller's images stay as they are
    first = models.preprocess_input(red.transpose(0, 3, 1, 2), data_format="channels_first")
    np.testing.assert_allclose(first[0, :, 0, 0], found[0, 0, 0])


# Ablations and other people's forms, as narrow twins at 16x16.


@functools.cache
def twin(name: str, size: int = 16) -> tuple[keras.Model, dict[str, Any]]:
    """A narrow twin, and its layers by their Caffe names."""
    keras.utils.set_random_seed(5)
    model = zoo.entry(f"{name}@16").build(input_shape=(size, size, 3))
    return model, {layer.caffe_name: layer for layer in caffe_layers(model)}


def values(name: str, *blobs: str) -> list[np.ndarray[Any, Any]]:
    """What some layers of a twin give for seeded images."""
    model, found = twin(name)
    probe = keras.Model(model.input, [found[blob].output for blob in blobs])
    images = np.random.default_rng(2).standard_normal((2, 16, 16, 3)).astype("float32")
    made = keras.tree.flatten(probe(images, training=True))
    return [keras.ops.convert_to_numpy(y) for y in made]


def of_module(name: str, kind: type, module: str = "AttentionA_1") -> dict[str, Any]:
    """The layers of a class in a module of a twin, without the module's name."""
    return {
        path.removeprefix(f"{module}/"): layer
        for path, layer in twin(name)[1].items()
        if path.startswith(f"{module}/") and isinstance(layer, kind)
    }


MASKED = ("AttentionA_1/fusion", "AttentionA_1/trunk/res3", "AttentionA_1/mask")


def test_residual_learning_adds_the_product_to_the_trunk() -> None:
    fusion, trunk, mask = values("attention56-cifar", *MASKED)
    np.testing.assert_allclose(fusion, (1 + mask) * trunk, rtol=1e-5, atol=1e-5)
    operations = {n: e.operation for n, e in of_module("attention56-cifar", layers.Eltwise).items()}
    assert operations["fusion"] == "SUM"
    assert twin("attention56-cifar")[1]["AttentionA_1_residual"].operation == "PROD"


def test_naive_learning_is_the_product_alone() -> None:
    fusion, trunk, mask = values("attention56-cifar-naive", *MASKED)
    np.testing.assert_array_equal(fusion, mask * trunk)
    found = twin("attention56-cifar-naive")[1]
    assert found["AttentionA_1/fusion"].operation == "PROD"
    assert not [name for name in found if name.endswith("_residual")]


@pytest.mark.parametrize("name", ["attention56-cifar", "attention56-cifar-naive"])
def test_the_product_that_reads_the_mask_has_the_trunk_first(name: str) -> None:
    found = twin(name)[1]
    mask, trunk = found["AttentionA_1/mask"].output, found["AttentionA_1/trunk/res3"].output
    (product,) = (
        layer
        for layer in found.values()
        if isinstance(layer, layers.Eltwise) and any(x is mask for x in layer.input)
    )
    assert product.operation == "PROD"
    assert product.input[0] is trunk
    assert product.input[1] is mask


def test_a_local_mask_is_three_units_at_the_trunks_resolution() -> None:
    name = "attention56-cifar-local"
    units = {n for n in of_module(name, layers.Eltwise) if n.startswith("mask/")}
    assert units == {"mask/res1", "mask/res2", "mask/res3"}
    assert not of_module(name, layers.CaffePool)
    assert not of_module(name, layers.Interp)
    found = twin(name)[1]
    shapes = {found[f"AttentionA_1/{unit}"].output.shape for unit in (*units, "trunk/res3")}
    assert len(shapes) == 1
    assert any(n.startswith("mask/") for n in of_module("attention56-cifar", layers.Interp))


def test_without_skips_a_mask_has_no_sum_beside_its_units() -> None:
    with_skips = of_module("attention56-cifar", layers.Eltwise)
    without = of_module("attention56-cifar-no-skip", layers.Eltwise)
    assert set(with_skips) - set(without) == {
        "mask/skip/res1",
        "mask/skip/res2",
        "mask/up_sample1",
        "mask/up_sample2",
    }
    assert set(without) < set(with_skips)


def test_a_channel_mask_has_unit_length_at_each_position() -> None:
    """Equation 5: no sigmoid, so it may be negative."""
    blobs = ("AttentionA_1/mask", "AttentionA_1/mask/linear_2")
    mask, x = values("attention56-cifar-channel", *blobs)
    alive = np.abs(x).max(axis=-1) > 0.01  # narrow as it is, some positions are 0
    assert alive.mean() > 0.5
    np.testing.assert_allclose((mask**2).sum(axis=-1)[alive], 1, rtol=1e-5)
    assert mask.min() < 0
    assert not of_module("attention56-cifar-channel", layers.Sigmoid)


def test_a_spatial_mask_is_the_sigmoid_of_standardised_maps() -> None:
    """Equation 6: mean and deviation over the positions of one image's channel."""
    blobs = ("AttentionA_1/mask", "AttentionA_1/mask/linear_2")
    mask, x = values("attention56-cifar-spatial", *blobs)
    axes = (1, 2)
    wanted = (x - x.mean(axes, keepdims=True)) / x.std(axes, keepdims=True)
    np.testing.assert_allclose(mask, 1 / (1 + np.exp(-wanted)), rtol=1e-3, atol=1e-5)
    logits = np.log(mask / (1 - mask))
    np.testing.assert_allclose(logits.mean(axes), 0, atol=1e-3)
    np.testing.assert_allclose(logits.std(axes), 1, rtol=1e-3)


def test_a_mixed_mask_is_the_sigmoid_of_its_last_convolution() -> None:
    mask, x = values("attention56-cifar", "AttentionA_1/mask", "AttentionA_1/mask/linear_2")
    np.testing.assert_allclose(mask, 1 / (1 + np.exp(-x)), rtol=1e-5)


def test_a_mask_of_depth_0_has_no_pool_and_a_batch_norm_of_its_own() -> None:
    """It reads the same sum as the trunk, whose BN has the sum's name."""
    name, module = "attention92-tengshaofeng", "AttentionC_1"
    assert not of_module(name, layers.CaffePool, module)
    assert not of_module(name, layers.Interp, module)
    assert len(of_module(name, layers.CaffePool, "AttentionB_1")) == 1
    pre = {n for n in of_module(name, layers.BN, module) if n.endswith("/pre/bn")}
    assert pre == {"mask/down_sample/res0_1/pre/bn"}
    found = twin(name)[1]
    trunk, mask = (f"{module}/trunk/res1/bn", f"{module}/mask/down_sample/res0_1/pre/bn")
    assert found[trunk].input is found[mask].input


def test_in_the_e4040_form_every_shortcut_is_a_convolution() -> None:
    found = twin("attention56-e4040", 32)[1]
    branches = [n for n in found if n.endswith("/branch1/conv3_1x1")]
    shortcuts = [n for n in found if n.endswith("/branch2/conv1_1x1")]
    assert len(branches) == len(shortcuts)
    assert (found["conv1"].kernel_size, found["pool1_2x2_s2"].kernel_size) == ((5, 5), (2, 2))


def test_plain_units_of_modules_add_nothing() -> None:
    name = "attention56-e4040-wide-plain"
    twin_layers = twin(name, 32)[1]
    sums = [n for n, e in twin_layers.items() if isinstance(e, layers.Eltwise)]
    in_modules = {n.removeprefix("AttentionA_1/") for n in sums if n.startswith("AttentionA_1/")}
    assert in_modules == {"fusion", "mask/up_sample1"}
    assert "pre_res_1" in sums  # the units between the modules do


def test_resnet_164_has_one_batch_norm_between_its_stem_and_the_first_unit() -> None:
    """The stem is a bare convolution: the BN and ReLU are the unit's own, of which all read one."""
    assert list(twin("resnet164-cifar")[1])[:4] == [
        "conv1",
        "conv1/bn",
        "conv1/bn/relu",
        "post_res_1_1/branch1/conv1_1x1",
    ]
    assert list(twin("attention56-cifar")[1])[:5] == [
        "conv1",
        "conv1/bn",
        "conv1/bn/relu",
        "conv1/bn/relu/bn",
        "conv1/bn/relu/bn/relu",
    ]
