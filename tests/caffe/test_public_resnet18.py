"""Our ResNet-18 against a public one, where it is at hand: all differences, by name.

Ours is torchvision's form with the authors' merged BN. The public file has Caffe's own pair,
BatchNorm and then Scale, in place; each pair is translated to a BN of the BatchNorm's name before
the two nets are compared. Beside the file are the shapes that OpenCV gave for it.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import text_format

from ranparity.caffe import canonical, graph, prototxt
from ranparity.caffe.description import Described, Description, describe
from ranparity.caffe.prototxt import LayerParameter, Net
from tests.caffe.nets import ROOT, layer, with_input
from tests.caffe.test_published import ORIGINALS, needs_originals, opencv_shapes

Sides = dict[str, tuple[Any, Any]]  # what differs: ours, theirs

OURS, THEIRS = "only in ours", "only in the public file"
PROJECTION = 64 * 64 + 2 * 64  # res2a_branch1's weight, its BN's slope and bias
DIFFERENCES: dict[str, Sides | str] = {
    # torchvision pads; Caffe's models round up, which makes the same 56 x 56 of other windows.
    "pool1": {"pad": ("1x1", "0x0"), "round_mode": ("FLOOR", "CEIL")},
    # A projection although the shapes agree; torchvision adds what pool1 gives.
    "res2a_branch1": THEIRS,
    "bn2a_branch1": THEIRS,
    "res2a": {"inputs": (("pool1", "bn2a_branch2b"), ("bn2a_branch1", "bn2a_branch2b"))},
    # InnerProduct flattens anyway.
    "pool5/flat": OURS,
    "fc1000": {"inputs": (("pool5/flat",), ("pool5",))},
}
FC_FILLERS = ("msra", "xavier")  # of fc1000, and all that the files say of training otherwise


def ours() -> Net:
    return prototxt.read(ROOT / "prototxt" / "ResNet-18.prototxt")


def public() -> Net:
    return prototxt.read(ORIGINALS / "public" / "resnet18.prototxt")


def described(net: Net) -> Description:
    return describe(graph.build(net))


# Translation.


def with_merged_norms(net: Net) -> Net:
    """The net with a BN in place of each BatchNorm and the Scale that follows it."""
    layers: list[LayerParameter] = []
    for message in net.layers:
        if message.type == "Scale":
            layers[-1] = merged(layers[-1], message)
        else:
            layers.append(message)
    return net.replace(layers=tuple(layers))


def merged(norm: LayerParameter, scale: LayerParameter) -> LayerParameter:
    """The BN that a pair amounts to, with the BatchNorm's name."""
    assert norm.type == "BatchNorm"
    assert norm.name.removeprefix("bn") == scale.name.removeprefix("scale")
    assert list(scale.bottom) == list(norm.top)
    given = scale.scale_param
    assert (given.axis, given.num_axes, given.bias_term) == (1, 1, True)
    result = LayerParameter(name=norm.name, type="BN", bottom=norm.bottom, top=scale.top)
    result.bn_param.eps = norm.batch_norm_param.eps
    result.bn_param.momentum = norm.batch_norm_param.moving_average_fraction
    result.bn_param.slope_filler.CopyFrom(given.filler)
    if not given.HasField("filler"):  # Caffe's default is the identity
        result.bn_param.slope_filler.value = 1
    return result


# Comparison.


def differences(one: Description, other: Description) -> dict[str, Sides | str]:
    """What two nets do not have in common, by layer."""
    left = {row.name: row for row in one.layers}
    right = {row.name: row for row in other.layers}
    found: dict[str, Sides | str] = {name: OURS for name in left if name not in right}
    found |= {name: THEIRS for name in right if name not in left}
    for name in left.keys() & right.keys():
        if sides := between(left[name], right[name]):
            found[name] = sides
    return found


def between(one: Described, other: Described) -> Sides:
    """What two layers of one name do not have in common; a layer's place is told by its inputs."""
    left, right = said(one), said(other)
    return {
        name: (left.get(name), right.get(name))
        for name in left | right
        if left.get(name) != right.get(name)
    }


def said(row: Described) -> dict[str, Any]:
    """All that determines a layer's computation, by name."""
    facts = row.facts
    return {
        "type": row.type,
        "inputs": row.inputs,
        "outputs": row.outputs,
        "tops": facts.tops,
        "parameters": dict(facts.parameters),
        "statistics": dict(facts.statistics),
        "macs": facts.macs,
        "shared": dict(facts.shared),
        **facts.attributes,
    }


def fillers(net: Net) -> dict[str, Any]:
    """What each layer's parameters start from, in canonical form."""
    return {
        row["name"]: {
            name: value
            for group, fields in row.items()
            if group.endswith("_param")
            for name, value in fields.items()
            if name.endswith("filler")
        }
        for row in canonical.canonical(net)["layers"]
    }


def record() -> dict[str, Any]:
    data: dict[str, Any] = json.loads((ORIGINALS / "public" / "resnet18.json").read_text())
    return data


@needs_originals
def test_all_differences_have_names() -> None:
    assert differences(described(ours()), described(with_merged_norms(public()))) == DIFFERENCES


@needs_originals
def test_inputs_outputs_and_order_are_equal() -> None:
    our, their = described(ours()), described(with_merged_norms(public()))
    assert (our.name, our.inputs, our.outputs) == (their.name, their.inputs, their.outputs)
    common = {row.name for row in our.layers} & {row.name for row in their.layers}
    orders = [[row.name for row in net.layers if row.name in common] for net in (our, their)]
    assert orders[0] == orders[1]


