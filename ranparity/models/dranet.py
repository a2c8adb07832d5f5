"""DRA-Net: deep residual aggregation over attractors (github.com/leinusi/DRA-Net).

With f the backbone's features (512):

    h = W1 f + b1                              1024
    w = softmax(MLP(h))                        MLP 1024-512-K, ReLU between
    a = sum_k w_k^2 A_k                        attractors A, K x 1024
    z = f + (W2 a + b2)                        512
    logits = MLP(z)                            512-256-K, ReLU between

The published code multiplies the attractors by w and then contracts them with w again: hence the
square. Its regulariser is the mean over attractor pairs (i < j) of a learned distance (an MLP
2048-1024-1 on both attractors, ReLU after both layers), *added* with the weight 1e-3; the text
says that it encourages diversity. Both readings are built, by name.

The dense layers after the features start as PyTorch's do, as in the published code. With Caffe's
`msra` the softmax of the weights is saturated from the start, and images keep to one attractor or
to few.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from ranparity.models import resnet
from ranparity.models.builder import Builder
from ranparity.models.building import fixed, functional
from ranparity.models.config import DRANetConfig
from ranparity.models.layers import MSRA, CaffeLayer
from ranparity.models.loading import loaded

FEATURES, AGGREGATED = "pool5/flat", "aggregation/sum"


def build_dranet(
    config: DRANetConfig,
    *,
    input_shape: tuple[int, ...],
    classes: int = 10,
    include_top: bool = True,
    part: str = "whole",
    classifier_activation: str | Callable[[Any], Any] | None = "softmax",
    weights: str | Path | None = None,
    name: str = "dranet",
    data_format: str | None = None,
    initializer: Callable[[], Any] = MSRA,
) -> keras.Model:
    """Builds a DRA-Net, or the part of it that a stage of its training trains.

    Args:
        config: Which one.
        input_shape: (H, W, C), or (C, H, W) with `channels_first`, in pixels; fixed.
        classes: Number of classes, which is the number of attractors.
        include_top: Whether the classifier is built; without it the output is z, and that of the
            part `features` is f.
        part: `whole`; `features`, the backbone with a classifier of its own (1,000 classes as
            published); or `aggregation`, the whole with a backbone that is not trained and
            computes in inference mode, its BN included.
        classifier_activation: `softmax`, any Keras activation, or None for logits.
        weights: A `.weights.h5`, `.keras` or `.caffemodel` file of this network, or None.
        name: The Keras model's name.
        data_format: `channels_last` or `channels_first`; by default Keras's own setting.
        initializer: Makes an initializer for each kernel; by default Caffe's `msra`.

    Returns:
        A functional model of (N, *input_shape) to (N, classes). Its `losses` hold the regulariser,
        weight included, so that `fit` adds it.

    Raises:
        InputError: A shape that is not fixed or too small, or a missing weights file.
    """
    image = keras.Input(fixed(input_shape), name="data")
    net = Builder(data_format, initializer)
    f = resnet.features(net, image, config.backbone)
    if part == "features":
        count = config.backbone_classes
        x = resnet.classifier(net, f, count, classifier_activation) if include_top else f
        return loaded(functional(image, x, name), weights)
    attractors = net.parameter("attractors", (classes, config.hidden), beside=f)
    x = aggregation(net, f, attractors, config)
    if include_top:
        x = mlp(net, x, "classifier", config.classifying, classes)
        x = net.activation(x, "prob", classifier_activation)
    loss, sign = regulariser(net, attractors, config)
    x = net.with_loss(x, loss, sign * config.regulariser_weight)
    model = functional(image, x, name)
    if part == "aggregation":
        _freeze_backbone(model)
    return loaded(model, weights)


def mlp(net: Builder, x: Any, name: str, hidden: int, units: int) -> Any:
    """Two dense layers with a ReLU between."""
    x = net.relu(net.linear(x, f"{name}/fc1", hidden), f"{name}/fc1/relu")
    return net.linear(x, f"{name}/fc2", units)


def aggregation(net: Builder, f: Any, attractors: Any, config: DRANetConfig) -> Any:
    """Features f, (N, C), and what the attractors add to them: z, (N, C).

    In Caffe the contraction is a Power of 2 and an InnerProduct whose weight is the attractors'.
    """
    h = net.linear(f, "embedding", config.hidden)
    classes = attractors.shape[0]
    w = net.softmax(mlp(net, h, "weights", config.weighting, classes), "weights/softmax")
    a = net.product_with(net.power(w, "weights/squared", 2.0), "aggregation", attractors)
    a = net.linear(a, "aggregation/fc", f.shape[-1])
    return net.eltwise("SUM", AGGREGATED, f, a)


def regulariser(net: Builder, attractors: Any, config: DRANetConfig) -> tuple[Any, int]:
    """The mean distance of the pairs i < j, a scalar, and the sign that it has in the loss."""
    rows = net.slices(attractors, "regulariser/attractor")
    pairs = list(itertools.combinations(rows, 2))
    first = net.concat("regulariser/first", [one for one, _ in pairs], axis=0)
    second = net.concat("regulariser/second", [other for _, other in pairs], axis=0)
    if config.regulariser == "published":
        x = net.concat("regulariser/pair", [first, second], axis=1)
        x = mlp(net, x, "regulariser/distance", config.distance, 1)
        x, sign = net.relu(x, "regulariser/distance/fc2/relu"), 1
    else:
        x = net.eltwise("SUM", "regulariser/difference", first, second, coeff=(1.0, -1.0))
        x = net.reduction(x, "regulariser/squared", "SUMSQ", axis=1)
        x, sign = net.power(x, "regulariser/distance", 0.5), -1
    return net.reduction(x, "regulariser", "MEAN"), sign


def representations(model: keras.Model) -> keras.Model:
    """A model that gives (f, z), each (N, C), for the images that a DRA-Net takes."""
    outputs = {layer.caffe_name: layer.output for layer in model.layers if _in_caffe(layer)}
    return functional(model.input, [outputs[FEATURES], outputs[AGGREGATED]])


def _freeze_backbone(model: keras.Model) -> None:
    """Lets every layer up to the features be as it is, in training too."""
    orders = {layer.caffe_name: layer.caffe_order for layer in model.layers if _in_caffe(layer)}
    for layer in model.layers:
        if _in_caffe(layer) and layer.caffe_order < orders[FEATURES]:
            layer.trainable = False


def _in_caffe(layer: Any) -> bool:
    return isinstance(layer, CaffeLayer)
