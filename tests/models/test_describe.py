"""The description reads the live model: what it computes with, not what it was made with."""

from __future__ import annotations

import json

import keras

from ranparity.caffe.description import Description
from ranparity.models import layers, zoo
from ranparity.models.describe import describe
from tests.models.test_attention import small


def test_a_description_goes_through_json() -> None:
    found = describe(small())
    assert Description.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_both_data_formats_are_described_alike() -> None:
    last = describe(small())
    first = describe(small(input_shape=(3, 12, 12), data_format="channels_first"))
    assert first.layers == last.layers
    assert first.inputs == last.inputs


def test_shapes_are_traced_and_not_taken_from_what_layers_state() -> None:
    """A layer that states a wrong shape is described with the one that it makes."""
    model = small()
    pool = model.get_layer("AttentionA_1-mask-down_sample-pool1_3x3_s2")
    before = describe(model).shapes[pool.caffe_name]
    pool.round_mode = "FLOOR"
    after = describe(model)
    assert pool.output.shape[1:3] == before[2:]  # what it stated when it was built
    assert after.shapes[pool.caffe_name] != before
    assert after.fault == ""


def test_a_model_that_does_not_run_is_described_with_its_fault() -> None:
    model = small()
    model.get_layer("pre_res_1-branch1-conv2_3x3").strides = (2, 2)
    found = describe(model)
    assert found.fault.startswith("does not run: ")
    (layer,) = (one for one in found.layers if one.name == "pre_res_1/branch1/conv2_3x3")
    assert layer.facts.attributes["stride"] == "2x2"


def test_an_activation_fused_into_a_layer_is_told() -> None:
    model = small()
    model.get_layer("conv1").activation = keras.activations.relu
    assert describe(model).layers[0].facts.attributes["activation"] == "relu"


def test_a_batch_norm_over_another_axis_is_told() -> None:
    model = small()
    model.get_layer("conv1-bn").axis = 1
    assert describe(model).layers[1].facts.attributes["axis"] == 1


def test_layers_come_in_the_order_in_which_they_were_made() -> None:
    """Keras sorts them by depth, which interleaves branches; Caffe's order is the builder's."""
    model = small()
    ours = [layer.name for layer in describe(model).layers]
    keras_order = [
        layer.caffe_name for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)
    ]
    assert sorted(ours) == sorted(keras_order)
    assert ours != keras_order
    assert isinstance(model.get_layer("cls"), layers.Softmax)
    assert ours[-1] == "cls"


def dranet() -> Description:
    """A narrow DRA-Net with three attractors, described."""
    return describe(zoo.entry("dranet-cifar@64").build(input_shape=(16, 16, 3), classes=3))


def test_a_layer_with_several_outputs_names_each() -> None:
    found = dranet()
    (cut,) = (layer for layer in found.layers if layer.type == "Slice")
    assert cut.outputs == tuple(f"regulariser/attractor_{number}" for number in (1, 2, 3))
    assert cut.facts.tops == ((1, 16),) * 3
    (first,) = (layer for layer in found.layers if layer.name == "regulariser/first")
    assert first.inputs == tuple(f"regulariser/attractor_{number}" for number in (1, 1, 2))


def test_a_net_may_be_one_layer_with_several_outputs() -> None:
    given = keras.Input((4,), name="data")
    cut = layers.Slice(axis=1, caffe_name="cut", caffe_order=0)
    found = describe(keras.Model(given, cut(given)))
    assert found.fault == ""
    assert found.outputs == tuple(f"cut_{number}" for number in (1, 2, 3, 4))
    assert [layer.facts.tops for layer in found.layers] == [((1, 1),) * 4]


def test_a_loss_is_an_output_with_a_weight_and_no_layer() -> None:
    found = dranet()
    assert found.outputs == ("prob", "regulariser")
    weights = {
        layer.name: layer.facts.attributes["loss_weight"]
        for layer in found.layers
        if "loss_weight" in layer.facts.attributes
    }
    assert weights == {"regulariser": "0.001"}
    assert found.shapes["regulariser"] == ()


def test_a_parameter_that_two_layers_share_counts_once() -> None:
    found = dranet()
    shared = [layer for layer in found.layers if layer.facts.shared]
    assert [(layer.name, layer.inputs) for layer in shared] == [
        ("attractors", ()),
        ("aggregation", ("weights/squared",)),
    ]
    assert {name for layer in shared for name in layer.facts.shared.values()} == {"attractors"}
    counted = sum(layer.facts.parameter_count for layer in found.layers)
    assert counted - found.totals.trainable_parameters == 3 * 16
