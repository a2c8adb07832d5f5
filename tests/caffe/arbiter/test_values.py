"""What layers of deployed nets compute, against loops written out by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ranparity.caffe.arbiter.base import Call
from ranparity.caffe.arbiter.run import LAYERS
from ranparity.caffe.rules.base import RuleError
from tests.caffe.rules import tables

Array = np.ndarray[Any, Any]


def run(type_: str, params: str, *bottoms: Array, tops: int = 1, **weights: Array) -> list[Array]:
    """The tops of a layer in inference mode."""
    shapes = [x.shape for x in bottoms]
    facts = tables.apply(type_, params, shapes, tops)
    node = tables.node(type_, params, len(bottoms), tops)
    given = [torch.tensor(x, dtype=torch.float64) for x in bottoms]
    values = {name: torch.tensor(x, dtype=torch.float64) for name, x in weights.items()}
    found = LAYERS[type_].operation(Call(node, facts, given, values, {}, training=False))
    assert [tuple(top.shape) for top in found.tops] == list(facts.tops)
    return [top.numpy() for top in found.tops]


def drawn(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).standard_normal(shape)


def test_lrn_divides_by_the_squares_of_neighbouring_channels() -> None:
    x, expected = 3 * drawn(2, 7, 3, 4), np.zeros((2, 7, 3, 4))
    for n, c, h, w in np.ndindex(x.shape):
        total = sum(x[n, k, h, w] ** 2 for k in range(max(0, c - 2), min(7, c + 3)))
        expected[n, c, h, w] = x[n, c, h, w] / (2 + 0.3 / 5 * total) ** 0.6
    (found,) = run("LRN", "lrn_param { local_size: 5 alpha: 0.3 beta: 0.6 k: 2 }", x)
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_lrn_within_a_channel_averages_as_a_pool_does_and_takes_1_for_k() -> None:
    """At an edge by the places of the map and its padding: see `src/caffe/layers/lrn_layer.cpp`."""
    x, expected = 3 * drawn(1, 2, 5, 4), np.zeros((1, 2, 5, 4))
    for n, c, h, w in np.ndindex(x.shape):
        rows, columns = range(h - 1, min(h + 2, 5 + 1)), range(w - 1, min(w + 2, 4 + 1))
        inside = [(i, j) for i, j in itertools.product(rows, columns) if 0 <= i < 5 and 0 <= j < 4]
        mean = sum(x[n, c, i, j] ** 2 for i, j in inside) / (len(rows) * len(columns))
        expected[n, c, h, w] = x[n, c, h, w] / (1 + 0.3 * mean) ** 0.6
    params = "lrn_param { local_size: 3 alpha: 0.3 beta: 0.6 k: 2 norm_region: WITHIN_CHANNEL }"
    np.testing.assert_allclose(run("LRN", params, x)[0], expected, rtol=1e-7)


def test_a_deconvolution_spreads_each_element_over_its_window() -> None:
    x, weight, bias = drawn(2, 4, 3, 5), drawn(4, 3, 3, 2), drawn(6)
    whole = np.zeros((2, 6, 2 * 2 + 5, 3 * 4 + 3))  # dilated by 2, stride 2x3, not yet cropped
    for n, i, h, w in np.ndindex(x.shape):
        group = i // 2
        for o, kh, kw in np.ndindex(3, 3, 2):
            place = (n, group * 3 + o, 2 * h + 2 * kh, 3 * w + 2 * kw)
            whole[place] += x[n, i, h, w] * weight[i, o, kh, kw]
    expected = whole[:, :, 1:-1, 0:] + bias[:, None, None]
    params = (
        "convolution_param { num_output: 6 group: 2 kernel_h: 3 kernel_w: 2 stride_h: 2 "
        "stride_w: 3 pad_h: 1 pad_w: 0 dilation: 2 }"
    )
    (found,) = run("Deconvolution", params, x, weight=weight, bias=bias)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_convolutions_of_channels_are_each_its_own() -> None:
    x, weight = drawn(1, 3, 4, 4), drawn(3, 1, 2, 2)
    expected = np.zeros((1, 3, 3, 3))
    for c, h, w in np.ndindex(3, 3, 3):
        expected[0, c, h, w] = (x[0, c, h : h + 2, w : w + 2] * weight[c, 0]).sum()
    shared = "num_output: 3 kernel_size: 2 bias_term: false"
    for type_, more in (("ConvolutionDepthwise", ""), ("DepthwiseConvolution", "group: 3")):
        params = f"convolution_param {{ {shared} {more} }}"
        np.testing.assert_allclose(run(type_, params, x, weight=weight)[0], expected)


@pytest.mark.parametrize("pad", [0, 1])
def test_upsample_undoes_a_pool_at_the_places_that_it_remembers(pad: int) -> None:
    x = drawn(2, 3, 6, 8)
    params = f"pooling_param {{ pool: MAX kernel_size: 2 stride: 2 pad: {pad} }}"
    pooled, places = run("Pooling", params, x, tops=2)
    flat = x.reshape(2, 3, -1)
    for n, c, h, w in np.ndindex(pooled.shape):
        assert flat[n, c, int(places[n, c, h, w])] == pooled[n, c, h, w]
    size = "upsample_param { upsample_h: 6 upsample_w: 8 }"
    (back,) = run("Upsample", size, pooled, places)
    kept = back != 0
    np.testing.assert_array_equal(back[kept], x[kept])
    assert kept.sum() == np.unique(places.reshape(6, -1) + 1e3 * np.arange(6)[:, None]).size


def test_upsample_refuses_a_place_past_its_map() -> None:
    with pytest.raises(RuleError, match="expected places below 4, found 5"):
        run("Upsample", "upsample_param { scale: 2 }", drawn(1, 1, 1, 1), np.full((1, 1, 1, 1), 5))


def test_prelu_has_a_slope_for_each_channel_or_one() -> None:
    x, slope = drawn(2, 3, 2, 2), np.array([0.1, -0.2, 3.0])
    expected = np.where(x > 0, x, x * slope[:, None, None])
    np.testing.assert_allclose(run("PReLU", "", x, slope=slope)[0], expected)
    one = run("PReLU", "prelu_param { channel_shared: true }", x, slope=np.float64(0.25))
    np.testing.assert_allclose(one[0], np.where(x > 0, x, x / 4))


def test_dropout_is_the_identity_and_is_not_trained() -> None:
    x = drawn(2, 3)
    np.testing.assert_array_equal(run("Dropout", "", x)[0], x)
    node, facts = tables.node("Dropout", "", 1), tables.apply("Dropout", "", [(2, 3)])
    with pytest.raises(RuleError, match="draws elements in training"):
        LAYERS["Dropout"].operation(Call(node, facts, [x], {}, {}, training=True))


def test_segnets_bn_is_a_scale_and_a_shift() -> None:
    x, factor, shift = drawn(2, 3, 2, 2), drawn(3), drawn(3) + 1
    (found,) = run("BN", "bn_param { bn_mode: INFERENCE }", x, scale=factor, shift=shift)
    np.testing.assert_allclose(found, x * factor[:, None, None] + shift[:, None, None])


def test_bias_adds_along_its_axes() -> None:
    x, learned, given = drawn(2, 3, 4, 5), drawn(4), drawn(3, 4)
    (found,) = run("Bias", "bias_param { axis: 2 }", x, bias=learned)
    np.testing.assert_allclose(found, x + learned[:, None])
    np.testing.assert_allclose(run("Bias", "", x, given)[0], x + given[:, :, None])


CURVES: list[tuple[str, str, Callable[[float], float]]] = [
    ("AbsVal", "", abs),
    ("BNLL", "", lambda x: math.log(1 + math.exp(x))),
    ("Clip", "clip_param { min: -0.5 max: 0.75 }", lambda x: min(max(x, -0.5), 0.75)),
    ("ELU", "elu_param { alpha: 0.5 }", lambda x: x if x > 0 else 0.5 * (math.exp(x) - 1)),
    ("Exp", "exp_param { shift: 1 }", lambda x: math.exp(1 + x)),
    ("Exp", "exp_param { base: 2 scale: 3 shift: 0.5 }", lambda x: 2 ** (0.5 + 3 * x)),
    ("Log", "log_param { shift: 8 }", lambda x: math.log(8 + x)),
    ("Log", "log_param { base: 10 scale: 2 shift: 16 }", lambda x: math.log10(16 + 2 * x)),
    ("ReLU6", "", lambda x: min(max(x, 0), 6)),
    ("Swish", "swish_param { beta: 2 }", lambda x: x / (1 + math.exp(-2 * x))),
    ("TanH", "", math.tanh),
    ("Threshold", "threshold_param { threshold: 0.25 }", lambda x: float(x > 0.25)),
]


@pytest.mark.parametrize(("type_", "params", "function"), CURVES)
def test_curves_are_of_each_element(
    type_: str, params: str, function: Callable[[float], float]
) -> None:
    x = np.array([-7.5, -1.5, -0.25, 0.0, 0.25, 0.5, 3.0, 6.5])
    expected = [function(value) for value in x]
    np.testing.assert_allclose(run(type_, params, x)[0], expected, rtol=1e-12, atol=1e-15)


def test_axpy_scales_each_channel_and_adds() -> None:
    factor, x, y = drawn(2, 3, 1, 1), drawn(2, 3, 4, 5), drawn(2, 3, 4, 5) + 1
    np.testing.assert_allclose(run("Axpy", "", factor, x, y)[0], factor * x + y)


def test_crop_takes_a_part_from_an_offset_on() -> None:
    x = drawn(2, 3, 6, 7)
    params = "crop_param { axis: 1 offset: 1 offset: 2 offset: 3 }"
    (found,) = run("Crop", params, x, drawn(1, 2, 3, 4))
    np.testing.assert_array_equal(found, x[:, 1:3, 2:5, 3:7])


def test_channels_are_shuffled_between_groups() -> None:
    x = np.arange(6.0).reshape(1, 6, 1, 1)
    (found,) = run("ShuffleChannel", "shuffle_channel_param { group: 2 }", x)
    assert found.ravel().tolist() == [0, 3, 1, 4, 2, 5]


def test_what_moves_elements_moves_them_so() -> None:
    x = drawn(2, 3, 4, 5)
    order = "permute_param { order: 0 order: 2 order: 3 order: 1 }"
    np.testing.assert_array_equal(run("Permute", order, x)[0], x.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(
        run("Tile", "tile_param { axis: 2 tiles: 2 }", x)[0], np.concatenate([x, x], 2)
    )
    shape = "reshape_param { shape { dim: 0 dim: -1 dim: 10 } }"
    np.testing.assert_array_equal(run("Reshape", shape, x)[0], x.reshape(2, 6, 10))
    for copy in run("Split", "", x, tops=2):
        np.testing.assert_array_equal(copy, x)


def test_argmax_gives_places_or_values_of_the_largest() -> None:
    x = np.array([[3.0, 9, 1, 7], [2, 0, 8, 5]])
    assert run("ArgMax", "", x)[0].tolist() == [[[1]], [[2]]]
    both = "argmax_param { top_k: 2 out_max_val: true }"
    assert run("ArgMax", both, x)[0].tolist() == [[[1, 3], [9, 7]], [[2, 3], [8, 5]]]
    along = "argmax_param { axis: 1 top_k: 2 }"
    assert run("ArgMax", along, x)[0].tolist() == [[1, 3], [2, 3]]
    values = "argmax_param { axis: 1 out_max_val: true }"
    assert run("ArgMax", values, x)[0].tolist() == [[9], [8]]
