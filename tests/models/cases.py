"""What the model worker runs on each backend, and the tolerance of its results. No Keras."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ranparity.models import zoo
from ranparity.models.config import AttentionConfig, Stage
from ranparity.models.entry import Entry

FLOAT64 = 1e-10
"""Largest error, relative to a tensor's largest element, that float64 may show.

Measured: at most 1.8e-12 between backends over all blobs of the narrow nets in training mode.
One operation in float32 anywhere gives 1e-8 and more.
"""


@dataclasses.dataclass(frozen=True)
class LayerCase:
    """A layer, called once in float64; shapes are NHWC."""

    name: str
    layer: str
    arguments: dict[str, Any]
    inputs: tuple[tuple[int, ...], ...]
    training: bool = False


def _pool(size: int, kernel: int, stride: int, pad: int, kind: str, mode: str) -> LayerCase:
    name = f"{kind}-{size}-k{kernel}-s{stride}-p{pad}-{mode}"
    arguments = {
        "pool": kind,
        "kernel_size": kernel,
        "strides": stride,
        "pad": pad,
        "round_mode": mode,
    }
    return LayerCase(name, "CaffePool", arguments, ((2, size, size + 1, 3),))


POOLS = tuple(
    _pool(size, kernel, stride, pad, kind, mode)
    for size in (4, 7, 8)
    for kernel, stride, pad in ((3, 2, 0), (3, 2, 1), (2, 3, 1), (4, 3, 2), (1, 2, 0), (4, 1, 0))
    for kind in ("MAX", "AVE")
    for mode in ("CEIL", "FLOOR")
    if not (kind == "AVE" and kernel < stride and pad == 0)  # a window past the map: Caffe's 0/0
)

CONVOLUTIONS = tuple(
    LayerCase(
        f"convolution-k{kernel}-s{stride}-p{pad}-d{dilation}-g{group}",
        "Convolution",
        {
            "filters": 8,
            "kernel_size": kernel,
            "strides": stride,
            "pad": pad,
            "dilation_rate": dilation,
            "groups": group,
        },
        ((2, 9, 10, 4),),
    )
    for kernel, stride, pad, dilation, group in (
        (1, 1, 0, 1, 1),
        (1, 2, 0, 1, 1),
        (3, 1, 1, 1, 1),
        (3, 2, 1, 1, 2),
        (3, 2, 0, 1, 4),
        (3, 1, 2, 2, 2),
        ((1, 3), 1, (0, 1), 1, 1),
        (7, 2, 3, 1, 1),
    )
)

INTERPS = tuple(
    LayerCase(f"interp-{a}x{b}-{c}x{d}", "Interp", {}, ((2, a, b, 3), (2, c, d, 5)))
    for a, b, c, d in ((3, 5, 6, 9), (7, 7, 14, 14), (1, 4, 5, 1), (6, 4, 3, 8), (5, 5, 5, 5))
)

OTHERS = (
    LayerCase("bn-training", "BN", {}, ((4, 5, 6, 3),), training=True),
    LayerCase("bn-inference", "BN", {}, ((4, 5, 6, 3),)),
    LayerCase("bn-one-value", "BN", {}, ((1, 1, 1, 3),), training=True),
    LayerCase("inner-product-map", "InnerProduct", {"units": 5}, ((2, 3, 4, 6),)),
    LayerCase("inner-product-flat", "InnerProduct", {"units": 5}, ((2, 7),)),
    LayerCase("relu", "ReLU", {}, ((2, 3, 3, 4),)),
    LayerCase("relu-slope", "ReLU", {"negative_slope": 0.1}, ((2, 3, 3, 4),)),
    LayerCase("sigmoid", "Sigmoid", {}, ((2, 3, 3, 4),)),
    LayerCase("softmax", "Softmax", {}, ((3, 6),)),
    LayerCase("sum", "Eltwise", {"operation": "SUM"}, ((2, 3, 3, 4),) * 3),
    LayerCase("product", "Eltwise", {"operation": "PROD"}, ((2, 3, 3, 4),) * 2),
    LayerCase(
        "sum-coeff", "Eltwise", {"operation": "SUM", "coeff": (1.0, -1.0, 0.5)}, ((2, 3, 3, 4),) * 3
    ),
    LayerCase("normalize", "Normalize", {}, ((2, 3, 4, 5),)),
    LayerCase("normalize-eps", "Normalize", {"eps": 0.5}, ((2, 3, 4, 5),)),
    LayerCase("mvn", "MVN", {}, ((2, 3, 4, 5),)),
    LayerCase("mvn-eps", "MVN", {"eps": 0.5}, ((2, 3, 4, 5),)),
    LayerCase("mvn-one-position", "MVN", {}, ((2, 1, 1, 5),)),
    LayerCase("flatten", "Flatten", {}, ((2, 3, 4, 5),)),
    LayerCase("power-2", "Power", {"power": 2.0}, ((3, 4),)),
    LayerCase("power-half", "Power", {"power": 0.5}, ((3, 4),)),
    LayerCase("power-3", "Power", {"power": 3.0}, ((3, 4),)),
    LayerCase("slice-0", "Slice", {"axis": 0}, ((3, 4),)),
    LayerCase("slice-1", "Slice", {"axis": 1}, ((3, 4),)),
    LayerCase("concat-0", "Concat", {"axis": 0}, ((3, 4), (1, 4), (2, 4))),
    LayerCase("concat-1", "Concat", {"axis": 1}, ((3, 4), (3, 2))),
    LayerCase("reduction-sum", "Reduction", {"operation": "SUM", "axis": 1}, ((3, 4, 5),)),
    LayerCase("reduction-squares", "Reduction", {"operation": "SUMSQ", "axis": 1}, ((3, 4),)),
    LayerCase("reduction-mean", "Reduction", {"operation": "MEAN"}, ((3, 4),)),
    LayerCase("parameter", "Parameter", {"shape": (3, 4)}, ((2, 5),)),
    LayerCase("shared-inner-product", "SharedInnerProduct", {}, ((4, 3), (3, 5))),
)

ON_MAPS = ("Convolution", "CaffePool", "Interp", "InnerProduct", "Normalize", "MVN", "Flatten")
"""Layers that are told the data format."""

LAYERS = {case.name: case for case in (*POOLS, *CONVOLUTIONS, *INTERPS, *OTHERS)}

NARROW = {
    "preactivation": ("attention56@8", 48),
    "resnext": ("attentionnext56@8", 48),
    "cifar": ("attention56-cifar@16", 16),
}
"""Kinds of net that are run in both modes: a narrow twin and its input size in pixels."""

NARROW_FIRST = ("resnext",)
"""Those that are also run with channels first, in training mode: with every kind of layer."""

NARROWER = {
    "channel": ("attention56-cifar-channel@16", 16),
    "spatial": ("attention56-cifar-spatial@16", 16),
    "local": ("attention56-cifar-local@16", 16),
    "naive": ("attention56-cifar-naive@16", 16),
    "no-skip": ("attention56-cifar-no-skip@16", 16),
    "e4040": ("attention56-e4040@16", 32),
    "e4040-wide-plain": ("attention56-e4040-wide-plain@32", 32),
    "tengshaofeng": ("attention92-tengshaofeng@32", 16),
    "resnet164": ("resnet164-cifar@16", 16),
    "resnet18": ("resnet18-cifar@16", 16),
    "resnet18-imagenet": ("resnet18@16", 33),
    "dranet": ("dranet-cifar@16", 16),
    "diversity": ("dranet-cifar-diversity@16", 16),
}
"""The other kinds, which are run in training mode alone."""

TINY = AttentionConfig(
    stages=(Stage(16, stride=1, modules=1, mask_depth=1), Stage(32, stride=2)),
    stem="cifar",
    stem_channels=4,
)
"""A net with every kind of layer that compiles in seconds."""


def narrow(kind: str) -> tuple[Entry, int]:
    """A kind's narrow twin, of a length that is needed to show it, and its input size."""
    name, size = (NARROW | NARROWER)[kind]
    return shortened(zoo.entry(name), every_depth=kind in NARROW), size


