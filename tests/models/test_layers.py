"""Each layer on each backend, in float64 and both data formats, against plain loops."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import keras
import numpy as np
import pytest

from ranparity.caffe.shapes import pooling_output_size
from ranparity.errors import InputError
from ranparity.models import layers
from tests.models import cases, reference

Array = np.ndarray[Any, Any]


def expected(case: cases.LayerCase) -> dict[str, Array]:
    """What the case gives, from the reference loops; weights as the worker sets them."""
    given = cases.inputs(case)
    x = given[0]
    if case.layer == "Convolution":
        inputs = x.shape[-1] // case.arguments["groups"]
        weight = cases.value("kernel", (*reference.pair(case.arguments["kernel_size"]), inputs, 8))
        bias = cases.value("bias", (8,))
        return {"y": reference.convolution(x, weight, bias, case.arguments)}
    if case.layer == "CaffePool":
        return {"y": reference.pool(x, case.arguments)}
    if case.layer == "Interp":
        return {"y": reference.interp(x, given[1])}
    if case.layer == "BN":
        return expected_bn(case, x)
    if case.layer == "InnerProduct":
        flat = x.transpose(0, 3, 1, 2).reshape(2, -1) if x.ndim == 4 else x
        weight = cases.value("kernel", (flat.shape[1], 5))
        return {"y": flat @ weight + cases.value("bias", (5,))}
    if case.layer == "Slice":
        axis = case.arguments["axis"]
        parts = np.split(x, x.shape[axis], axis)
        return {f"y{number or ''}": part for number, part in enumerate(parts)}
    return {"y": expected_blob(case, given)}


def expected_blob(case: cases.LayerCase, given: list[Array]) -> Array:
    """What the layers without a window and without trained weights give."""
    x, arguments = given[0], case.arguments
    if case.layer == "Eltwise":
        factors = arguments.get("coeff", (1.0,) * len(given))
        summed = sum(one * factor for one, factor in zip(given, factors, strict=True))
        return summed if arguments["operation"] == "SUM" else given[0] * given[1]
    simple: dict[str, Any] = {
        "Normalize": lambda: reference.normalize(
            x, arguments.get("eps", 1e-10), cases.value("scale", ())
        ),
        "MVN": lambda: reference.mvn(x, arguments.get("eps", 1e-9)),
        "Flatten": lambda: x.transpose(0, 3, 1, 2).reshape(len(x), -1),
        "Power": lambda: x ** arguments["power"],
        "Concat": lambda: np.concatenate(given, arguments["axis"]),
        "Reduction": lambda: reference.reduction(
            x, arguments["operation"], arguments.get("axis", 0)
        ),
        "Parameter": lambda: cases.value("parameter", arguments["shape"]),
        "SharedInnerProduct": lambda: given[0] @ given[1],
        "ReLU": lambda: np.where(x > 0, x, x * case.arguments.get("negative_slope", 0.0)),
        "Sigmoid": lambda: 1 / (1 + np.exp(-x)),
        "Softmax": lambda: reference.softmax(x),
    }
    return np.asarray(simple[case.layer]())


def expected_bn(case: cases.LayerCase, x: Array) -> dict[str, Array]:
    gamma, beta, mean, variance = (
        cases.value(name, (3,)) for name in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    if not case.training:
        return {"y": reference.batch_norm(x, mean, variance, gamma, beta)}
    batch_mean = x.mean(axis=(0, 1, 2))
    batch_variance = ((x - batch_mean) ** 2).mean(axis=(0, 1, 2))
    return {
        "y": reference.batch_norm(x, batch_mean, batch_variance, gamma, beta),
        "mean": 0.9 * mean + 0.1 * batch_mean,
        "variance": 0.9 * variance + 0.1 * batch_variance,
    }


def error(found: Array, wanted: Array) -> float:
    """The largest error relative to the largest element."""
    assert found.shape == wanted.shape
    return float(np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-300))


@pytest.mark.parametrize("side", ["channels_last", "channels_first"])
def test_every_layer_is_caffes_in_float64(
    model_results: dict[str, dict[str, Array]], backend: str, side: str
) -> None:
    worst = {}
    for name, case in cases.LAYERS.items():
        for what, wanted in expected(case).items():
            found = model_results[backend][f"{side}|{name}|{what}"]
            worst[f"{name} {what}"] = error(found, wanted)
    bad = {name: value for name, value in worst.items() if not value <= cases.FLOAT64}
    assert not bad
    statistics, pieces = 2 * 2, 2 + 3  # of two batch norms in training; more than one of a slice
    assert len(worst) == len(cases.LAYERS) + statistics + pieces


def test_the_tolerance_finds_float32(model_results: dict[str, dict[str, Array]]) -> None:
    """A layer that computes in float32 anywhere is well outside the tolerance."""
    name = "convolution-k3-s1-p2-d2-g2"
    found = model_results["torch"][f"channels_last|{name}|y"]
    assert error(found.astype(np.float32), found) > 10 * cases.FLOAT64


def windows() -> st.SearchStrategy[tuple[int, int, int, int]]:
    """Map, kernel, stride and pad in pixels, with a pad smaller than the kernel."""
    return st.tuples(
        st.integers(1, 12), st.integers(1, 5), st.integers(1, 4), st.integers(0, 2)
    ).filter(lambda w: w[3] < w[1] <= w[0] + 2 * w[3])


@hypothesis.given(windows(), st.sampled_from(["MAX", "AVE"]), st.sampled_from(["CEIL", "FLOOR"]))
@hypothesis.settings(max_examples=150)
def test_pool_at_any_size(window: tuple[int, int, int, int], kind: str, mode: str) -> None:
    size, kernel, stride, pad = window
    out = pooling_output_size(size, kernel, stride, pad, ceil=mode == "CEIL")
    hypothesis.assume(kind == "MAX" or (out - 1) * stride < size + pad)  # else Caffe's 0/0
    arguments = {
        "pool": kind,
        "kernel_size": kernel,
        "strides": stride,
        "pad": pad,
        "round_mode": mode,
    }
    x = np.random.default_rng(size).standard_normal((1, size, size, 2))
    layer = layers.CaffePool(
        caffe_name="p", caffe_order=0, dtype="float64", data_format="channels_last", **arguments
    )
    found = keras.ops.convert_to_numpy(layer(keras.ops.convert_to_tensor(x)))
    assert error(found, reference.pool(x, arguments)) <= cases.FLOAT64


@hypothesis.given(st.integers(1, 20), st.integers(1, 20))
def test_interpolation_matrix(size: int, out: int) -> None:
    matrix = layers.interpolation_matrix(size, out)
    assert matrix.shape == (out, size)
    assert (matrix >= 0).all()
    np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=1e-15)
    assert matrix[0, 0] == 1  # corners stay corners
    if out > 1:
        assert matrix[-1, -1] == pytest.approx(1)
    ramp = np.linspace(0, 1, size) if size > 1 else np.zeros(1)
    wanted = np.linspace(0, 1, out) if out > 1 and size > 1 else np.zeros(out)
    np.testing.assert_allclose(matrix @ ramp, wanted, atol=1e-14)  # straight lines stay straight


def test_interpolation_is_not_half_pixel() -> None:
    """The rule that frameworks have in its place reads elsewhere: 3 pixels to 5."""
    aligned = layers.interpolation_matrix(3, 5) @ np.arange(3.0)
    half_pixel = np.clip((np.arange(5) + 0.5) * 3 / 5 - 0.5, 0, 2)
    assert list(aligned) == [0, 0.5, 1, 1.5, 2]
    assert np.abs(aligned - half_pixel).max() > 0.1


def test_same_padding_parts_from_caffes_pool() -> None:
    """At 25 pixels Caffe's pool gives 12 and `same` gives 13: why sizes are worked out here."""
    assert pooling_output_size(25, 3, 2, 0) == 12
    pool = keras.layers.MaxPooling2D(3, 2, padding="same")
    assert pool.compute_output_shape((1, 25, 25, 1))[1] == 13


