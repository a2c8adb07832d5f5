"""The Residual Attention Networks (Wang et al., CVPR 2017, arXiv 1704.06904) in Keras 3.

Written from the paper, sections 3.1 to 3.3 and Figure 2, with the layer names of the authors'
release, so that the graph can be read beside both.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ranparity.errors import InputError
from ranparity.models.builder import Builder
from ranparity.models.config import AttentionConfig, Stage
from ranparity.models.layers import MSRA
from ranparity.models.units import activate, residual_unit
from ranparity.models.zoo import ENTRIES, Entry


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
        include_top: Whether the average pool and the classifier are built; without them the
            output is the last activated map.
        classifier_activation: `softmax`, any Keras activation, or None for logits.
        weights: A `.weights.h5` or `.keras` file of this network, or None.
        name: The Keras model's name.
        data_format: `channels_last` or `channels_first`; by default Keras's own setting.
        initializer: Makes an initializer for each kernel; by default Caffe's `msra`.

    Returns:
        A functional model of (N, *input_shape) to (N, classes), or to the last map.

    Raises:
        InputError: A shape that is not fixed or too small, or a missing weights file.
    """
    data_format = data_format or keras.config.image_data_format()
    image = keras.Input(_fixed(input_shape), name="data")
    net = Builder(config, data_format, initializer)
    x = _stem(net, image)
    for number, stage in enumerate(config.stages, start=1):
        x = _stage(net, x, number, stage)
    x = activate(net, x)
    if include_top:
        x = net.average_whole_map(x, "ave_pool")
        x = net.inner_product(x, "classifier", classes)
        x = net.activation(x, "cls", classifier_activation)
    model = keras.Model(image, x, name=name)
    if weights is not None:
        _load(model, Path(weights))
    return model


def _stem(net: Builder, image: Any) -> Any:
    """The first convolution; on ImageNet's size also a pool."""
    if net.config.stem == "cifar":
        x = net.convolution(image, "conv1", net.config.stem_channels, 3)
        return net.bn_relu(x, "conv1")
    x = net.convolution(image, "conv1", net.config.stem_channels, 7, stride=2)
    return net.max_pool(net.bn_relu(x, "conv1"), "pool1_3x3_s2")


def _stage(net: Builder, x: Any, number: int, stage: Stage) -> Any:
    """A projection unit, attention modules, and units; the tail's are all `post_res`."""
    first = f"pre_res_{number}" if stage.modules else f"post_res_{number}_1"
    x = residual_unit(net, x, first, stage.channels, stride=stage.stride, project=True)
    for module in range(1, stage.modules + 1):
        name = f"Attention{chr(ord('A') + number - 1)}_{module}"
        x = attention_module(net, x, name, stage)
    after = 1 if stage.modules else 2
    for unit in range(after, after + stage.units):
        x = residual_unit(net, x, f"post_res_{number}_{unit}", stage.channels)
    return x


def attention_module(net: Builder, x: Any, name: str, stage: Stage) -> Any:
    """An attention module: trunk T, mask M, and `(1 + M) * T` (equation 3), then one unit.

    The mask branch leaves the trunk after its first unit, as in the release.
    """
    trunk = [x]
    for unit in (1, 2, 3):
        trunk.append(residual_unit(net, trunk[-1], f"{name}/trunk/res{unit}", stage.channels))
    mask = soft_mask(net, trunk[1], trunk[3], name, stage)
    residual = net.eltwise("PROD", net.config.spelling.residual.format(module=name), trunk[3], mask)
    fusion = net.eltwise("SUM", f"{name}/fusion", residual, trunk[3])
    return residual_unit(net, fusion, name, stage.channels)


