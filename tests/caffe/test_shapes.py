"""What holds of layers of any type: refusals, shared parameters, weights of losses, totals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranparity.caffe import graph, prototxt, shapes
from ranparity.caffe.shapes import Facts, Totals
from ranparity.errors import InputError
from tests.caffe.nets import described, layer, with_input
from tests.caffe.rules.tables import MAP, apply, node


def test_an_unknown_type_is_told_what_is_known() -> None:
    with pytest.raises(InputError) as error:
        apply("GELU", "", [MAP, MAP])
    message = str(error.value)
    assert message.startswith(
        'net.prototxt: layer "it" (GELU): unknown layer type; expected one of AbsVal, Accuracy, '
    )
    assert message.endswith(", ".join(sorted(shapes.RULES)))


@pytest.mark.parametrize("type_", ["Data", "Python", "HDF5Data", "VideoData"])
def test_what_reads_data_asks_for_the_shapes_of_what_it_makes(type_: str) -> None:
    with pytest.raises(InputError) as error:
        apply(type_, "", [], 2)
    assert str(error.value) == (
        f'net.prototxt: layer "it" ({type_}): what it reads is not here; give the shapes: '
        "--input top0=NxCxHxW --input top1=NxCxHxW"
    )


@pytest.mark.parametrize(("tops", "found"), [(0, "0"), (2, "2")])
def test_a_wrong_number_of_tops_is_refused(tops: int, found: str) -> None:
    with pytest.raises(InputError) as error:
        shapes.facts(node("ReLU", "", 1, tops), [MAP], "net.prototxt")
    assert str(error.value) == f'net.prototxt: layer "it" (ReLU): expected 1 top, found {found}'


# Parameters that layers share.

CONVOLUTION = "convolution_param { num_output: 6 kernel_size: 3 }"


@pytest.mark.parametrize(
    ("params", "shared"),
    [
        ("", {}),
        ("param { lr_mult: 2 }", {}),
        ('param { name: "w" }', {"weight": "w"}),
        ('param { name: "w" } param { name: "b" }', {"weight": "w", "bias": "b"}),
        ('param { lr_mult: 1 } param { name: "b" }', {"bias": "b"}),
        (
            'param { name: "w" } param { name: "b" } param { name: "c" }',
            {"weight": "w", "bias": "b"},
        ),
    ],
)
def test_names_of_shared_parameters_are_those_of_param_in_caffes_order(
    params: str, shared: dict[str, str]
) -> None:
    found = apply("Convolution", f"{CONVOLUTION} {params}", [MAP])
    assert found.shared == shared
    assert found == _with(apply("Convolution", CONVOLUTION, [MAP]), shared=shared)


def _with(facts: Facts, **changed: object) -> Facts:
    return Facts(**{name: getattr(facts, name) for name in facts.__dataclass_fields__} | changed)


def test_statistics_are_not_shared() -> None:
    named = " ".join(f'param {{ lr_mult: 0 name: "{name}" }}' for name in "mvf")
    assert apply("BatchNorm", named, [MAP]).shared == {}
    of_bn = " ".join(f'param {{ name: "{name}" }}' for name in "sbmv")
    assert apply("BN", of_bn, [MAP]).shared == {"slope": "s", "bias": "b"}


def convolutions(*names: str) -> str:
    """A net of convolutions, 3 x 3 over 3 maps, with the names of their weights and biases."""
    return with_input(
        *(
            layer(
                "Convolution",
                "convolution_param { num_output: 3 kernel_size: 3 pad: 1 } "
                + " ".join(f'param {{ name: "{name}" }}' for name in both.split("/")),
                "data",
                f"it{place}",
            )
            for place, both in enumerate(names)
        )
    )


@pytest.mark.parametrize(
    ("names", "weights", "biases"),
    [
        (["/", "/"], 2, 2),
        (["w/", "w/"], 1, 2),
        (["w/b", "w/b"], 1, 1),
        (["w/b", "w/c", "w/b"], 1, 2),
        (["w/b", "v/b", "/"], 3, 2),
    ],
)
def test_a_shared_parameter_counts_once(names: list[str], weights: int, biases: int) -> None:
    found = described(convolutions(*names))
    count = weights * 3 * 3 * 3 * 3 + biases * 3
    assert found.totals == Totals(
        layers=len(names),
        blobs=1 + len(names),
        trainable_parameters=count,
        parameters_with_statistics=count,
        macs=len(names) * 3 * 3 * 3 * 3 * 8 * 8,
    )
    assert sum(row.facts.parameter_count for row in found.layers) == count
    assert found.layers[0].facts.parameter_count == 84


def test_totals_that_count_shared_parameters_by_layer_would_be_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        shapes, "_parameters", lambda layers: [s for f in layers for s in f.parameters.values()]
    )
    with pytest.raises(AssertionError):
        test_a_shared_parameter_counts_once(["w/b", "w/b"], 1, 1)


@given(st.lists(st.sampled_from(["", "a", "b", "c"]), max_size=6))
def test_as_many_are_counted_as_there_are_names_and_nameless_ones(names: list[str]) -> None:
    layers = [
        Facts(tops=((2,),), parameters={"weight": (2, 5)}, shared={"weight": name} if name else {})
        for name in names
    ]
    counted = len(set(names) - {""}) + names.count("")
    assert shapes.totals(1, layers).trainable_parameters == 10 * counted


def test_a_scale_of_no_axes_is_one_parameter() -> None:
    found = described(with_input(layer("Normalize")))
    assert found.totals.trainable_parameters == 1


def test_statistics_count_apart_from_parameters() -> None:
    text = with_input(layer("BatchNorm"), layer("Normalize", "param { lr_mult: 0 }", "it", "n"))
    totals = described(text).totals
    assert totals.trainable_parameters == 0
    assert totals.parameters_with_statistics == 3 + 3 + 1 + 1


# Weights of losses.


@pytest.mark.parametrize(
    ("params", "attributes"),
    [
        ("", {}),
        ("loss_weight: 1", {"loss_weight": "1"}),
        ("loss_weight: 0", {"loss_weight": "0"}),
        ("loss_weight: 0.1", {"loss_weight": "0.1"}),
        ("loss_weight: -1e-5", {"loss_weight": "-1e-05"}),
    ],
)
def test_a_losss_weight_is_an_attribute_of_any_layer(
    params: str, attributes: dict[str, str]
) -> None:
    assert apply("Sigmoid", params, [MAP]).attributes == attributes
    plain = apply("Reduction", "", [MAP]).attributes
    assert apply("Reduction", params, [MAP]).attributes == plain | attributes


def test_each_top_has_its_losss_weight() -> None:
    found = apply("Slice", "loss_weight: 1 loss_weight: 0.5", [MAP], tops=2)
    assert found.attributes == {"axis": 1, "loss_weight": "1 0.5"}


def test_layers_that_share_a_parameter_agree_on_its_shape() -> None:
    text = """
    input: "data" input_shape { dim: 1 dim: 4 }
    layer { name: "a" type: "InnerProduct" bottom: "data" top: "a" param { name: "w" }
            inner_product_param { num_output: 4 bias_term: false } }
    layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" param { name: "w" }
            inner_product_param { num_output: 3 bias_term: false } }
    """
    with pytest.raises(InputError) as caught:
        shapes.infer(graph.build(prototxt.parse(text)))
    assert str(caught.value) == (
        '<text>: layer "b" (InnerProduct): expected the shape 4x4 for the parameter "w", which a '
        "layer before it shares; found 3x4"
    )
