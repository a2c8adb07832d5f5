"""ResNet-18: shapes, strides, names and shortcuts as in He et al., Table 1."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from ranparity.models import layers, zoo
from ranparity.models.describe import caffe_layers


def built(name: str, size: int, **arguments: Any) -> dict[str, Any]:
    """The layers of a narrow twin, by their Caffe names."""
    model = zoo.entry(name).build(**({"input_shape": (size, size, 3)} | arguments))
    return {layer.caffe_name: layer for layer in caffe_layers(model)}


def shape(layer: Any) -> tuple[int, ...]:
    return tuple(layer.output.shape[1:])


def test_maps_at_every_stage_at_224() -> None:
    found = built("resnet18@16", 224)
    assert shape(found["conv1"]) == (112, 112, 4)
    assert shape(found["pool1"]) == (56, 56, 4)
    for stage, side, width in ((2, 56, 4), (3, 28, 8), (4, 14, 16), (5, 7, 32)):
        for unit in "ab":
            assert shape(found[f"res{stage}{unit}_relu"]) == (side, side, width)
    assert shape(found["pool5/flat"]) == (32,)
    assert (found["conv1"].kernel_size, found["conv1"].strides, found["conv1"].pad) == (
        (7, 7),
        (2, 2),
        (3, 3),
    )


def test_the_form_for_small_images_has_a_stem_of_stride_1_and_no_pool() -> None:
    found = built("resnet18-cifar@16", 32)
    assert "pool1" not in found
    assert shape(found["conv1_relu"]) == (32, 32, 4)
    assert [shape(found[f"res{stage}b_relu"])[0] for stage in (2, 3, 4, 5)] == [32, 16, 8, 4]
    assert found["conv1"].kernel_size == (3, 3)


def test_only_units_that_change_the_width_have_a_convolution_in_their_shortcut() -> None:
    found = built("resnet18-cifar@16", 16)
    projected = {name for name in found if name.endswith("_branch1")}
    assert {name for name in projected if name.startswith("res")} == {
        "res3a_branch1",
        "res4a_branch1",
        "res5a_branch1",
    }
    assert len(projected) == 6  # each with a BN


def test_stride_and_order_within_a_unit() -> None:
    found = built("resnet18-cifar@16", 16)
    names = [name for name in found if "3a" in name]
    assert names == [
        "res3a_branch1",
        "bn3a_branch1",
        "res3a_branch2a",
        "bn3a_branch2a",
        "res3a_branch2a_relu",
        "res3a_branch2b",
        "bn3a_branch2b",
        "res3a",
        "res3a_relu",
    ]
    strides = [found[f"res3a_branch{name}"].strides for name in ("1", "2a", "2b")]
    assert strides == [(2, 2), (2, 2), (1, 1)]
    assert not any(
        layer.use_bias
        for layer in found.values()
        if hasattr(layer, "strides") and isinstance(layer, layers.Convolution)
    )


def test_a_unit_adds_its_shortcut() -> None:
    """With its last BN's scale and shift at 0 a unit without a projection changes nothing."""
    model = zoo.entry("resnet18-cifar@16").build(input_shape=(16, 16, 3))
    by_name = {layer.caffe_name: layer for layer in caffe_layers(model)}
    for variable in (by_name["bn2b_branch2b"].gamma, by_name["bn2b_branch2b"].beta):
        variable.assign(np.zeros(variable.shape))
    probe = keras.Model(model.input, [by_name["res2a_relu"].output, by_name["res2b_relu"].output])
    images = np.random.default_rng(0).standard_normal((2, 16, 16, 3)).astype("float32")
    before, after = (keras.ops.convert_to_numpy(y) for y in probe(images))
    assert before.max() > 0
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("top", [True, False])
def test_the_classifier_is_called_fc1000_whatever_the_classes(top: bool) -> None:
    model = zoo.entry("resnet18-cifar@16").build(
        input_shape=(16, 16, 3), classes=7, include_top=top
    )
    assert model.output_shape == (None, 7 if top else 32)
    names = [layer.caffe_name for layer in caffe_layers(model)]
    assert names[-1] == ("prob" if top else "pool5/flat")
    assert ("fc1000" in names) == top