def test_a_map_that_is_constant_is_standardised_to_zero_with_caffes_gradient() -> None:
    """Its deviation is 0, where a root has no derivative; Caffe's backward pass takes it as 0."""
    import torch

    random = np.random.default_rng(0)
    x = random.standard_normal((2, 3, 4, 5))
    x[0, :, :, 1] = 0.75
    x[1, :, :, 3] = 0.0
    upstream = random.standard_normal(x.shape)
    given = torch.tensor(x, requires_grad=True)
    layer = layers.MVN(caffe_name="m", caffe_order=0, dtype="float64", data_format="channels_last")
    y = layer(given)
    assert (y[0, :, :, 1] == 0).all()
    assert (y[1, :, :, 3] == 0).all()
    (gradient,) = torch.autograd.grad(y, given, torch.tensor(upstream), retain_graph=True)
    wanted = reference.mvn_gradient(x, upstream, 1e-9)
    for channel in range(5):  # 1e9 where the map is constant, 1 elsewhere
        for image in range(2):
            found = gradient.numpy()[image, :, :, channel]
            assert error(found, wanted[image, :, :, channel]) <= 1e-8  # eps against the deviation
    (same,) = torch.autograd.grad(y.sum(), given)
    assert (same[0, :, :, 1] == 0).all()


