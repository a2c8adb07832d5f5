"""Layers that make another shape of any blob: products, parts, reductions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ranparity.caffe.arbiter.base import Call, Made, Sums, layer
from ranparity.caffe.graph import Node
from ranparity.caffe.prototxt import Shape
from ranparity.caffe.shapes import Facts


def _product_sums(node: Node, facts: Facts, bottoms: Sequence[Shape]) -> Sums:
    param = node.message.inner_product_param
    rows = math.prod(bottoms[0][: int(facts.attributes["axis"])])
    inputs = math.prod(facts.parameters["weight"]) // param.num_output
    weights = dict.fromkeys(facts.parameters, rows)
    return Sums(top=inputs, bottom=param.num_output, weights=weights)


@layer("InnerProduct", _product_sums)
def inner_product(call: Call) -> Made:
    """`x W^T + bias` with all axes from one on as one; weight (out, in), or (in, out) transposed.

    Source: BVLC/caffe, src/caffe/layers/inner_product_layer.cpp.
    """
    attributes, weight = call.facts.attributes, call.weights["weight"]
    if not attributes["transpose"]:
        weight = weight.transpose(0, 1)
    y = call.bottoms[0].flatten(int(attributes["axis"])) @ weight
    return Made((y + call.weights["bias"] if "bias" in call.weights else y,))


@layer("Flatten")
def flatten(call: Call) -> Made:
    """Some axes as one (BVLC/caffe, src/caffe/layers/flatten_layer.cpp)."""
    return Made((call.bottoms[0].reshape(call.facts.tops[0]),))


@layer("Slice")
def slice_(call: Call) -> Made:
    """A blob cut along an axis (BVLC/caffe, src/caffe/layers/slice_layer.cpp)."""
    axis = int(call.facts.attributes["axis"])
    lengths = [top[axis] for top in call.facts.tops]
    return Made(tuple(call.bottoms[0].split(lengths, axis)))


@layer("Concat")
def concat(call: Call) -> Made:
    """Blobs one after another along an axis (BVLC/caffe, src/caffe/layers/concat_layer.cpp)."""
    import torch

    return Made((torch.cat(list(call.bottoms), int(call.facts.attributes["axis"])),))


def _reduction_sums(node: Node, facts: Facts, bottoms: Sequence[Shape]) -> Sums:
    del node
    return Sums(top=math.prod(bottoms[0][int(facts.attributes["axis"]) :]))


@layer("Reduction", _reduction_sums)
def reduction(call: Call) -> Made:
    """Sum, sum of magnitudes or squares, or mean of all axes from one on, times a coefficient.

    Source: BVLC/caffe, src/caffe/layers/reduction_layer.cpp.
    """
    attributes = call.facts.attributes
    axis = int(attributes["axis"])
    x = call.bottoms[0].flatten(axis)
    if attributes["operation"] == "ASUM":
        x = x.abs()
    if attributes["operation"] == "SUMSQ":
        x = x**2
    total = x.mean(axis) if attributes["operation"] == "MEAN" else x.sum(axis)
    return Made((total * float(attributes["coeff"]),))


@layer("Parameter")
def parameter(call: Call) -> Made:
    """The parameter itself (BVLC/caffe, include/caffe/layers/parameter_layer.hpp)."""
    return Made((call.weights["parameter"],))
