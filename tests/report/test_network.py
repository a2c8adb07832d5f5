"""Stages and modules of nets, and how their rho is drawn."""

from __future__ import annotations

from collections import Counter

import pytest

from ranparity.caffe import graph, prototxt
from ranparity.caffe.description import Description, describe
from ranparity.models import zoo
from ranparity.report import network
from ranparity.report.document import Figure
from ranparity.report.layer_rho import LayerRho, Measured


def description(name: str) -> Description:
    return describe(graph.build(prototxt.read(zoo.entry(name).prototxt)))


@pytest.mark.parametrize(
    ("layer", "module"),
    [
        ("conv1/bn/relu", "conv1"),
        ("AttentionA_1/trunk/res1/branch1/conv1_1x1", "AttentionA_1"),
        ("AttentionA_1_residual", "AttentionA_1"),
        ("pre_res_1/branch2/conv1_1x1", "pre_res_1"),
        ("res2a_branch2b", "res2a"),
        ("bn2a_branch1", "res2a"),
        ("bn_conv1", "conv1"),
        ("conv1_relu", "conv1"),
        ("bn", "bn"),
    ],
)
def test_layers_are_of_modules(layer: str, module: str) -> None:
    assert network.module(layer) == module


def test_an_attention_nets_stages_are_those_of_the_paper() -> None:
    """Table 2: after the pool 56, 28, 14 and 7 pixels, a module at each of the first three."""
    found = network.stages(description("attention56").layers)
    sizes = {stage.size: [group.name for group in stage.modules] for stage in found}
    assert list(sizes) == ["112x112", "56x56", "28x28", "14x14", "7x7", "1x1"]
    assert sizes["28x28"] == ["pre_res_2", "AttentionB_1"]
    assert sizes["7x7"] == ["post_res_4_1", "post_res_4_2", "post_res_4_3"]


@pytest.mark.parametrize("name", zoo.ENTRIES)
def test_every_layer_is_in_one_module_of_one_stage(name: str) -> None:
    layers = description(name).layers
    groups = [group for stage in network.stages(layers) for group in stage.modules]
    places = [place for group in groups for place in range(group.begin, group.end)]
    assert places == list(range(len(layers)))
    assert max(Counter(group.name for group in groups).values()) <= 2


def names(net: Description) -> tuple[str, ...]:
    return tuple(layer.name for layer in net.layers)


def measured(net: Description, **far: float | None) -> LayerRho:
    rhos = tuple(far.get(name, 0.4) for name in names(net))
    return LayerRho(names(net), (Measured("torch", 1, rhos),), "32x32", 100.0, "data/ladder.json")


def test_neighbours_of_one_class_are_one_bar_and_what_differs_has_a_cross() -> None:
    net = description("attention56-cifar")
    plain = network.draw("A", net, measured(net))
    odd = network.draw("A", net, measured(net, AttentionB_1=5e4))
    silent = network.draw("A", net, measured(net, **dict.fromkeys(names(net))))

    def bars(figure: Figure, colour: str) -> int:
        """Beside the legend's."""
        return figure.svg.count(colour) - silent.svg.count(colour)

    assert bars(plain, network.CLASSES[1][1]) == len(network.stages(net.layers))
    assert (bars(plain, network.DIFFERS), bars(odd, network.DIFFERS)) == (0, 1)
    assert odd.alt.endswith(
        "the largest is 5e+04, of AttentionB_1 on torch at level 1; 1 of 383 are above 100."
    )
    assert "0 of 383 are above 100." in plain.alt
    for label in ("AttentionA_1", "trunk", "mask", "maps of 16x16", "1 torch"):
        assert f">{label}<" in plain.svg
    assert plain.wide


@pytest.mark.parametrize(
    ("rho", "colour"),
    [
        (None, ""),
        (0.0, network.CLASSES[0][1]),
        (0.2, network.CLASSES[1][1]),
        (0.51, network.CLASSES[2][1]),
        (99.0, network.NEAR),
        (101.0, network.DIFFERS),
        (float("inf"), network.DIFFERS),
    ],
)
def test_a_class_has_its_colour(rho: float | None, colour: str) -> None:
    assert network._colour(rho, 100.0) == colour


def test_the_same_record_is_drawn_to_the_same_bytes() -> None:
    net = description("resnet18-cifar")
    one, other = (network.draw("A", net, measured(net)) for _ in range(2))
    assert (one.svg, one.png) == (other.svg, other.png)
