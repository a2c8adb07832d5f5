"""The attention modules of a network: where their masks are, and what these are of some images.

A module M has a trunk, whose output T enters the product with the mask, and a mask M of T's shape.
Before the mask is T. After it is what the module goes on with: (1 + M) * T in attention residual
learning (Wang et al., CVPR 2017, equation 3), and M * T in naive attention learning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.data.dataset import Images
from ranparity.errors import InputError
from ranparity.training.variables import Model

MASK, FUSION = "/mask", "/fusion"  # how the names end of the layers of module M
SATURATED = 0.01  # a sigmoid's value this close to 0 or 1 has all but stopped learning
BATCH = 8  # images at a time; the maps of all modules are in memory at once

Maps = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Module:
    """An attention module of a Keras model.

    Attributes:
        name: As in Caffe, such as `AttentionA_1`.
        stage: Its stage, from 1: modules whose maps have one shape, one after another.
        shape: Height, width and channels of its maps.
        is_sigmoid: Whether the mask comes from a sigmoid, which alone can saturate.
        outputs: The symbolic tensors of trunk, mask and what the module goes on with.
    """

    name: str
    stage: int
    shape: tuple[int, int, int]
    is_sigmoid: bool
    outputs: tuple[Any, Any, Any]


@dataclass(frozen=True, eq=False)
class Seen:
    """What a module made of some images.

    Attributes:
        module: The module.
        before: The trunk's output, the mean over channels, shape (N, H, W).
        mask: Likewise.
        after: What the module goes on with, likewise.
        statistics: Of all values of the mask: min, mean, max, std (population), and saturated,
            the share that is within `SATURATED` of 0 or 1; None for a mask without a sigmoid.
    """

    module: Module
    before: Maps
    mask: Maps
    after: Maps
    statistics: dict[str, float | None]


def modules(model: Model) -> list[Module]:
    """Give the attention modules of a network, from the first on.

    Args:
        model: Of NHWC images, as `ranparity.models` builds it.
    """
    layers = {name: layer for layer in model.layers if (name := _caffe_name(layer))}
    order = sorted(layers, key=lambda name: layers[name].caffe_order)
    masks = [name for name in order if name.endswith(MASK) and _product(model, layers[name])]
    shapes = [tuple(layers[name].output.shape[1:]) for name in masks]
    return [
        _module(model, layers, name, stage)
        for name, stage in zip(masks, _stages(shapes), strict=True)
    ]


def _module(model: Model, layers: dict[str, Any], mask: str, stage: int) -> Module:
    name, layer = mask.removesuffix(MASK), layers[mask]
    trunk = next(x for x in _product(model, layer).input if x is not layer.output)
    height, width, channels = layer.output.shape[1:]
    return Module(
        name=name,
        stage=stage,
        shape=(height, width, channels),
        is_sigmoid=type(layer).__name__ == "Sigmoid",
        outputs=(trunk, layer.output, layers[name + FUSION].output),
    )


def _caffe_name(layer: Any) -> str:
    return str(getattr(layer, "caffe_name", ""))


def _product(model: Model, mask: Any) -> Any:
    """Give the layer that multiplies by a mask; None if none does."""
    products = (layer for layer in model.layers if getattr(layer, "operation", None) == "PROD")
    return next((layer for layer in products if any(x is mask.output for x in layer.input)), None)


def _stages(shapes: Sequence[tuple[int, ...]]) -> list[int]:
    """Number the stages: a new one begins where the shape changes."""
    changes = [before != shape for before, shape in pairwise(shapes)]
    return [1 + sum(changes[:place]) for place in range(len(shapes))]


def see(model: Model, found: Sequence[Module], images: Images) -> list[Seen]:
    """Give what modules make of images, in inference mode.

    Args:
        model: Their network.
        found: The modules.
        images: Normalised, NHWC.

    Raises:
        InputError: A value is no finite number.
    """
    import keras

    outputs = [output for module in found for output in module.outputs]
    inner = keras.Model(model.input, outputs)
    parts = [inner.predict_on_batch(batch) for batch in batched(images, min(BATCH, len(images)))]
    arrays = [np.concatenate(each)[: len(images)] for each in zip(*parts, strict=True)]
    return [_seen(module, *arrays[3 * i : 3 * i + 3]) for i, module in enumerate(found)]


def batched(images: Images, size: int) -> Iterator[Images]:
    """Give images (NHWC) some at a time, the last filled up with zeros: a backend compiles once."""
    for start in range(0, len(images), size):
        batch = np.zeros((size, *images.shape[1:]), images.dtype)
        part = images[start : start + size]
        batch[: len(part)] = part
        yield batch


def _seen(module: Module, *maps: NDArray[Any]) -> Seen:
    before, mask, after = (array.astype(np.float64) for array in maps)
    if not all(np.isfinite(array).all() for array in (before, mask, after)):
        raise InputError(f"masks: {module.name}: its maps are not all finite numbers")
    return Seen(
        module=module,
        before=before.mean(axis=-1),
        mask=mask.mean(axis=-1),
        after=after.mean(axis=-1),
        statistics=statistics(mask, is_sigmoid=module.is_sigmoid),
    )


def statistics(mask: Maps, *, is_sigmoid: bool) -> dict[str, float | None]:
    """Give the figures of a mask over all images, positions and channels; see `Seen`."""
    share = float(((mask <= SATURATED) | (mask >= 1 - SATURATED)).mean())
    return {
        "min": float(mask.min()),
        "mean": float(mask.mean()),
        "max": float(mask.max()),
        "std": float(mask.std()),
        "saturated": share if is_sigmoid else None,
    }