def soft_mask(net: Builder, x: Any, trunk: Any, name: str, stage: Stage) -> Any:
    """The soft mask branch: max pools down, interpolations up, skips between, a sigmoid.

    Args:
        net: The builder.
        x: The map that the branch starts from.
        trunk: The trunk's output, whose size the mask has.
        name: The module's.
        stage: Width and number of max pools.

    Returns:
        The mask, of the trunk's shape, between 0 and 1.
    """
    spelling, depth = net.config.spelling, stage.mask_depth
    mask = f"{name}/mask"
    down: list[Any] = [trunk]
    for level in range(1, depth + 1):
        x = net.max_pool(x, f"{mask}/{spelling.down}/pool{level}_3x3_s2")
        x = residual_unit(net, x, f"{mask}/{spelling.down}/res{level}_1", stage.channels)
        down.append(x)
    x = residual_unit(net, x, f"{mask}/{spelling.down}/res{depth}_2", stage.channels)
    for level in range(depth, 1, -1):
        skip = down[level - 1]
        x = net.interp(x, f"{mask}/{spelling.up}/interp_{level}", skip)
        skip = residual_unit(net, skip, f"{mask}/skip/res{level - 1}", stage.channels)
        x = net.eltwise("SUM", f"{mask}/{spelling.up}{level - 1}", skip, x)
        x = residual_unit(net, x, f"{mask}/{spelling.up}/res{level - 1}_1", stage.channels)
    x = activate(net, net.interp(x, f"{mask}/{spelling.up}/interp_1", trunk))
    x = net.convolution(x, f"{mask}/linear_1", stage.channels, 1)
    x = net.bn_relu(x, f"{mask}/linear_1")
    x = net.convolution(x, f"{mask}/linear_2", stage.channels, 1)
    return net.sigmoid(x, mask)


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


def _fixed(input_shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(input_shape) != 3 or any(not isinstance(s, int) or s < 1 for s in input_shape):
        raise InputError(
            "input_shape must be three positive integers (height, width, channels; channels "
            "first with channels_first), because the masks are resized by matrices of a fixed "
            f"size. Received: input_shape={input_shape}"
        )
    return tuple(input_shape)


def _load(model: keras.Model, path: Path) -> None:
    if not path.is_file():
        raise InputError(f"weights must be None or a file of weights. Received: weights={path}")
    try:
        with warnings.catch_warnings():  # Keras only warns where it leaves layers as they were
            warnings.simplefilter("error", UserWarning)
            model.load_weights(path)
    except (OSError, ValueError, UserWarning) as error:
        raise InputError(
            f"{path}: expected weights of {model.name} (.weights.h5 or .keras): {error}"
        ) from None


def _named(entry: Entry) -> Callable[..., keras.Model]:
    """A keras.applications-like function for an entry of the zoo."""
    shape, count = entry.input_shape, entry.classes

    def function(
        include_top: bool = True,
        weights: str | Path | None = None,
        input_shape: tuple[int, ...] | None = None,
        classes: int = count,
        classifier_activation: str | Callable[[Any], Any] | None = "softmax",
        name: str = entry.name,
        data_format: str | None = None,
    ) -> keras.Model:
        return entry.build(
            include_top=include_top,
            weights=weights,
            input_shape=input_shape,
            classes=classes,
            classifier_activation=classifier_activation,
            name=name,
            data_format=data_format,
        )

    function.__name__ = function.__qualname__ = entry.title.replace("-", "")
    function.__doc__ = f"""{entry.title}, for {shape} images and {count} classes unless told.

    Args:
        include_top: Whether the average pool and the classifier are built.
        weights: A `.weights.h5` or `.keras` file of this network, or None.
        input_shape: (H, W, C), or (C, H, W) with `channels_first`, in pixels; fixed. Any size
            that Caffe's rules allow; the head pools the whole last map.
        classes: Number of classes.
        classifier_activation: `softmax`, any Keras activation, or None for logits.
        name: The model's name.
        data_format: `channels_last` or `channels_first`; by default Keras's own setting.

    Returns:
        A functional `keras.Model` of (N, H, W, C) images (see `preprocess_input`) to
        (N, classes).

    Raises:
        InputError: A shape that is not fixed or too small, or weights that cannot be used.
    """
    return function


Attention56 = _named(ENTRIES["attention56"])
Attention92 = _named(ENTRIES["attention92"])
AttentionNeXt56 = _named(ENTRIES["attentionnext56"])
AttentionNeXt92 = _named(ENTRIES["attentionnext92"])
Attention56CIFAR = _named(ENTRIES["attention56-cifar"])
