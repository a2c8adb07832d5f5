"""`ranparity check` on each backend: the nets pass, and its parts do what they say."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import pytest

from ranparity.caffe import graph, prototxt
from ranparity.caffe.description import Description, describe
from ranparity.commands import export as command
from ranparity.models import describe as live
from ranparity.models import export, zoo
from ranparity.parity.check import check, empty, judge, pool_whole_map
from tests.conftest import BACKENDS
from tests.models.kinds import first_of_kinds

REPORTS = Path(__file__).parents[2] / "reports"


FIRST_OF_KIND = first_of_kinds()
PUBLISHED = [entry for entry in zoo.ENTRIES.values() if entry.origin == "original"]
SHALLOWER = [zoo.entry("attention56"), zoo.entry("attentionnext56")]
"""Published nets with every layer of the two others, which repeat modules."""


@dataclasses.dataclass(frozen=True)
class Built:
    """A net of the zoo at its own size, built once on torch, and what the exporter wrote of it."""

    entry: zoo.Entry
    text: str
    keras: Description


@pytest.fixture(scope="module", params=zoo.ENTRIES)
def built(request: pytest.FixtureRequest) -> Iterator[Built]:
    entry = zoo.entry(request.param)
    yield Built(entry, *exported(entry, entry.input_shape[:2]))
    keras.backend.clear_session()


def exported(entry: zoo.Entry, size: tuple[int, int]) -> tuple[str, Description]:
    """What the exporter writes of a net, and the description of the model that it wrote it from."""
    described = []

    def describing(model: keras.Model) -> Description:
        described.append(live.describe(model))
        return described[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "describe", describing)
        text = command.exported(entry, size)
    return text, described[0]


def recorded(backend: str) -> dict[str, Any]:
    """What the committed report has of each net."""
    record = json.loads((REPORTS / "data" / f"check-{backend}.json").read_text())
    return {result["model"]: result for result in record["results"]}


def said(found: dict[str, Any], record: Any) -> dict[str, Any]:
    """What a record has of what is found: one of before digests were written down has none."""
    left_out = {"prototxt_digest"} - set(record or ())
    return {key: value for key, value in found.items() if key not in left_out}


def test_the_committed_prototxt_is_what_is_exported(built: Built) -> None:
    assert built.text == built.entry.prototxt.read_text(), (
        "prototxt/ is stale: run nox -s prototxts"
    )


def test_every_net_passes_and_the_committed_record_is_of_this_state(built: Built) -> None:
    """Level 0; `reports/data` holds the same of each backend, to the last compared fact.

    The net's own size is held against the live model, and so is the odd size of one net of each
    kind; for the others it is the prototxt alone that says how many facts there are.
    """
    entry, result = built.entry, empty(built.entry)
    net = prototxt.read(entry.prototxt)
    own, odd = entry.sizes
    judge(result, entry, built.keras, net, own)
    if entry.name in FIRST_OF_KIND or entry in PUBLISHED:
        _, there = exported(entry, odd)
    else:
        there = describe(graph.build(pool_whole_map(net.with_size(*odd))[0]))
    judge(result, entry, there, net, odd)
    assert result.differences == []
    assert result.verdict == "pass"
    found = json.loads(json.dumps(result.to_json()))
    for backend in BACKENDS:
        record = recorded(backend).get(entry.name)
        assert record == said(found, record), "reports/ is stale: run nox -s report"


def test_the_record_is_of_the_zoo(backend: str) -> None:
    assert list(recorded(backend)) == list(zoo.ENTRIES), "reports/ is stale: run nox -s report"


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_the_published_nets_pass_on_the_other_backends_too(backend: str) -> None:
    """In full, at both sizes, in processes of their own as the command has them."""
    found = [result.to_json() for result in check(SHALLOWER, backend)]
    assert len(found) == 2
    assert [result["differences"] for result in found] == [[]] * 2
    record = recorded(backend)
    wanted = [said(each, record.get(each["model"])) for each in json.loads(json.dumps(found))]
    assert [record.get(entry.name) for entry in SHALLOWER] == wanted, (
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
    result = empty(entry)
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
    result = empty(other)
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
    entry = zoo.entry("attention56")
    found = empty(entry).to_json()
    content = entry.prototxt.read_bytes()
    assert found["prototxt_digest"] == hashlib.sha256(content).hexdigest()
    keys = set(found)
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
