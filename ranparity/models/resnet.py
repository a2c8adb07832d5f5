"""Residual networks of two-convolution units: ResNet-18 (He et al., CVPR 2016, Table 1).

Written from the paper, in the form that PyTorch's model zoo trains: shortcuts are identities but
where the width changes (option B), there is a BN after each convolution and a ReLU after the sum,
and the max pool has a pad of 1. Layers have the names of He's Caffe releases (`res2a_branch2a`,
`bn2a_branch2a`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from ranparity.models.builder import Builder
from ranparity.models.building import fixed, functional
from ranparity.models.config import ResNetConfig
from ranparity.models.layers import MSRA
from ranparity.models.loading import loaded


def build_resnet(
    config: ResNetConfig,
    *,
    input_shape: tuple[int, ...],
    classes: int = 1000,
    include_top: bool = True,
    classifier_activation: str | Callable[[Any], Any] | None = "softmax",
    weights: str | Path | None = None,
    name: str = "resnet",
    data_format: str | None = None,
    initializer: Callable[[], Any] = MSRA,
) -> keras.Model:
    """Builds a residual network.

    Args:
        config: Which one.
        input_shape: (H, W, C), or (C, H, W) with `channels_first`, in pixels; fixed.
        classes: Number of classes.
        include_top: Whether the classifier is built; without it the output is the vector of
            features, (N, C).
        classifier_activation: `softmax`, any Keras activation, or None for logits.
        weights: A `.weights.h5`, `.keras` or `.caffemodel` file of this network, or None.
        name: The Keras model's name.
        data_format: `channels_last` or `channels_first`; by default Keras's own setting.
        initializer: Makes an initializer for each kernel; by default Caffe's `msra`.

    Returns:
        A functional model of (N, *input_shape) to (N, classes), or to the features.

    Raises:
        InputError: A shape that is not fixed or too small, or a missing weights file.
    """
    image = keras.Input(fixed(input_shape), name="data")
    net = Builder(data_format, initializer)
    x = features(net, image, config)
    if include_top:
        x = classifier(net, x, classes, classifier_activation)
    return loaded(functional(image, x, name), weights)


def features(net: Builder, image: Any, config: ResNetConfig) -> Any:
    """The network without its last layer: images to `pool5/flat`, (N, C)."""
    x = _stem(net, image, config)
    for number, (units, channels) in enumerate(
        zip(config.units, config.channels, strict=True), start=2
    ):
        for unit in range(units):
            stride = 2 if unit == 0 and number > 2 else 1
            x = basic_unit(net, x, f"{number}{chr(ord('a') + unit)}", channels, stride)
    return net.flatten(net.average_whole_map(x, "pool5"), "pool5/flat")


def classifier(net: Builder, x: Any, classes: int, activation: Any) -> Any:
    """The last layer: features to `fc1000`, whatever the number of classes, and `prob`."""
    return net.activation(net.inner_product(x, "fc1000", classes), "prob", activation)


def _stem(net: Builder, image: Any, config: ResNetConfig) -> Any:
    """The first convolution; on ImageNet's size also a pool."""
    kernel, stride = (3, 1) if config.stem == "cifar" else (7, 2)
    x = net.convolution(image, "conv1", config.channels[0], kernel, stride)
    x = net.relu(net.bn(x, "bn_conv1"), "conv1_relu")
    if config.stem == "cifar":
        return x
    return net.max_pool(x, "pool1", pad=1, round_mode="FLOOR")


def basic_unit(net: Builder, x: Any, place: str, channels: int, stride: int) -> Any:
    """Two 3x3 convolutions, each with a BN, added to the shortcut, then a ReLU.

    Args:
        net: The builder.
        x: The input, NHWC or NCHW by the builder's data format.
        place: Stage and unit, such as `3a`.
        channels: Width.
        stride: Of the first convolution and of the shortcut.
    """
    name = f"res{place}"
    shortcut = x
    if stride != 1 or net.channels(x) != channels:
        shortcut = net.convolution(x, f"{name}_branch1", channels, 1, stride)
        shortcut = net.bn(shortcut, f"bn{place}_branch1")
    y = net.convolution(x, f"{name}_branch2a", channels, 3, stride)
    y = net.relu(net.bn(y, f"bn{place}_branch2a"), f"{name}_branch2a_relu")
    y = net.convolution(y, f"{name}_branch2b", channels, 3)
    y = net.bn(y, f"bn{place}_branch2b")
    return net.relu(net.eltwise("SUM", name, shortcut, y), f"{name}_relu")
