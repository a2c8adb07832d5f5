"""Whole nets: shapes, totals, the first fault, and the published nets' exact integers."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

from ranparity.caffe import prototxt, shapes
from ranparity.caffe.description import Description, describe
from ranparity.caffe.graph import build
from ranparity.caffe.prototxt import LayerParameter
from ranparity.errors import InputError
from ranparity.models.describe import READERS
from tests.caffe.nets import EVERY_TYPE, OTHER_TYPES, ROOT, described, layer, with_input


def test_two_small_nets_have_every_type_of_the_zoo() -> None:
    rows = [*described(EVERY_TYPE).layers, *described(OTHER_TYPES).layers]
    others = {"BatchNorm", "Scale"}  # that Keras models have in one layer
    assert {row.type for row in rows} - others == {type_ for type_, _ in READERS.values()}


def test_a_small_net_of_every_published_type() -> None:
    found = described(EVERY_TYPE)
    assert found.shapes == {
        "data": (2, 4, 9, 11),
        "conv": (2, 6, 5, 6),
        "bn": (2, 6, 5, 6),
        "relu": (2, 6, 5, 6),
        "pool": (2, 6, 2, 3),
        "interp": (2, 6, 5, 6),
        "mask": (2, 6, 5, 6),
        "sum": (2, 6, 5, 6),
        "fc": (2, 7),
        "prob": (2, 7),
    }
    assert found.totals == shapes.Totals(
        layers=9,
        blobs=10,
        trainable_parameters=6 * 2 * 9 + 2 * 6 + 7 * 181,
        parameters_with_statistics=6 * 2 * 9 + 4 * 6 + 7 * 181,
        macs=5 * 6 * 6 * 2 * 9 + 7 * 180,
    )


def test_a_small_net_of_all_other_types() -> None:
    found = described(OTHER_TYPES)
    assert found.shapes == {
        "data": (2, 4, 3, 5),
        "norm": (2, 4, 3, 5),
        "scale": (2, 4, 3, 5),
        "left": (2, 1, 3, 5),
        "right": (2, 3, 3, 5),
        "mvn": (2, 1, 3, 5),
        "l2": (2, 3, 3, 5),
        "joined": (2, 7, 3, 5),
        "flat": (2, 105),
        "table": (6, 105),
        "fc": (2, 6),
        "squared": (2, 6),
        "loss": (),
    }
    assert found.outputs == ("table", "loss")
    trainable = 2 * 4 + 3 + 6 * 105 + 6  # the table and fc's weight are one
    assert found.totals == shapes.Totals(
        layers=11,
        blobs=13,
        trainable_parameters=trainable,
        parameters_with_statistics=trainable + 2 * 4 + 1,
        macs=6 * 105,
    )
    assert found.layers[-1].facts.attributes["loss_weight"] == "0.1"


def test_the_first_layer_that_is_refused_is_named() -> None:
    text = with_input(
        layer("ReLU", top="x"),
        layer("Pooling", "pooling_param { kernel_size: 9 }", "x", "y"),
        layer("Nonsense", "", "y", "z"),
    )
    with pytest.raises(InputError) as error:
        described(text)
    assert str(error.value) == (
        'net.prototxt: layer "y" (Pooling): a window of 9 pixels is larger than its map of 8 '
        "(padding 0); expected a smaller window or a larger input"
    )


def test_an_input_beyond_caffes_int_is_refused() -> None:
    with pytest.raises(InputError) as error:
        described(with_input(layer("ReLU"), shape="1 2 32768 32768"))
    assert str(error.value) == (
        'net.prototxt: blob "data" would be 1x2x32768x32768; expected at most 2147483647 '
        "elements, as in Caffe"
    )
    assert described(with_input(layer("ReLU"), shape="1 1 32768 65535")).totals.blobs == 2


class Counts(NamedTuple):
    """What the project's facts say of a published net at 224 x 224."""

    file: str
    layers: int
    convolutions: int
    norms: int
    trainable: int
    with_statistics: int
    macs: int


PUBLISHED = [
    Counts("Attention-56", 385, 110, 107, 31_810_728, 31_883_432, 6_270_836_736),
    Counts("Attention-92", 631, 179, 176, 52_466_344, 52_599_976, 10_533_789_696),
    Counts("AttentionNeXt-56", 381, 110, 107, 31_318_824, 31_417_256, 6_419_106_816),
    Counts("AttentionNeXt-92", 621, 179, 173, 52_102_952, 52_274_088, 10_704_337_920),
]


def read(file: str) -> prototxt.Net:
    return prototxt.read(ROOT / "prototxt" / f"{file}.prototxt")


@pytest.mark.parametrize("counts", PUBLISHED, ids=lambda counts: counts.file)
def test_the_published_nets_have_the_exact_counts(counts: Counts) -> None:
    found = describe(build(read(counts.file)))
    types = [row.type for row in found.layers]
    assert types.count("Convolution") == counts.convolutions
    assert types.count("BN") == counts.norms
    assert found.totals == shapes.Totals(
        counts.layers, counts.layers + 1, counts.trainable, counts.with_statistics, counts.macs
    )
    assert found.outputs == ("cls",)
    assert found.shapes["cls"] == (1, 1000)


def test_attention_92_at_320_pools_its_whole_map() -> None:
    net = read("Attention-92").with_size(320, 320)
    as_published = describe(build(net))
    assert as_published.shapes["ave_pool"] == (1, 2048, 4, 4), "the 7x7 window leaves 4x4"
    (pool,) = (row for row in net.layers if row.name == "ave_pool")
    head = LayerParameter()
    head.CopyFrom(pool)
    head.pooling_param.kernel_size = 10
    adapted = net.replace(layers=tuple(head if row is pool else row for row in net.layers))
    found = describe(build(adapted))
    assert found.shapes["ave_pool"] == (1, 2048, 1, 1)
    assert found.totals.macs == 21_495_398_400
    assert found.totals.trainable_parameters == 52_466_344


def test_at_201_the_maps_are_those_of_caffes_ceil_rule() -> None:
    found = describe(build(read("Attention-56").with_size(201, 201))).shapes
    sides = [shape[2] for shape in found.values() if len(shape) == 4]
    assert found["conv1"][2:] == (101, 101)
    assert found["pool1_3x3_s2"][2:] == (50, 50)
    trunk = [found[name][2] for name in ("pre_res_1", "pre_res_2", "pre_res_3", "post_res_4_1")]
    assert trunk == [50, 25, 13, 7]
    assert set(sides) == {201, 101, 50, 25, 13, 12, 7, 6, 1}


@pytest.mark.parametrize("text", [EVERY_TYPE, OTHER_TYPES], ids=["published", "other"])
def test_a_description_survives_json(text: str) -> None:
    found = described(text)
    assert Description.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_outputs_are_what_no_layer_reads() -> None:
    text = with_input(
        layer("ReLU", top="left"), layer("ReLU", top="right"), layer("Sigmoid", "", "left", "left")
    )
    assert described(text).outputs == ("right", "left#2")
