"""Level 0's comparison, on nets written for the test."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ranparity.caffe import graph, prototxt
from ranparity.caffe.description import Described, Description, describe
from ranparity.caffe.shapes import Facts
from ranparity.parity.structure import WHOLE_NET, Comparison, Difference, compare

NET = """
name: "net"
input: "data"
input_shape { dim: 1 dim: 4 dim: 8 dim: 8 }
layer { name: "a" type: "Convolution" bottom: "data" top: "a"
        convolution_param { num_output: 4 kernel_size: 3 pad: 1 bias_term: false } }
layer { name: "a/bn" type: "BN" bottom: "a" top: "a/bn" }
layer { name: "a/bn/relu" type: "ReLU" bottom: "a/bn" top: "a/bn" }
layer { name: "sum" type: "Eltwise" bottom: "a/bn" bottom: "data" top: "sum" }
layer { name: "pool" type: "Pooling" bottom: "sum" top: "pool"
        pooling_param { kernel_size: 3 stride: 2 } }
"""


def built(text: str) -> graph.Graph:
    return graph.build(prototxt.parse(text))


def against(text: str, keras: Description | None = None) -> list[Difference]:
    return compare(keras or describe(built(NET)), built(text)).differences


def test_a_net_equals_itself_and_every_kind_of_fact_is_compared() -> None:
    result = compare(describe(built(NET)), built(NET))
    assert result.differences == []
    # 4 facts and the MACs a layer, 7 + 1 + 5 attributes of convolution, ReLU and pool, 2 + 2 of
    # batch norm and sum, 1 + 2 + 2 weights, and 1 + 1 + 1 + 5 of the whole net
    assert result.compared == 5 * 5 + 13 + 4 + 5 + 8


@pytest.mark.parametrize(
    ("old", "new", "rows"),
    [
        (
            "pad: 1",
            "pad: 1 stride: 2",
            [
                ("a", "stride", "1x1", "2x2"),
                ("a", "shape of a", "1x4x8x8", "1x4x4x4"),
                ("a", "MACs", "9216", "2304"),
            ],
        ),
        ("stride: 2", "stride: 2 round_mode: FLOOR", [("pool", "round_mode", "CEIL", "FLOOR")]),
        (
            'bottom: "a/bn" bottom: "data"',
            'bottom: "data" bottom: "a/bn"',
            [("sum", "inputs", "a/bn/relu, data", "data, a/bn/relu")],
        ),
        ('top: "sum" }', 'top: "sum" eltwise_param { operation: MAX } }', None),
        (
            'layer { name: "a/bn/relu" type: "ReLU" bottom: "a/bn" top: "a/bn" }',
            "",
            [
                ("a/bn/relu", "layer", "ReLU", "(none)"),
                ("sum", "inputs", "a/bn/relu, data", "a/bn, data"),
            ],
        ),
        ("dim: 4", "dim: 3", [(WHOLE_NET, "input data", "1x4x8x8", "1x3x8x8")]),
    ],
)
def test_a_change_is_reported_first_and_at_its_layer(old: str, new: str, rows: Any) -> None:
    found = [dataclasses.astuple(row) for row in against(NET.replace(old, new))]
    if rows is None:
        assert found[0] == ("sum", "operation", "SUM", "MAX")
    else:
        assert found[: len(rows)] == rows


def test_a_fault_does_not_spread_to_the_layers_behind_it() -> None:
    """A stride of 2 in the first layer changes all shapes behind it: one layer differs."""
    layers = {row.layer for row in against(NET.replace("pad: 1", "pad: 1 stride: 2"))}
    assert layers == {"a", WHOLE_NET}


def test_a_layer_that_only_the_prototxt_has_comes_where_it_stands() -> None:
    extra = (
        'layer { name: "extra" type: "Sigmoid" bottom: "sum" top: "extra" }\nlayer { name: "pool"'
    )
    rows = against(NET.replace('layer { name: "pool"', extra))
    assert rows[0] == Difference("extra", "layer", "(none)", "Sigmoid")
    assert rows[-1].layer == WHOLE_NET


def test_a_layer_that_only_keras_has_comes_where_it_stands() -> None:
    keras = describe(built(NET))
    twice = Described("again", "ReLU", ("a/bn/relu",), ("again",), Facts(((1, 4, 8, 8),)))
    layers = (*keras.layers[:3], twice, *keras.layers[3:])
    rows = against(NET, dataclasses.replace(keras, layers=layers))
    assert rows[0] == Difference("again", "layer", "ReLU", "(none)")


def test_a_layer_that_its_rule_refuses_is_named() -> None:
    text = NET.replace("pad: 1", "pad: 1 group: 3")
    row = against(text)[0]
    assert (row.layer, row.what, row.keras) == ("a", "rule", "accepted")
    assert "divisible by group 3" in row.prototxt
    assert against(text)[-1].what == "inference"


def test_a_model_that_does_not_run_is_a_difference() -> None:
    keras = dataclasses.replace(describe(built(NET)), fault="does not run: shapes")
    assert against(NET, keras) == [Difference(WHOLE_NET, "runs", "does not run: shapes", "")]


def test_two_layers_of_one_name_are_told_apart() -> None:
    """Caffe allows it; the second of a name is held against the second."""
    text = NET.replace('name: "pool" type', 'name: "sum" type')
    assert compare(describe(built(text)), built(text)).differences == []
    changed = text.replace("stride: 2", "stride: 1")
    rows = compare(describe(built(text)), built(changed)).differences
    assert (rows[0].layer, rows[0].what) == ("sum", "stride")


def test_an_attribute_that_one_side_lacks_is_a_difference() -> None:
    result = Comparison()
    result.expect_all("a", "", {"x": 1}, {"y": 2})
    assert result.compared == 2
    assert [dataclasses.astuple(row) for row in result.differences] == [
        ("a", "y", "(none)", "2"),
        ("a", "x", "1", "(none)"),
    ]