def shortened(entry: Entry, every_depth: bool) -> Entry:
    """The net with one module a stage at most, and one unit after them: all are alike.

    Args:
        entry: The net.
        every_depth: Whether to keep the stages whose masks are neither the deepest nor of depth
            0. What sets a kind apart from those of `NARROW` is in every module.
    """
    if not isinstance(entry.config, AttentionConfig):
        return entry
    deepest = max(stage.mask_depth for stage in entry.config.stages)
    stages = tuple(
        dataclasses.replace(stage, modules=min(1, stage.modules), units=min(1, stage.units))
        for stage in entry.config.stages
        if every_depth or stage.mask_depth in (0, deepest)
    )
    return dataclasses.replace(entry, config=dataclasses.replace(entry.config, stages=stages))


def inputs(case: LayerCase) -> list[np.ndarray[Any, Any]]:
    """The case's inputs, NHWC, seeded by its name; a batch norm's have a large mean."""
    random = np.random.default_rng(list(case.name.encode()))
    offset = 100.0 if case.layer in ("BN", "MVN") else 0.0
    drawn = [random.standard_normal(shape) + offset for shape in case.inputs]
    return [np.abs(x) for x in drawn] if case.layer == "Power" else drawn


def value(path: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """A weight of a shape, seeded by its path; scales and variances are positive."""
    random = np.random.default_rng(list(path.encode()))
    drawn = 0.3 * random.standard_normal(shape)
    return 1 + np.abs(drawn) if path.endswith(("gamma", "variance")) else drawn
