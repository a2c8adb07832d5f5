"""The Residual Attention Networks (Wang et al., CVPR 2017, arXiv 1704.06904) in Keras 3.

Written from the paper, sections 3.1 to 3.3 and Figure 2, with the layer names of the authors'
release, so that the graph can be read beside both.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ranparity.models.building import fixed, functional
from ranparity.models.config import AttentionConfig, Stage
from ranparity.models.layers import MSRA
from ranparity.models.loading import loaded
from ranparity.models.units import AttentionBuilder, activate, residual_unit


def build_attention(
    config: AttentionConfig,
    *,
    input_shape: tuple[int, ...],
    classes: int = 1000,
    include_top: bool = True,
    classifier_activation: str | Callable[[Any], Any] | None = "softmax",
    weights: str | Path | None = None,
    name: str = "attention",
    data_format: str | None = None,
    initializer: Callable[[], Any] = MSRA,
) -> keras.Model:
    """Builds a network of the family.

    Args:
        config: Which one.
        input_shape: (H, W, C), or (C, H, W) with `channels_first`, in pixels; fixed.
        classes: Number of classes.
        include_top: Whether the head, with the classifier, is built; without them the
            output is the last activated map.
        classifier_activation: `softmax`, any Keras activation, or None for logits.
        weights: A `.weights.h5`, `.keras` or `.caffemodel` file of this network, or None.
        name: The Keras model's name.
        data_format: `channels_last` or `channels_first`; by default Keras's own setting.
        initializer: Makes an initializer for each kernel; by default Caffe's `msra`.

    Returns:
        A functional model of (N, *input_shape) to (N, classes), or to the last map.

    Raises:
        InputError: A shape that is not fixed or too small, or a missing weights file.
    """
    image = keras.Input(fixed(input_shape), name="data")
    net = AttentionBuilder(config, data_format, initializer)
    x = _stem(net, image)
    for number, stage in enumerate(config.stages, start=1):
        x = _stage(net, x, number, stage)
    x = activate(net, x, "ave_pool")
    if include_top:
        if config.head == "average":
            x = net.average_whole_map(x, "ave_pool")
        x = net.inner_product(x, "classifier", classes)
        x = net.activation(x, "cls", classifier_activation)
    model = functional(image, x, name)
    return loaded(model, weights)


def _stem(net: AttentionBuilder, image: Any) -> Any:
    """The first convolution; with some stems also a pool."""
    config = net.config
    if config.stem == "bare":
        return net.convolution(image, "conv1", config.stem_channels, 3)
    kernel, stride = {"imagenet": (7, 2), "cifar": (3, 1), "e4040": (5, 1)}[config.stem]
    x = net.convolution(image, "conv1", config.stem_channels, kernel, stride)
    x = net.bn_relu(x, "conv1")
    if config.stem == "imagenet":
        return net.max_pool(x, "pool1_3x3_s2")
    return net.max_pool(x, "pool1_2x2_s2", kernel=2) if config.stem == "e4040" else x


def _stage(net: AttentionBuilder, x: Any, number: int, stage: Stage) -> Any:
    """A projection unit, attention modules, and units; the tail's are all `post_res`."""
    first = f"pre_res_{number}" if stage.modules else f"post_res_{number}_1"
    unit = functools.partial(
        residual_unit, net, channels=stage.channels, bottleneck=stage.bottleneck
    )
    x = unit(x, first, stride=stage.stride, project=True)
    for module in range(1, stage.modules + 1):
        name = f"Attention{chr(ord('A') + number - 1)}_{module}"
        x = attention_module(net, x, name, stage)
    after = 1 if stage.modules else 2
    for place in range(after, after + stage.units):
        x = unit(x, f"post_res_{number}_{place}")
    return x


def attention_module(net: AttentionBuilder, x: Any, name: str, stage: Stage) -> Any:
    """An attention module: trunk T, mask M, and `(1 + M) * T` (equation 3), then p units.

    The mask branch leaves the trunk after its first p units, as in the release.
    """
    config = net.config
    trunk = [x]
    for unit in range(1, config.p + config.t + 1):
        trunk.append(_unit(net, trunk[-1], f"{name}/trunk/res{unit}", stage))
    mask = soft_mask(net, trunk[config.p], trunk[-1], name, stage)
    x = _learned(net, trunk[-1], mask, name)
    for unit in range(1, config.p):
        x = _unit(net, x, f"{name}/post/res{unit}", stage)
    return _unit(net, x, name, stage)


