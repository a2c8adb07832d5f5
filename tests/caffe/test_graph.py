"""Single assignment: in-place layers get tensors of their own, and names never collide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranparity.caffe import graph, prototxt
from ranparity.caffe.prototxt import Input, LayerParameter, Net
from ranparity.errors import InputError
from tests.caffe.nets import EVERY_TYPE, layer, with_input

Wires = list[tuple[tuple[str, ...], tuple[str, ...]]]


def wires(*layers: str) -> Wires:
    """What each layer reads and makes, in the graph's names."""
    built = graph.build(prototxt.parse(with_input(*layers), "net.prototxt"))
    return [(node.inputs, node.outputs) for node in built.nodes]


def refused(*layers: str) -> str:
    with pytest.raises(InputError) as error:
        wires(*layers)
    return str(error.value)


def test_without_in_place_layers_tensors_are_blobs() -> None:
    assert wires(layer("ReLU", top="a"), layer("Eltwise", "", "data a", "b")) == [
        (("data",), ("a",)),
        (("data", "a"), ("b",)),
    ]


def test_an_in_place_layer_makes_a_tensor_of_its_own_name() -> None:
    assert wires(
        layer("BN", top="a"),
        layer("ReLU", "", "a", "a", name="a/relu"),
        layer("Sigmoid", "", "a", "b"),
    ) == [(("data",), ("a",)), (("a",), ("a/relu",)), (("a/relu",), ("b",))]


def test_several_in_place_layers_on_one_blob_follow_each_other() -> None:
    assert wires(
        layer("BN", top="a"),
        layer("ReLU", "", "a", "a", name="first"),
        layer("Eltwise", "", "data a", "sum"),
        layer("ReLU", "", "a", "a", name="second"),
        layer("Sigmoid", "", "a", "b"),
    ) == [
        (("data",), ("a",)),
        (("a",), ("first",)),
        (("data", "first"), ("sum",)),
        (("first",), ("second",)),
        (("second",), ("b",)),
    ]


def test_an_input_can_be_worked_on_in_place() -> None:
    assert wires(layer("ReLU", "", "data", "data", name="relu")) == [(("data",), ("relu",))]


def test_layers_of_one_name_get_numbered_tensors() -> None:
    """A layer named twice is legal: HED has five layers called `crop`."""
    same = layer("ReLU", "", "a", "a", name="relu")
    made = wires(layer("BN", top="a"), same, same, same)
    assert [outputs for _, outputs in made] == [("a",), ("relu",), ("relu#2",), ("relu#3",)]


def test_an_in_place_tensor_never_takes_the_name_of_a_blob() -> None:
    """Neither of one before nor of one that comes later."""
    made = wires(
        layer("BN", top="early"),
        layer("BN", top="a"),
        layer("ReLU", "", "a", "a", name="early"),
        layer("ReLU", "", "a", "a", name="late"),
        layer("ReLU", "", "a", "a", name="data"),
        layer("ReLU", "", "a", "a", name="early#2"),
        layer("Sigmoid", "", "data", "late"),
    )
    assert [outputs[0] for _, outputs in made] == [
        "early",
        "a",
        "early#2",
        "late#2",
        "data#2",
        "early#2#2",
        "late",
    ]
    assert made[-1] == (("data",), ("late",))


def test_in_place_is_by_position() -> None:
    """Only a top with the name of the bottom of the same position is in place."""
    assert wires(layer("BN", top="a"), layer("X", "", "a data", "a b", name="x"))[1] == (
        ("a", "data"),
        ("x", "b"),
    )
    assert refused(layer("BN", top="a"), layer("X", "", "data a", "a b", name="x")) == (
        'net.prototxt: layer "x" (X): makes blob "a", which layer "a" makes already; expected '
        "another name, or the same name as its bottom (in place)"
    )


def test_a_blob_made_twice_is_refused() -> None:
    assert refused(layer("BN", top="a"), layer("ReLU", top="a", name="again")) == (
        'net.prototxt: layer "again" (ReLU): makes blob "a", which layer "a" makes already; '
        "expected another name, or the same name as its bottom (in place)"
    )


def test_making_an_input_is_refused() -> None:
    assert refused(layer("BN", top="a"), layer("ReLU", "", "a", "data", name="it")) == (
        'net.prototxt: layer "it" (ReLU): makes blob "data", which the net\'s input makes '
        "already; expected another name, or the same name as its bottom (in place)"
    )


def test_one_layer_that_makes_a_blob_twice_is_refused() -> None:
    assert 'makes blob "a", which layer "x" makes already' in refused(
        layer("X", "", "data", "a a", name="x")
    )


def test_an_input_given_twice_is_refused() -> None:
    net = prototxt.parse(with_input(layer("ReLU")), "net.prototxt")
    twice = net.replace(inputs=(net.inputs[0], Input("data", (1, 2))))
    with pytest.raises(InputError) as error:
        graph.build(twice)
    assert str(error.value) == (
        'net.prototxt: expected inputs with names of their own, found "data", "data"'
    )


def test_a_missing_blob_is_refused_with_the_nearest() -> None:
    assert refused(layer("BN", top="conv1"), layer("ReLU", "", "conv_1", "x")) == (
        'net.prototxt: layer "x" (ReLU): reads blob "conv_1", which no layer before it makes; '
        'the nearest blob there is "conv1"'
    )


def test_a_missing_blob_with_none_near() -> None:
    assert refused(layer("ReLU", "", "elsewhere", "x")) == (
        'net.prototxt: layer "x" (ReLU): reads blob "elsewhere", which no layer before it makes'
    )


def test_a_blob_that_is_made_later_is_missing() -> None:
    assert 'reads blob "late", which no layer before it makes' in refused(
        layer("ReLU", "", "late", "x"), layer("ReLU", top="late")
    )


def test_nodes_keep_their_messages_as_in_the_file() -> None:
    net = prototxt.parse(EVERY_TYPE, "net.prototxt")
    built = graph.build(net)
    assert [node.message for node in built.nodes] == list(net.layers)
    assert (built.name, built.source, built.inputs) == (net.name, net.source, net.inputs)


BLOBS = st.sampled_from(["data", "a", "b", "c", "d", "e"])
LAYERS = st.lists(st.tuples(BLOBS, BLOBS, BLOBS), max_size=12)


@given(LAYERS)
def test_a_graph_is_single_assignment_and_carries_the_right_values(
    rows: list[tuple[str, str, str]],
) -> None:
    """Run as Caffe would, blob by blob; a tensor must name what a blob holds at that time."""
    layers = [
        LayerParameter(name=name, type="ReLU", bottom=[bottom], top=[top])
        for name, bottom, top in rows
    ]
    net = Net("net", (Input("data", (1, 2)),), tuple(layers))
    holds: dict[str, object] = {"data": "given"}
    legal = True
    for place, (_, bottom, top) in enumerate(rows):
        legal = legal and bottom in holds and (top == bottom or top not in holds)
        holds[top] = place
    if not legal:
        with pytest.raises(InputError):
            graph.build(net)
        return
    built = graph.build(net)
    made = [name for node in built.nodes for name in node.outputs]
    assert len({"data", *made}) == len(made) + 1, "every tensor is made once"
    makers: dict[str, object] = {"data": "given"}
    holds = {"data": "given"}
    for place, ((_, bottom, top), node) in enumerate(zip(rows, built.nodes, strict=True)):
        assert makers[node.inputs[0]] == holds[bottom]
        makers[node.outputs[0]] = holds[top] = place
