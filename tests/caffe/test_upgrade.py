"""Old forms of a file are read as the present one."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import FieldDescriptor

from ranparity.caffe import caffe_pb2, graph, prototxt, shapes, upgrade
from ranparity.caffe.prototxt import Net
from ranparity.errors import InputError

NOW = """
name: "old"
input: "data" input_dim: 2 input_dim: 3 input_dim: 12 input_dim: 12
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  convolution_param { num_output: 8 pad: 2 kernel_size: 3 stride: 2 group: 1
    weight_filler { type: "gaussian" std: 0.01 } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layer { name: "norm1" type: "LRN" bottom: "pool1" top: "norm1"
  lrn_param { local_size: 3 alpha: 0.5 beta: 0.7 } }
layer { name: "drop1" type: "Dropout" bottom: "norm1" top: "norm1"
  dropout_param { dropout_ratio: 0.4 } }
layer { name: "fc" type: "InnerProduct" bottom: "norm1" top: "fc"
  inner_product_param { num_output: 5 bias_term: false } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
V1 = """
name: "old"
input: "data" input_dim: 2 input_dim: 3 input_dim: 12 input_dim: 12
layers { name: "conv1" type: CONVOLUTION bottom: "data" top: "conv1"
  blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0
  convolution_param { num_output: 8 pad: 2 kernel_size: 3 stride: 2 group: 1
    weight_filler { type: "gaussian" std: 0.01 } } }
layers { name: "relu1" type: RELU bottom: "conv1" top: "conv1" }
layers { name: "pool1" type: POOLING bottom: "conv1" top: "pool1"
  pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layers { name: "norm1" type: LRN bottom: "pool1" top: "norm1"
  lrn_param { local_size: 3 alpha: 0.5 beta: 0.7 } }
layers { name: "drop1" type: DROPOUT bottom: "norm1" top: "norm1"
  dropout_param { dropout_ratio: 0.4 } }
layers { name: "fc" type: INNER_PRODUCT bottom: "norm1" top: "fc"
  inner_product_param { num_output: 5 bias_term: false } }
layers { name: "prob" type: SOFTMAX bottom: "fc" top: "prob" }
"""
V0 = """
name: "old"
input: "data" input_dim: 2 input_dim: 3 input_dim: 12 input_dim: 12
layers { layer { name: "pad1" type: "padding" pad: 2 } bottom: "data" top: "pad1" }
layers { layer { name: "conv1" type: "conv" num_output: 8 kernelsize: 3 stride: 2 group: 1
  weight_filler { type: "gaussian" std: 0.01 }
  blobs_lr: 1. blobs_lr: 2. weight_decay: 1. weight_decay: 0. } bottom: "pad1" top: "conv1" }
layers { layer { name: "relu1" type: "relu" } bottom: "conv1" top: "conv1" }
layers { layer { name: "pool1" type: "pool" pool: AVE kernelsize: 3 stride: 2 }
  bottom: "conv1" top: "pool1" }
layers { layer { name: "norm1" type: "lrn" local_size: 3 alpha: 0.5 beta: 0.7 }
  bottom: "pool1" top: "norm1" }
layers { layer { name: "drop1" type: "dropout" dropout_ratio: 0.4 }
  bottom: "norm1" top: "norm1" }
layers { layer { name: "fc" type: "innerproduct" num_output: 5 biasterm: false }
  bottom: "norm1" top: "fc" }
layers { layer { name: "prob" type: "softmax" } bottom: "fc" top: "prob" }
"""


@pytest.mark.parametrize("text", [V1, V0], ids=["V1", "V0"])
def test_an_old_file_is_the_new_one(text: str) -> None:
    old, new = prototxt.parse(text), prototxt.parse(NOW)
    assert old == new
    found = shapes.infer(graph.build(old))
    assert found[-1][1].tops == ((2, 5),)


def test_shared_parameters_and_phases_go_along() -> None:
    net = prototxt.parse("""
      input: "a" input_dim: 1 input_dim: 1 input_dim: 1 input_dim: 4
      layers { name: "one" type: INNER_PRODUCT bottom: "a" top: "one" param: "w" param: "b"
        blob_share_mode: PERMISSIVE inner_product_param { num_output: 3 }
        include { phase: TEST } }
      layers { name: "out" type: SOFTMAX_LOSS bottom: "one" top: "loss" loss_weight: 0.5
        exclude { phase: TEST } }
    """)
    (layer,) = net.layers
    assert [param.name for param in layer.param] == ["w", "b"]
    assert layer.param[0].share_mode == caffe_pb2.ParamSpec.PERMISSIVE
    assert layer.type == "InnerProduct"


def test_every_old_type_has_a_name_now() -> None:
    known = set(caffe_pb2.V1LayerParameter.LayerType.keys())
    assert set(upgrade.TYPES) == known - {"NONE"}
    assert set(upgrade.V0_TYPES.values()) <= known


def test_every_message_of_a_v1_layer_is_one_of_a_layer_now() -> None:
    now = caffe_pb2.LayerParameter.DESCRIPTOR.fields_by_name
    for field in caffe_pb2.V1LayerParameter.DESCRIPTOR.fields:
        if field.name.endswith("_param"):
            assert field.type == FieldDescriptor.TYPE_MESSAGE
            assert now[field.name].message_type == field.message_type


def test_every_field_of_the_first_form_goes_somewhere() -> None:
    """But those of layers that read data, of which nothing is kept."""
    reading = {"source", "scale", "meanfile", "batchsize", "cropsize", "mirror", "rand_skip"}
    reading |= {"shuffle_images", "new_num", "new_channels", "new_height", "new_width"}
    fields = {field.name for field in caffe_pb2.V0LayerParameter.DESCRIPTOR.fields}
    reading |= {name for name in fields if name.startswith(("det_", "hdf5_"))}
    assert set(upgrade.V0_FIELDS) == fields - reading - set(upgrade.COMMON)


ONE = 'input: "a" input_dim: 1 input_dim: 1 input_dim: 1 input_dim: 4\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'layers { name: "old" type: RELU } layer { name: "new" type: "ReLU" }',
            "net: expected layer or layers (the form before it), found both",
        ),
        (
            'layers { name: "it" bottom: "a" top: "b" }',
            'net: layer "it" (NONE): expected a type, found none',
        ),
        (
            'layers { layer { name: "it" type: "swirl" } bottom: "a" top: "b" }',
            'net: layer "it" (swirl): unknown layer type; expected one of accuracy, bnll, ',
        ),
        (
            'layers { layer { name: "it" type: "relu" pad: 2 } bottom: "a" top: "b" }',
            "net: layer \"it\" (relu): field 'pad' does not belong to this type",
        ),
        (
            'layers { layer { name: "it" type: "padding" pad: 2 } bottom: "a" top: "b" }'
            'layers { layer { name: "r" type: "relu" } bottom: "b" top: "c" }',
            'net: layer "r" (relu): reads padding, which only conv and pool may',
        ),
        (
            'layers { layer { name: "it" type: "padding" pad: 2 } bottom: "a" }',
            'net: layer "it" (padding): expected one bottom and one top',
        ),
        (
            'layers { layer { name: "it" type: "relu" } bottom: "a" top: "b" }'
            'layers { name: "later" type: RELU bottom: "b" top: "c" }',
            'net: layer "later" (RELU): expected a layer within it, as in the others (the first ',
        ),
    ],
)
def test_what_cannot_be_upgraded_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        prototxt.parse(ONE + text, "net")
    assert str(error.value).startswith(message)


