"""`ranparity check` on each backend: the nets pass, and its parts do what they say."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from ranparity.caffe import graph, prototxt
from ranparity.caffe.description import describe
from ranparity.models import zoo
from ranparity.parity.check import _empty, check, judge, pool_whole_map

REPORTS = Path(__file__).parents[2] / "reports"


def test_all_nets_pass_and_the_committed_record_is_of_this_state(backend: str) -> None:
    """Level 0 at both sizes; `reports/data` holds the same, to the last compared fact."""
    found = [result.to_json() for result in check(list(zoo.ENTRIES.values()), backend)]
    assert [result["differences"] for result in found] == [[]] * len(zoo.ENTRIES)
    assert {result["verdict"] for result in found} == {"pass"}
    record = json.loads((REPORTS / "data" / f"check-{backend}.json").read_text())
    assert record["results"] == json.loads(json.dumps(found)), (
        "reports/ is stale: run nox -s report"
    )


@pytest.mark.parametrize("name", zoo.ENTRIES)
def test_the_integers_are_those_of_the_source(name: str) -> None:
    """The prototxt's own counts, without Keras, are the table's."""
    entry = zoo.entry(name)
    found = describe(graph.build(prototxt.read(entry.prototxt)))
    types = [layer.type for layer in found.layers]
    integers = entry.integers
    assert found.totals.layers == integers.layers
    assert types.count("Convolution") == integers.convolutions
    assert types.count("BN") == integers.bn
    assert found.totals.trainable_parameters == integers.trainable_parameters
    assert found.totals.parameters_with_statistics == integers.parameters_with_statistics
    assert found.totals.macs == integers.macs


def test_attention92_at_320_pools_the_whole_map() -> None:
    """21,495,398,400 MACs, as the source has it; as published the 7x7 pool leaves 4x4."""
    net = prototxt.read(zoo.entry("attention92").prototxt).with_size(320, 320)
    published = describe(graph.build(net))
    assert published.shapes["ave_pool"] == (1, 2048, 4, 4)
    adapted, lines = pool_whole_map(net)
    assert lines == [
        "ave_pool: kernel 10x10 at input 320x320, where the file has 7x7: the head pools the "
        "whole map"
    ]
    assert describe(graph.build(adapted)).totals.macs == 21_495_398_400


def test_at_its_own_size_no_head_is_adapted() -> None:
    """Otherwise an altered kernel of the head would be repaired before it is compared."""
    entry = zoo.entry("attention56-cifar")
    net = prototxt.read(entry.prototxt)
    keras = describe(graph.build(net))
    text = entry.prototxt.read_text().replace("kernel_size: 8", "kernel_size: 7")
    result = _empty(entry)
    judge(result, entry, keras, prototxt.parse(text), (32, 32))
    assert result.adaptations == []
    assert result.differences[0]["layer"] == "ave_pool"
    assert result.verdict == "fail"


def test_a_count_that_is_not_the_sources_is_a_difference() -> None:
    entry = zoo.entry("attention56-cifar")
    other = dataclasses.replace(
        entry, integers=dataclasses.replace(entry.integers, trainable_parameters=1)
    )
    net = prototxt.read(entry.prototxt)
    result = _empty(other)
    judge(result, other, describe(graph.build(net)), net, (32, 32))
    assert result.differences == [
        {
            "size": "32x32",
            "layer": "(whole net)",
            "what": "trainable_parameters (from the source)",
            "keras": "1030394",
            "prototxt": "1",
        }
    ]


def test_the_result_has_the_promised_keys() -> None:
    keys = set(_empty(zoo.entry("attention56")).to_json())
    assert keys >= {
        "model",
        "prototxt",
        "origin",
        "errata",
        "layers",
        "blobs",
        "trainable_parameters",
        "macs",
        "compared",
        "differences",
        "verdict",
    }
