"""Level 0 can fail: each alteration is reported at its layer, and a blind check is found out."""

from __future__ import annotations

import pytest

from ranparity.caffe import canonical, prototxt
from ranparity.caffe import graph as graphs
from ranparity.caffe.description import describe
from ranparity.caffe.shapes import RULES
from ranparity.models import zoo
from ranparity.models.export import to_prototxt
from ranparity.parity import alterations, structure
from ranparity.parity.alterations import ALTERS, prove_live, prove_net
from tests.models.test_attention import small

PROVED = ("attention56", "attentionnext56")


@pytest.mark.parametrize("name", PROVED)
def test_every_alteration_of_every_layer_is_found(name: str) -> None:
    entry = zoo.entry(name)
    net = prototxt.read(entry.prototxt)
    proof = prove_net(entry, describe(graphs.build(net)), net)
    assert proof.missed == []
    assert proof.tried == proof.found
    layers = entry.integers.layers
    assert proof.tried > 5 * layers
    assert proof.counts["stride"] == (118, 118)  # 110 convolutions and 8 pools
    assert proof.counts["eps"] == (107, 107)
    assert proof.counts["size reference"] == (6, 6)
    print(f"{entry.title}: {proof.tried} alterations tried, {proof.found} found")


@pytest.mark.parametrize("backend", ["torch"])
def test_every_kind_of_attribute_of_a_live_model_is_found(backend: str) -> None:
    for proof in prove_live([zoo.entry("attentionnext56")], backend):
        assert proof.missed == []
        assert proof.tried == proof.found == 28
        print(f"{proof.title}, live on {backend}: {proof.tried} tried, {proof.found} found")


def test_each_alteration_is_one_and_changes_the_net() -> None:
    net = prototxt.read(zoo.entry("attention56-cifar").prototxt)
    before = canonical.digest(net)
    seen = set()
    for alteration in list(alterations.alterations(net))[::7]:
        digest = canonical.digest(alteration.net)
        if alteration.what != "round_mode":
            assert digest != before, alteration.what
        seen.add((alteration.layer, alteration.what))
        changed = len(net.layers) - len(alteration.net.layers)
        assert changed in (0, 1)
    assert len(seen) > 200


def test_every_layer_type_that_has_attributes_is_altered() -> None:
    assert set(ALTERS) == set(RULES)


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
    net = prototxt.parse(to_prototxt(small(), "Tiny"))
    proof = prove_net(zoo.entry("attention56-cifar"), describe(graphs.build(net)), net)
    assert proof.missed
    assert 0 < proof.found < proof.tried