def test_a_parameter_starts_normal_with_the_fan_outs_variance() -> None:
    keras.utils.set_random_seed(3)
    layer = layers.Parameter((50, 400), caffe_name="a", caffe_order=0)
    drawn = keras.ops.convert_to_numpy(layer(np.zeros((1, 1), "float32")))
    assert drawn.std() == pytest.approx(np.sqrt(2 / 50), rel=0.01)
    assert abs(drawn.mean()) < 0.01
    assert np.abs(drawn).max() > 2.5 * np.sqrt(2 / 50)  # not truncated
    assert layer.parameter.trainable


def test_the_scale_of_a_normalisation_is_no_trained_weight() -> None:
    layer = layers.Normalize(caffe_name="a", caffe_order=0)
    layer.build((1, 2, 2, 3))
    assert layer.trainable_variables == []
    assert [float(keras.ops.convert_to_numpy(v)) for v in layer.variables] == [1.0]


def test_a_scalar_is_added_to_the_loss_once_a_call() -> None:
    layer = layers.WithLoss(0.5)
    x = keras.ops.convert_to_tensor(np.ones((2, 3), "float32"))
    for scalar in (4.0, 6.0):
        y = layer([x, keras.ops.convert_to_tensor(scalar)])
        assert y is x
        assert [float(loss) for loss in layer.losses] == [0.5 * scalar]


def test_msra_draws_caffes_variance_and_the_same_on_every_backend(
    model_results: dict[str, dict[str, Array]],
) -> None:
    shape = (3, 3, 64, 128)
    drawn = keras.ops.convert_to_numpy(layers.MSRA(seed=1)(shape, "float32"))
    assert drawn.std() == pytest.approx(np.sqrt(2 / (3 * 3 * 64)), rel=0.01)
    assert abs(drawn.mean()) < 1e-3
    for found in model_results.values():
        np.testing.assert_array_equal(found["msra|kernel"], drawn)


def test_uniform_fills_its_bounds_and_the_same_on_every_backend(
    model_results: dict[str, dict[str, Array]],
) -> None:
    drawn = keras.ops.convert_to_numpy(layers.Uniform(0.25, seed=1)((64, 128), "float32"))
    assert -0.25 <= drawn.min() < -0.24 < 0.24 < drawn.max() <= 0.25
    assert drawn.std() == pytest.approx(0.5 / np.sqrt(12), rel=0.02)
    for found in model_results.values():
        np.testing.assert_array_equal(found["uniform|kernel"], drawn)


