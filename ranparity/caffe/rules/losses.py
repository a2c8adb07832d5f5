"""Rules of what ends a net: losses, accuracies, detections."""

from __future__ import annotations

from collections.abc import Sequence

from ranparity.caffe.graph import Node
from ranparity.caffe.prototxt import Shape
from ranparity.caffe.rules.base import (
    Facts,
    RuleError,
    at_least,
    canonical_axis,
    expect_bottoms,
    rule,
)

LOSSES = {
    "ContrastiveLoss": (3, 3),
    "EuclideanLoss": (2, 2),
    "HingeLoss": (2, 2),
    "InfogainLoss": (2, 3),
    "MultinomialLogisticLoss": (2, 2),
    "SigmoidCrossEntropyLoss": (2, 2),
    "SoftmaxWithLoss": (2, 3),
}
"""How few and how many bottoms a loss has (BVLC/caffe, include/caffe/layers/*_loss_layer.hpp)."""
NUMBERS = 7  # of a detection: image, label, score, and two corners


def loss(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """A number; a second top has what it is made of. See `LOSSES`."""
    expect_bottoms(node, bottoms, *LOSSES[node.type])
    return Facts(tops=_at_most(node, ((), bottoms[0])))


for _type in LOSSES:
    rule(_type)(loss)


def _at_most(node: Node, tops: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """As many of some tops as the layer names."""
    if len(node.outputs) > len(tops):
        raise RuleError(f"expected {len(tops)} tops at most, found {len(node.outputs)}")
    return tops[: len(node.outputs)]


@rule("Accuracy")
def accuracy(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """The share of right labels; a second top has that of each class.

    Source: BVLC/caffe, src/caffe/layers/accuracy_layer.cpp, Reshape.
    """
    expect_bottoms(node, bottoms, 2, 2)
    param = node.message.accuracy_param
    axis = canonical_axis(param.axis, bottoms[0])
    classes, top_k = bottoms[0][axis], at_least(param.top_k, 1, "a top_k")
    if top_k > classes:
        raise RuleError(f"expected a top_k of at most {classes} classes, found {top_k}")
    return Facts(tops=_at_most(node, ((), (classes,))), attributes={"top_k": top_k, "axis": axis})


@rule("DetectionOutput")
def detection_output(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Boxes after suppression; how many there are is known when it runs: 1 stands for it.

    Source: weiliu89/caffe, branch ssd, src/caffe/layers/detection_output_layer.cpp, Reshape.
    """
    expect_bottoms(node, bottoms, 3, 5)
    param = node.message.detection_output_param
    return Facts(
        tops=((1, 1, 1, NUMBERS),),
        attributes={
            "num_classes": at_least(param.num_classes, 1, "a num_classes"),
            "detections": "known when it runs",
        },
    )
