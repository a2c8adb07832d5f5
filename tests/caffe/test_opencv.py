"""OpenCV reads Caffe too: its blobs are the arbiter's, a rounding apart, and a fault is seen."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from ranparity.caffe import graph, opencv, prototxt
from ranparity.caffe.arbiter import run
from ranparity.caffe.arbiter.explained import Question, Reference, explained
from ranparity.caffe.arbiter.noise import UNIT_ROUNDOFF
from ranparity.commands.export import exported
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.parity.ladder import rounding

PUBLISHED = ("attention56@8", "attention92@8", "attentionnext56@8", "attentionnext92@8")
SIZE = 64


def drawn(arbiter: run.Arbiter) -> dict[str, Any]:
    random = np.random.default_rng(0)
    found = {}
    for name, shape in (arbiter.parameters | arbiter.statistics).items():
        part = name.rpartition("/")[2]
        if part == "weight":
            x = random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        elif part in ("slope", "variance"):
            x = random.uniform(0.5, 1.5, shape)
        else:
            x = 0.1 * random.standard_normal(shape)
        found[name] = x.astype(np.float32)
    return found


def prepared(name: str) -> tuple[run.Arbiter, Any, dict[str, Any], dict[str, Reference]]:
    """A narrow twin of a net with weights and images, and what the arbiter makes of them."""
    net = graph.build(prototxt.parse(exported(zoo.entry(name), (SIZE, SIZE))))
    arbiter = run.Arbiter(net, {net.inputs[0].name: (2, 3, SIZE, SIZE)})
    images = np.random.default_rng(1).standard_normal((2, 3, SIZE, SIZE)).astype(np.float32)
    weights = drawn(arbiter)
    question = Question(
        arbiter, run.tensors({net.inputs[0].name: images}), run.tensors(weights), training=False
    )
    references, _ = explained(question, UNIT_ROUNDOFF["float32"])
    return arbiter, images, weights, references


def judged(found: dict[str, Any], references: dict[str, Reference]) -> list[rounding.Row]:
    return [
        rounding.compare(
            name, found[name], references[f"blob/{name}"].value, references[f"blob/{name}"].noise,
            "float32",
        )
        for name in found
    ]  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_blob_of_the_published_kinds_of_net_is_opencvs(name: str) -> None:
    arbiter, images, weights, references = prepared(name)
    rows = judged(opencv.forward(arbiter.graph, {"data": images}, weights), references)
    assert [row.tensor for row in rows] == [step.node.outputs[0] for step in arbiter.steps]
    assert len(rows) > 350
    assert {row.verdict for row in rows} <= {rounding.IDENTICAL, rounding.ROUNDING}
    assert max(row.rho or 0 for row in rows) < rounding.LIMIT / 2


def test_another_eps_in_the_translation_is_seen_at_its_layer() -> None:
    arbiter, images, weights, references = prepared("attention56@8")
    name = "AttentionA_1/trunk/res1/bn"
    shaken = {**weights, f"{name}/variance": weights[f"{name}/variance"] + np.float32(1e-3)}
    rows = judged(opencv.forward(arbiter.graph, {"data": images}, shaken), references)
    assert next(row.tensor for row in rows if row.verdict == rounding.DIFFERS) == name


def test_a_type_that_opencv_is_not_asked_about_is_refused_by_name() -> None:
    net = graph.build(prototxt.parse(exported(zoo.entry("dranet-cifar@32"), (16, 16))))
    with pytest.raises(InputError, match=r'layer "attractors" \(Parameter\): OpenCV is asked'):
        opencv.forward(net, {"data": np.zeros((1, 3, 16, 16))}, drawn(run.Arbiter(net)))


def test_without_opencv_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    net = graph.build(prototxt.parse(exported(zoo.entry("resnet18-cifar@32"), (16, 16))))
    with pytest.raises(InputError, match=r"OpenCV is not installed: .*ranparity\[opencv\]"):
        opencv.forward(net, {"data": np.zeros((1, 3, 16, 16))}, {})


LRN = """
input: "data" input_shape { dim: 1 dim: 6 dim: 4 dim: 4 }
layer { name: "norm" type: "LRN" bottom: "data" top: "norm" lrn_param { PARAMS } }
"""


def test_a_layer_that_opencv_computes_otherwise_is_refused_by_name() -> None:
    net = graph.build(prototxt.parse(LRN.replace("PARAMS", "k: 2")))
    with pytest.raises(InputError, match=r'layer "norm" \(LRN\): OpenCV takes 1 for its k'):
        opencv.forward(net, {"data": np.zeros((1, 6, 4, 4))}, {})


OTHERS = """
name: "others"
input: "data" input_shape { dim: 2 dim: 3 dim: 12 dim: 12 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 8 kernel_size: 3 hole: 2 pad: 2 } }
layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "bend" type: "PReLU" bottom: "conv" top: "conv" }
layer { name: "lrn" type: "LRN" bottom: "conv" top: "lrn" lrn_param { local_size: 3 } }
layer { name: "pool" type: "Pooling" bottom: "lrn" top: "pool"
  pooling_param { kernel_size: 3 stride: 2 ceil_mode: false } }
layer { name: "up" type: "Deconvolution" bottom: "pool" top: "up"
  convolution_param { num_output: 4 kernel_size: 4 stride: 2 group: 2 } }
layer { name: "crop" type: "Crop" bottom: "up" bottom: "data" top: "crop"
  crop_param { axis: 2 offset: 0 } }
layer { name: "shift" type: "BN" bottom: "crop" top: "shift" bn_param { bn_mode: INFERENCE } }
layer { name: "all" type: "Pooling" bottom: "shift" top: "all"
  pooling_param { pool: AVE global_pooling: true } }
layer { name: "axpy" type: "Axpy" bottom: "all" bottom: "shift" bottom: "crop" top: "axpy" }
layer { name: "turn" type: "Permute" bottom: "axpy" top: "turn"
  permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "flat" type: "Flatten" bottom: "turn" top: "flat" }
layer { name: "again" type: "Reshape" bottom: "flat" top: "again"
  reshape_param { shape { dim: 0 dim: 4 dim: -1 } } }
layer { name: "tanh" type: "TanH" bottom: "again" top: "tanh" }
layer { name: "elu" type: "ELU" bottom: "tanh" top: "elu" elu_param { alpha: 0.5 } }
layer { name: "drop" type: "Dropout" bottom: "elu" top: "elu" }
layer { name: "join" type: "Concat" bottom: "again" bottom: "elu" top: "join" }
layer { name: "inside" type: "LRN" bottom: "conv" top: "inside"
  lrn_param { local_size: 5 alpha: 2 k: 3 norm_region: WITHIN_CHANNEL } }
"""


def test_what_other_deployed_nets_have_is_opencvs_too() -> None:
    net = graph.build(prototxt.parse(OTHERS))
    size = {"data": (2, 3, 12, 12)}
    arbiter = run.Arbiter(net, size)
    images = np.random.default_rng(1).standard_normal(size["data"]).astype(np.float32)
    weights = drawn(arbiter) | {"norm/factor": np.ones(1, np.float32)}
    question = Question(
        arbiter, run.tensors({"data": images}), run.tensors(weights), training=False
    )
    references, _ = explained(question, UNIT_ROUNDOFF["float32"])
    rows = judged(opencv.forward(arbiter.graph, {"data": images}, weights), references)
    assert len(rows) == len(arbiter.steps)
    for row in rows:
        assert row.verdict in (rounding.IDENTICAL, rounding.ROUNDING), row
        assert (row.rho or 0) < 10, row