@pytest.mark.parametrize("make", [layers.MSRA, lambda: layers.Uniform(0.5)])
def test_an_initializer_follows_keras_seed(make: Callable[[], Any]) -> None:
    def draw() -> Array:
        keras.utils.set_random_seed(7)
        return np.asarray(keras.ops.convert_to_numpy(make()((3, 4))))

    np.testing.assert_array_equal(draw(), draw())


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (
            lambda: layers.CaffePool("MIN", 3, caffe_name="a/b", caffe_order=0),
            None,
            'layer "a/b": pool must be MAX or AVE; found MIN',
        ),
        (
            lambda: layers.Eltwise("MIN", caffe_name="a/b", caffe_order=0),
            None,
            'layer "a/b": operation must be SUM or PROD; found MIN',
        ),
        (
            lambda: layers.Reduction("ASUM", caffe_name="a/b", caffe_order=0),
            None,
            'layer "a/b": operation must be one of SUM, SUMSQ, MEAN; found ASUM',
        ),
        (
            lambda: layers.CaffePool("MAX", 3, caffe_name="a/b", caffe_order=0),
            (1, 2, 2, 1),
            'layer "a/b": a window of 3 pixels is larger than its map of 2 (padding 0); expected '
            "a smaller window or a larger input",
        ),
        (
            lambda: layers.CaffePool("MAX", 3, caffe_name="a/b", caffe_order=0),
            (1, None, 9, 1),
            'layer "a/b": expected maps of a fixed height and width, found None',
        ),
        (
            lambda: layers.Convolution(8, 3, caffe_name="a/b", caffe_order=0),
            (1, 2, 2, 1),
            'layer "a/b": a window of 3 pixels is larger than its map of 2 (padding 0); expected '
            "a smaller window or a larger input",
        ),
        (
            lambda: layers.Eltwise("SUM", caffe_name="a/b", caffe_order=0),
            [(1, 2, 2, 1), (1, 2, 1, 1)],
            'layer "a/b": expected inputs of equal shapes, found [(1, 2, 2, 1), (1, 2, 1, 1)]',
        ),
    ],
)
def test_a_layer_that_cannot_be_says_so(make: Any, shape: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        make().compute_output_shape(shape)
    assert str(caught.value) == message


def test_average_window_past_the_map_is_refused() -> None:
    """Caffe divides 0 by 0 there (map 4, kernel 1, stride 2 gives a third window at pixel 4)."""
    with pytest.raises(InputError, match="divides 0 by 0"):
        layers.CaffePool("AVE", 1, 2, caffe_name="a", caffe_order=0)(np.ones((1, 4, 4, 1)))


def test_layers_are_made_again_from_their_config() -> None:
    arguments = {"caffe_name": "a/b", "caffe_order": 3}
    for layer in (
        layers.Convolution(8, 3, pad=(1, 2), groups=2, use_bias=False, **arguments),
        layers.CaffePool("AVE", (2, 3), 2, 1, "FLOOR", "channels_first", **arguments),
        layers.Interp("channels_first", **arguments),
        layers.BN(**arguments),
        layers.ReLU(negative_slope=0.1, **arguments),
        layers.Sigmoid(**arguments),
        layers.Eltwise("PROD", **arguments),
        layers.InnerProduct(4, "channels_first", **arguments),
        layers.Softmax(**arguments),
        layers.Eltwise("SUM", (1.0, -1.0), **arguments),
        layers.Normalize(1e-6, data_format="channels_first", **arguments),
        layers.MVN(1e-6, data_format="channels_first", **arguments),
        layers.Flatten("channels_first", **arguments),
        layers.Power(0.5, **arguments),
        layers.Slice(1, **arguments),
        layers.Concat(1, **arguments),
        layers.Reduction("SUMSQ", 1, **arguments),
        layers.Parameter((2, 3), **arguments),
        layers.SharedInnerProduct(**arguments),
    ):
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()
        assert (again.caffe_name, again.caffe_order, again.name) == ("a/b", 3, "a-b")
    again = layers.WithLoss.from_config(layers.WithLoss(-0.001).get_config())
    assert again.weight == -0.001


def test_nothing_here_pads_by_the_word_same() -> None:
    for path in Path(layers.__file__).parents[1].rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "padding":
                assert getattr(node.value, "value", None) != "same", f"{path}:{node.lineno}"