def _learned(net: AttentionBuilder, trunk: Any, mask: Any, name: str) -> Any:
    """Attention residual learning, (1 + M) * T, or naive: M * T."""
    if net.config.learning == "naive":
        return net.eltwise("PROD", f"{name}/fusion", trunk, mask)
    residual = net.eltwise("PROD", net.config.spelling.residual.format(module=name), trunk, mask)
    return net.eltwise("SUM", f"{name}/fusion", residual, trunk)


def _unit(net: AttentionBuilder, x: Any, name: str, stage: Stage) -> Any:
    """A unit of a module."""
    config = net.config
    return residual_unit(
        net, x, name, stage.channels, add=config.module_sum, bottleneck=config.module_bottleneck
    )


def _units(net: AttentionBuilder, x: Any, name: str, numbers: range, stage: Stage) -> Any:
    """Units of a mask, `name` with their numbers."""
    for number in numbers:
        x = _unit(net, x, f"{name}{number}", stage)
    return x


def soft_mask(net: AttentionBuilder, x: Any, trunk: Any, name: str, stage: Stage) -> Any:
    """The soft mask branch: units, two 1x1 convolutions, and the activation.

    Args:
        net: The builder.
        x: The map that the branch starts from.
        trunk: The trunk's output, whose size the mask has.
        name: The module's.
        stage: Width and number of max pools.

    Returns:
        The mask, of the trunk's shape.
    """
    mask = f"{name}/mask"
    if net.config.mask == "local":
        x = _units(net, x, f"{mask}/res", range(1, 4), stage)
    else:
        x = _encoder_decoder(net, x, trunk, mask, stage)
    x = activate(net, x, f"{mask}/linear_1")
    x = net.convolution(x, f"{mask}/linear_1", stage.channels, 1)
    x = net.bn_relu(x, f"{mask}/linear_1")
    x = net.convolution(x, f"{mask}/linear_2", stage.channels, 1)
    return _mask_activation(net, x, mask)


def _mask_activation(net: AttentionBuilder, x: Any, name: str) -> Any:
    """Mixed (f1), channel (f2) or spatial (f3) attention: equations 4 to 6."""
    if net.config.activation == "channel":
        return net.normalize(x, name)
    if net.config.activation == "spatial":
        x = net.mvn(x, f"{name}/mvn")
    return net.sigmoid(x, name)


def _encoder_decoder(net: AttentionBuilder, x: Any, trunk: Any, mask: str, stage: Stage) -> Any:
    """Max pools down, interpolations up, skips between; no pool at all with a depth of 0.

    r units follow each pool, 2 r the last one, and r each interpolation but the last.
    """
    config, depth = net.config, stage.mask_depth
    down_name, up_name = f"{mask}/{config.spelling.down}", f"{mask}/{config.spelling.up}"
    down: list[Any] = [trunk]
    for level in range(1, depth + 1):
        x = net.max_pool(x, f"{down_name}/pool{level}_3x3_s2")
        x = _units(net, x, f"{down_name}/res{level}_", range(1, config.r + 1), stage)
        down.append(x)
    first = config.r + 1 if depth else 1
    x = _units(net, x, f"{down_name}/res{depth}_", range(first, 2 * config.r + 1), stage)
    for level in range(depth, 1, -1):
        skip = down[level - 1]
        x = net.interp(x, f"{up_name}/interp_{level}", skip)
        if config.mask_skip:
            skip = _unit(net, skip, f"{mask}/skip/res{level - 1}", stage)
            x = net.eltwise("SUM", f"{up_name}{level - 1}", skip, x)
        x = _units(net, x, f"{up_name}/res{level - 1}_", range(1, config.r + 1), stage)
    return net.interp(x, f"{up_name}/interp_1", trunk) if depth else x


def preprocess_input(images: Any, data_format: str | None = None) -> Any:
    """Turns RGB images into what the ImageNet nets are fed: BGR, the mean subtracted.

    Args:
        images: RGB values from 0 to 255; NHWC, HWC, NCHW or CHW by `data_format`.
        data_format: `channels_last` or `channels_first`; by default Keras's own setting.

    Returns:
        BGR values minus (103.939, 116.779, 123.68), the ImageNet means in B, G, R order that
        Caffe's reference models use, not scaled, in the images' axis order. The authors'
        release states no mean of its own.
    """
    if isinstance(images, np.ndarray):
        images = images.copy()  # Keras would write into the caller's
    return keras.applications.imagenet_utils.preprocess_input(
        images, data_format=data_format, mode="caffe"
    )
