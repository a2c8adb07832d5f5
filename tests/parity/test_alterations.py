"""Level 0 can fail: each alteration is reported at its layer, and a blind check is found out."""

from __future__ import annotations

import dataclasses
import functools

import keras
import pytest

from ranparity.caffe import canonical, prototxt
from ranparity.caffe import graph as graphs
from ranparity.caffe.description import describe
from ranparity.caffe.prototxt import Net
from ranparity.caffe.shapes import RULES
from ranparity.models import zoo
from ranparity.models.attention import build_attention
from ranparity.models.describe import READERS
from ranparity.models.describe import describe as describe_model
from ranparity.models.export import to_prototxt
from ranparity.parity import alterations, live, structure
from ranparity.parity.alterations import ALTERS, prove_live, prove_net
from tests.models import cases
from tests.models.test_attention import small


@pytest.mark.parametrize("unit", ["preactivation", "resnext"])
def test_every_alteration_of_every_layer_is_found(unit: str) -> None:
    """Of a small net in each form; a net of the zoo is sampled below, and proved by the report."""
    config = dataclasses.replace(cases.TINY, unit=unit)
    model = build_attention(config, input_shape=(12, 12, 3), classes=4)
    net = prototxt.parse(to_prototxt(model, "Tiny"))
    proof = prove_net(zoo.entry("attention56"), describe(graphs.build(net)), net)
    assert proof.missed == []
    assert proof.tried == proof.found
    assert proof.tried > 5 * len(net.layers)
    convolutions = sum(layer.type == "Convolution" for layer in net.layers)
    assert proof.counts["dilation"] == (convolutions, convolutions)
    assert proof.counts["stride"] == (convolutions + 2, convolutions + 2)
    assert proof.counts["size reference"] == (1, 1)
    print(f"{unit}: {proof.tried} alterations tried, {proof.found} found")


def test_alterations_of_a_net_of_the_zoo_are_found_at_its_own_size() -> None:
    net = prototxt.read(zoo.entry("attention56").prototxt)
    there = describe(graphs.build(net))
    sample = list(alterations.alterations(net))[::53]
    assert len(sample) > 30
    for alteration in sample:
        rows = structure.compare(there, graphs.build(alteration.net)).differences
        assert rows[0].layer == net.layers[alteration.layer].name, alteration.what


@pytest.mark.parametrize("backend", ["torch"])
def test_every_kind_of_attribute_of_a_live_model_is_found(backend: str) -> None:
    for proof in prove_live([zoo.entry("dranet-cifar")], backend):
        assert proof.missed == []
        assert proof.tried == proof.found == 32
        print(f"{proof.title}, live on {backend}: {proof.tried} tried, {proof.found} found")


def test_each_alteration_is_one_and_changes_the_net() -> None:
    net = prototxt.parse(to_prototxt(small(), "Tiny"))
    before = canonical.digest(net)
    seen = set()
    for alteration in list(alterations.alterations(net))[::3]:
        digest = canonical.digest(alteration.net)
        if alteration.what != "round_mode":
            assert digest != before, alteration.what
        seen.add((alteration.layer, alteration.what))
        changed = len(net.layers) - len(alteration.net.layers)
        assert changed in (0, 1)
    assert len(seen) > 150


def test_every_layer_type_of_the_zoo_is_altered() -> None:
    """Caffe has more types than the zoo's nets; those are read, but no Keras layer makes them."""
    types = {type_ for type_, _ in READERS.values()}
    assert set(ALTERS) == types
    assert types <= set(RULES)


# The types that only the derived nets have: a few layers of a narrow net that is exported here.

NEW_TYPES = {
    "dranet": {"Concat", "Flatten", "InnerProduct", "Parameter", "Power", "Reduction", "Slice"},
    "diversity": {"Eltwise", "Power", "Reduction", "Parameter", "Slice"},
    "channel": {"Normalize"},
    "spatial": {"MVN"},
}
TRIED = {
    "dranet": {
        "axis",
        "bias_term",
        "coeff",
        "dropped",
        "input",
        "loss_weight",
        "num_output",
        "operation",
        "order of inputs",
        "power",
        "scale",
        "shape",
        "shared name",
        "shift",
        "transpose",
    },
    "diversity": {"coeff", "loss_weight", "operation", "power", "shape"},
    "channel": {"across_spatial", "channel_shared", "dropped", "eps", "input", "scale trained"},
    "spatial": {"across_channels", "dropped", "eps", "input", "normalize_variance"},
}


@functools.cache
def derived(kind: str) -> tuple[keras.Model, Net]:
    """A narrow model with the kind's layers, and its prototxt."""
    if kind in ("dranet", "diversity"):
        name = {"dranet": "dranet-cifar@64", "diversity": "dranet-cifar-diversity@64"}[kind]
        model = zoo.entry(name).build(input_shape=(16, 16, 3), classes=4)
    else:
        config = dataclasses.replace(cases.TINY, activation=kind)
        model = build_attention(config, input_shape=(12, 12, 3), classes=4)
    return model, prototxt.parse(to_prototxt(model, "Net"))


@pytest.mark.parametrize("kind", NEW_TYPES)
def test_every_alteration_of_the_derived_nets_own_layers_is_found(kind: str) -> None:
    model, net = derived(kind)
    keras_side = describe_model(model)
    assert structure.compare(keras_side, graphs.build(net)).differences == []
    tried = set()
    for alteration in alterations.alterations(net):
        layer = net.layers[alteration.layer]
        if layer.type not in NEW_TYPES[kind]:
            continue
        rows = structure.compare(keras_side, graphs.build(alteration.net)).differences
        assert rows, f"{layer.name}: {alteration.what}"
        assert rows[0].layer == layer.name, f"{layer.name}: {alteration.what}: {rows[0]}"
        tried.add(alteration.what)
    assert tried >= TRIED[kind]


LIVE = {
    "channel": {"Normalize eps"},
    "spatial": {"MVN eps", "Sigmoid dropped", "Interp size reference", "CaffePool round_mode"},
}


@pytest.mark.parametrize("kind", LIVE)
def test_what_dra_net_lacks_is_found_in_live_layers_too(kind: str) -> None:
    model, net = derived(kind)
    graph = graphs.build(net)
    seen = set()
    for layer, what, altered in live.alterations(model):
        if what in LIVE[kind]:
            rows = structure.compare(describe_model(altered), graph).differences
            assert rows, what
            assert rows[0].layer == layer, what
            seen.add(what)
    assert seen == LIVE[kind]
    assert structure.compare(describe_model(model), graph).differences == []  # all set back


@pytest.mark.parametrize("blind", ["stride", "eps", "inputs", "layer"])
def test_a_check_that_is_blind_to_something_is_found_out(
    blind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof itself can fail: a comparison that skips one kind of fact misses alterations."""
    honest = structure.Comparison.expect

    def expect(self: structure.Comparison, layer: str, what: str, *sides: object) -> None:
        if what != blind:
            honest(self, layer, what, *sides)

    monkeypatch.setattr(structure.Comparison, "expect", expect)
    _, net = derived("diversity")
    proof = prove_net(zoo.entry("dranet"), describe(graphs.build(net)), net)
    assert proof.missed
    assert 0 < proof.found < proof.tried