@needs_originals
def test_parameters_differ_by_the_projection() -> None:
    our, their = described(ours()).totals, described(with_merged_norms(public())).totals
    assert our.trainable_parameters == 11_689_512
    assert their.trainable_parameters == 11_689_512 + PROJECTION == 11_693_736
    assert their.parameters_with_statistics - our.parameters_with_statistics == PROJECTION + 2 * 64
    assert their.macs - our.macs == 56 * 56 * 64 * 64


@needs_originals
def test_a_pair_has_the_parameters_of_its_bn_and_one_factor_more() -> None:
    net = public()
    pairs = sum(message.type == "BatchNorm" for message in net.layers)
    apart, together = described(net).totals, described(with_merged_norms(net)).totals
    assert pairs == 21
    assert apart.layers == together.layers + pairs
    assert apart.trainable_parameters == together.trainable_parameters
    assert apart.parameters_with_statistics == together.parameters_with_statistics + pairs
    assert apart.macs == together.macs


@needs_originals
def test_only_the_classifier_starts_from_another_filler() -> None:
    left, right = fillers(ours()), fillers(with_merged_norms(public()))
    named = {name for name in left.keys() & right.keys() if left[name] != right[name]}
    assert named == {"fc1000"}
    types = tuple(side["fc1000"]["weight_filler"]["type"] for side in (left, right))
    assert types == FC_FILLERS


@needs_originals
def test_every_common_blob_has_opencvs_shape() -> None:
    theirs = opencv_shapes(record())
    only_ours = {name for name, said in DIFFERENCES.items() if said == OURS}
    found = {row.name: row.facts.tops[0] for row in described(ours()).layers}
    assert set(found) - only_ours <= set(theirs)
    assert {name: found[name] for name in set(found) - only_ours} == {
        name: theirs[name] for name in set(found) - only_ours
    }


@needs_originals
def test_every_blob_of_the_public_file_has_opencvs_shape() -> None:
    net = described(public())
    assert {row.name: row.facts.tops[0] for row in net.layers} == opencv_shapes(record())


# Without the public file: what finds differences is shown to find them.


def pair(norm: str = "", scale: str = "bias_term: true", name: str = "scale1") -> Net:
    """A small net with one pair in place."""
    return prototxt.parse(
        with_input(
            layer("BatchNorm", f"batch_norm_param {{ {norm} }}", "data", "bn1"),
            layer("Scale", f"scale_param {{ {scale} }}", "bn1", "bn1", name),
        ),
        "net.prototxt",
    )


def test_a_pair_becomes_the_bn_of_its_numbers() -> None:
    net = with_merged_norms(pair("eps: 0.001 moving_average_fraction: 0.99"))
    (row,) = described(net).layers
    assert (row.name, row.type, row.inputs, row.outputs) == ("bn1", "BN", ("data",), ("bn1",))
    assert row.facts.attributes == {"eps": 0.001, "momentum": 0.99}
    assert fillers(net) == {"bn1": {"slope_filler": {"value": 1.0}}}


def test_a_scales_filler_stays() -> None:
    net = with_merged_norms(pair(scale="bias_term: true filler { value: 0.5 }"))
    assert fillers(net) == {"bn1": {"slope_filler": {"value": 0.5}}}


@pytest.mark.parametrize(
    "net",
    [pair(scale=""), pair(scale="bias_term: true axis: 2"), pair(name="scale2")],
    ids=["no summand", "another axis", "another's name"],
)
def test_what_is_no_pair_is_not_translated(net: Net) -> None:
    with pytest.raises(AssertionError):
        with_merged_norms(net)


ALTERATIONS = {
    "bias_term": ("conv1", "convolution_param { bias_term: true }"),
    "round_mode": ("pool1", "pooling_param { round_mode: CEIL }"),
    "eps": ("bn5a_branch1", "bn_param { eps: 0.001 }"),
    "momentum": ("bn_conv1", "bn_param { momentum: 0.99 }"),
    "pool": ("pool5", "pooling_param { pool: MAX }"),
    "coeff": ("res3a", "eltwise_param { coeff: 1 coeff: -1 }"),
    "num_output": ("fc1000", "inner_product_param { num_output: 10 }"),
    "axis": ("prob", "softmax_param { axis: 0 }"),
    "loss_weight": ("prob", "loss_weight: 1"),
    "shared": ("fc1000", 'param { name: "w" }'),
}


def altered(name: str, text: str) -> Net:
    """Our net with one layer's fields replaced."""
    layers = list(ours().layers)
    (place,) = (place for place, row in enumerate(layers) if row.name == name)
    copy = LayerParameter()
    copy.CopyFrom(layers[place])
    layers[place] = text_format.Merge(text, copy)
    return ours().replace(layers=tuple(layers))


@pytest.mark.parametrize("what", ALTERATIONS)
def test_an_altered_layer_is_named_with_what_differs(what: str) -> None:
    name, text = ALTERATIONS[what]
    found = differences(described(ours()), described(altered(name, text)))
    assert what in found[name]
    downstream = {"tops", "macs", "parameters"}  # what a layer's shape brings to those after it
    assert all(set(sides) <= downstream for row, sides in found.items() if row != name)


def test_a_layer_that_is_missing_or_rewired_is_named() -> None:
    net = ours()
    (relu,) = (place for place, row in enumerate(net.layers) if row.name == "res2a_branch2a_relu")
    without = net.replace(layers=net.layers[:relu] + net.layers[relu + 1 :])
    rewired: Sides = {"inputs": (("res2a_branch2a_relu",), ("bn2a_branch2a",))}
    expected = {"res2a_branch2a_relu": OURS, "res2a_branch2b": rewired}
    assert differences(described(net), described(without)) == expected
    assert differences(described(without), described(net))["res2a_branch2a_relu"] == THEIRS
