"""Narrow twins of every kind of net: on each backend the layers that torch's prototxt says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ranparity.caffe import graph, prototxt
from ranparity.caffe.description import Description
from ranparity.models import zoo
from ranparity.parity.structure import compare
from tests.models import cases
from tests.models.kinds import settings

KINDS = cases.NARROW | cases.NARROWER
Found = dict[str, Any]


def told(found: Found, name: str, what: str) -> str:
    """What a worker says of a kind's twin."""
    return str(found[f"structure|{name}|{what}"])


@pytest.mark.parametrize("name", KINDS)
def test_a_twin_is_on_each_backend_what_torch_exports(
    model_results: dict[str, Found], backend: str, name: str
) -> None:
    """Level 0 at the size and width that its blobs are compared at: each layer's rule applied."""
    text = told(model_results["torch"], name, "prototxt")
    live = Description.from_json(json.loads(told(model_results[backend], name, "description")))
    result = compare(live, graph.build(prototxt.parse(text)))
    assert result.differences == []
    assert result.compared > 8 * len(live.layers)


def test_every_setting_of_a_net_of_the_zoo_is_in_a_twin() -> None:
    """What a new net chooses otherwise than all others needs a twin in cases.py."""
    twins = {each for name, _ in KINDS.values() for each in settings(zoo.entry(name).config)}
    assert ("AttentionConfig", "activation", "mixed") in twins
    for entry in zoo.ENTRIES.values():
        assert set(settings(entry.config)) - twins == set(), entry.name