DATA = """
layer { name: "reader" type: "Data" top: "data" top: "label" data_param { source: "x" } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
  inner_product_param { num_output: 3 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""
GIVEN = {"data": (4, 1, 2, 2), "label": (4,)}


def given(net: Net) -> dict[str, tuple[int, ...]]:
    return {each.name: each.shape for each in net.inputs}


def test_shapes_take_the_place_of_a_layer_that_reads_data() -> None:
    net = prototxt.parse(DATA, shapes=GIVEN)
    assert given(net) == GIVEN
    assert [layer.name for layer in net.layers] == ["fc", "loss"]
    (_, fc), (_, loss) = shapes.infer(graph.build(net))
    assert (fc.tops, loss.tops) == (((4, 3),), ((),))


def test_shapes_take_the_place_of_the_files() -> None:
    text = ONE + 'layer { name: "relu" type: "ReLU" bottom: "a" top: "a" }'
    assert given(prototxt.parse(text, shapes={"a": (7, 2)})) == {"a": (7, 2)}


@pytest.mark.parametrize(
    ("shapes_", "message"),
    [
        (
            {"data": (4, 1, 2, 2)},
            'net: layer "reader" (Data): expected the shapes of all that it makes, found none for '
            "label",
        ),
        (
            {"image": (1,)},
            "net: there is no blob 'image' that could be given; expected one of data, label",
        ),
        (
            {**GIVEN, "label": (0,)},
            "net: the shape of input 'label' must be of positive integers; found [0]",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    shapes_: dict[str, tuple[int, ...]], message: str
) -> None:
    with pytest.raises(InputError) as error:
        prototxt.parse(DATA, "net", shapes=shapes_)
    assert str(error.value) == message
