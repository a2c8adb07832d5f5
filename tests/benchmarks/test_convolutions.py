"""A net's convolutions, each once: their layers, shapes and work are the prototxt's."""

from __future__ import annotations

import dataclasses
import json

import pytest

from ranparity.benchmarks import convolutions
from ranparity.benchmarks.case import Case
from ranparity.benchmarks.convolutions import PASSES, TYPE, Convolution, distinct
from ranparity.errors import InputError
from ranparity.models import zoo


@pytest.mark.parametrize("model", zoo.ENTRIES)
def test_they_are_all_of_the_nets_layers_and_all_of_their_work(model: str) -> None:
    case = Case(model, 3)
    layers = [(node, facts) for node, facts in case.layers()[0] if node.type == TYPE]
    found = distinct(case)
    assert sum(counted.layers for counted in found) == len(layers)
    flops = sum(counted.layers * counted.convolution.flops for counted in found)
    assert flops == 2 * 3 * sum(facts.macs for _, facts in layers)
    assert len({counted.convolution for counted in found}) == len(found)
    names = [node.name for node, _ in layers]
    places = [names.index(counted.layer) for counted in found]
    assert places == sorted(places)


@pytest.mark.parametrize("model", ["attention56", "resnet18-cifar", "dranet-cifar"])
def test_only_the_first_of_a_net_has_an_input_without_a_gradient(model: str) -> None:
    first, *others = distinct(Case(model, 2))
    assert (first.layers, first.convolution.passes) == (1, PASSES[:2])
    assert {counted.convolution.passes for counted in others} == {PASSES}


def test_of_resnet18_they_are_these() -> None:
    found = {counted.layer: counted for counted in distinct(Case("resnet18-cifar", 4))}
    assert [counted.layers for counted in found.values()] == [1, 4, 1, 1, 3, 1, 1, 3, 1, 1, 3]
    assert found["res3a_branch1"].convolution == Convolution(
        bottom=(4, 64, 32, 32),
        top=(4, 128, 16, 16),
        kernel=(1, 1),
        stride=(2, 2),
        pad=(0, 0),
        dilation=(1, 1),
        group=1,
        input_gradient=True,
    )


def test_the_product_of_groups_is_one_of_batches() -> None:
    convolution = Convolution((2, 6, 8, 8), (2, 4, 4, 4), (3, 3), (2, 2), (1, 1), (1, 1), 2, True)
    assert convolution.weight == (3, 3, 3, 4)
    assert convolution.factors == ((2, 32, 27), (2, 27, 2))
    assert convolution.flops == 2 * 2 * 32 * 27 * 2


def test_a_worker_hears_what_was_told() -> None:
    for counted in distinct(Case("resnet18-cifar", 4)):
        told = json.dumps(dataclasses.asdict(counted.convolution))
        assert convolutions.heard(json.loads(told)) == counted.convolution


def test_a_net_that_is_not_known_is_refused() -> None:
    with pytest.raises(InputError, match="unknown model 'nothing'"):
        distinct(Case("nothing", 1))
