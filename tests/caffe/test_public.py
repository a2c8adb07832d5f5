"""Other people's files, where they are at hand: each is read, and its shapes are OpenCV's.

Beside each file are the shapes that OpenCV 4.14 gave for it. Two that it cannot load are compared
with readings written out by hand: LeNet's (a file for training) and ENet's (Paszke et al. 2016,
Table 1, at 512 x 1024).
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from ranparity.caffe import graph, prototxt, shapes
from ranparity.caffe.graph import Node
from ranparity.caffe.shapes import Facts
from ranparity.errors import InputError
from tests.caffe.test_published import ORIGINALS, needs_originals, opencv_shapes

LAYERS = {
    "bvlc_alexnet": 23,
    "bvlc_googlenet": 142,
    "caffenet_v0_legacy": 23,
    "densenet121": 547,
    "fcn8s_voc": 46,
    "hed": 52,
    "inception_v3": 404,
    "mobilenet_v1": 111,
    "pspnet50_ade20k": 205,
    "resnet18": 92,
    "resnet50": 228,
    "resnext50_32x4d": 228,
    "se_resnet50": 308,
    "squeezenet_v1.1": 66,
    "vgg16": 31,
}
"""How many layers each file has that OpenCV loads."""
NOT_LOADED = {"enet": 209, "lenet_train_test": 9}
CALLED = {"score-dsn1": "score-dsn1-up", "new-score-weighting": "upscore-fuse"}
"""Layers that nobody reads OpenCV calls by their tops."""
HELPERS = ("/scale", "__bn")  # layers that OpenCV, or the translation for it, puts in


def inferred(name: str, **given: tuple[int, ...]) -> list[tuple[Node, Facts]]:
    net = prototxt.read(ORIGINALS / "public" / f"{name}.prototxt", shapes=given)
    return shapes.infer(graph.build(net))


def named(found: list[tuple[Node, Facts]]) -> dict[str, tuple[int, ...]]:
    """The first top of each layer; one of a name that has come before is numbered, as OpenCV's."""
    seen: Counter[str] = Counter()
    tops = {}
    for node, facts in found:
        number = seen[node.name]
        tops[f"{node.name}_{number}" if number else node.name] = facts.tops[0]
        seen[node.name] += 1
    return tops


@needs_originals
@pytest.mark.parametrize("name", LAYERS)
def test_every_shape_is_opencvs(name: str) -> None:
    record = json.loads((ORIGINALS / "public" / f"{name}.json").read_text(encoding="utf-8"))
    ours = named(inferred(name))
    theirs = {
        layer: shape
        for layer, shape in opencv_shapes(record).items()
        if layer in ours or not layer.endswith(HELPERS)
    }
    assert len(ours) == LAYERS[name]
    assert {CALLED.get(layer, layer): shape for layer, shape in ours.items()} == theirs


@needs_originals
def test_every_file_is_told_of_here() -> None:
    files = {path.stem for path in (ORIGINALS / "public").glob("*.prototxt")}
    assert files == {*LAYERS, *NOT_LOADED}


@needs_originals
def test_lenet_is_as_written_by_hand() -> None:
    with pytest.raises(InputError, match=r'"mnist" \(Data\): what it reads is not here'):
        inferred("lenet_train_test")
    found = inferred("lenet_train_test", data=(100, 1, 28, 28), label=(100,))
    assert named(found) == {
        "conv1": (100, 20, 24, 24),
        "pool1": (100, 20, 12, 12),
        "conv2": (100, 50, 8, 8),
        "pool2": (100, 50, 4, 4),
        "ip1": (100, 500),
        "relu1": (100, 500),
        "ip2": (100, 10),
        "accuracy": (),
        "loss": (),
    }
    totals = shapes.totals(2, [facts for _, facts in found])
    assert totals.trainable_parameters == 20 * 26 + 50 * 501 + 500 * 801 + 10 * 501
    assert totals.macs == 24**2 * 20 * 25 + 8**2 * 50 * 500 + 800 * 500 + 500 * 10


STAGES = {
    "concat0_1": (16, 256, 512),
    "eltwise1_0_4": (64, 128, 256),
    "eltwise1_4_4": (64, 128, 256),
    "eltwise2_0_4": (128, 64, 128),
    "eltwise2_8_4": (128, 64, 128),
    "eltwise3_8_4": (128, 64, 128),
    "upsample4_0_4": (64, 128, 256),
    "eltwise4_2_4": (64, 128, 256),
    "upsample5_0_4": (16, 256, 512),
    "eltwise5_1_4": (16, 256, 512),
    "deconv6_0_0": (19, 512, 1024),
}


@needs_originals
def test_enet_has_the_papers_stages() -> None:
    found = inferred("enet")
    tops = named(found)
    assert len(found) == NOT_LOADED["enet"]
    assert {name: tops[name][1:] for name in STAGES} == STAGES
    pools: Any = {node.name: facts.tops for node, facts in found if len(facts.tops) == 2}
    assert {name: tops[0][1:] for name, tops in pools.items()} == {
        "pool1_0_4": (16, 128, 256),
        "pool2_0_4": (64, 64, 128),
    }
    totals = shapes.totals(1, [facts for _, facts in found])
    assert round(totals.trainable_parameters / 1e6, 2) == 0.37  # the paper's Table 2
