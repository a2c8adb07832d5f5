"""Numbers of a `.caffemodel` for a net: matched by the layer's name, or refused by it.

The fourth blob of a BN is read in one of two ways, which nothing in a file tells apart: the fork of
the authors keeps the moving average of the inverse standard deviation (src/caffe/layers/
bn_layer.cpp), yjxiong's and PSPNet's the variance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.caffe.caffemodel import Blob, CaffeModel
from ranparity.caffe.description import Described
from ranparity.caffe.prototxt import Shape
from ranparity.caffe.rules.base import by
from ranparity.caffe.rules.elements import DIALECTS, INVERSE, VARIANCE
from ranparity.errors import InputError

SLACK = 1e-2  # of eps, by which a float32 may lead to a variance below 0
Numbers = NDArray[np.float32]


def numbers(
    file: CaffeModel, layers: tuple[Described, ...], bn: str = INVERSE
) -> tuple[dict[str, Numbers], tuple[str, ...]]:
    """Give a net's parameters and statistics by LAYER/NAME, in Caffe's layouts.

    Args:
        file: The weights.
        layers: The net's.
        bn: What the fourth blob of a BN is, one of `DIALECTS`.

    Returns:
        The numbers, and the names of layers with blobs that the net does not have.

    Raises:
        InputError: A layer that the file lacks, another number of blobs, or another shape.
    """
    if bn not in DIALECTS:
        raise InputError(f"bn: expected one of {', '.join(DIALECTS)}. Received: {bn!r}")
    given, used = file.by_name(), set()
    found: dict[str, Numbers] = {}
    for layer in layers:
        wanted = {**layer.facts.parameters, **layer.facts.statistics}
        if not wanted:
            continue
        where = f'{file.source}: layer "{layer.name}" ({layer.type})'
        if layer.name not in given:
            raise InputError(f"{where}: expected {_blobs(wanted)}, found no such layer with blobs")
        used.add(layer.name)
        values = _matched(given[layer.name].blobs, wanted, where)
        if layer.type == "BN" and "variance" in wanted and bn == INVERSE:
            values["variance"] = _variance(
                values["variance"], float(layer.facts.attributes["eps"]), where
            )
        found |= {f"{layer.name}/{name}": value for name, value in values.items()}
    return found, tuple(name for name in given if name not in used)


def _blobs(wanted: Mapping[str, Shape]) -> str:
    return ", ".join(f"{name} {by(shape) or '()'}" for name, shape in wanted.items())


def _matched(
    blobs: tuple[Blob, ...], wanted: Mapping[str, Shape], where: str
) -> dict[str, Numbers]:
    if len(blobs) != len(wanted):
        raise InputError(
            f"{where}: expected {len(wanted)} blobs ({_blobs(wanted)}), found {len(blobs)}"
        )
    found = {}
    for blob, (name, shape) in zip(blobs, wanted.items(), strict=True):
        if not (blob.fits(shape) or (len(shape) == 1 and _is_channels(blob.shape, *shape))):
            raise InputError(
                f"{where}: expected the blob {name} of {by(shape) or '()'}, found "
                f"{by(blob.shape) or '()'}"
            )
        found[name] = np.asarray(blob.shaped(shape), np.float32)
    return found


def _is_channels(shape: Shape, channels: int) -> bool:
    """Whether a blob has one number a channel: [C], [1, C] or [1, C, 1, 1], as forks write BN's."""
    return shape in ((channels,), (1, channels), (1, channels, 1, 1))


def _variance(inverse: Numbers, eps: float, where: str) -> Numbers:
    """The variance whose `1 / sqrt(variance + eps)` a number is."""
    exact = np.asarray(inverse, np.float64)
    if not (exact > 0).all():
        raise InputError(
            f"{where}: expected inverse standard deviations above 0 in its fourth blob, found "
            f"{exact.min():.3g}: are they variances (bn: {VARIANCE})?"
        )
    variance = exact**-2.0 - eps
    if variance.min() < -SLACK * eps:
        raise InputError(
            f"{where}: expected inverse standard deviations of at most 1/sqrt(eps), found "
            f"{exact.max():.3g}: are they variances (bn: {VARIANCE})?"
        )
    return np.maximum(variance, 0.0).astype(np.float32)


def inverse(variance: NDArray[Any], eps: float) -> Numbers:
    """The inverse standard deviation that the authors' fork keeps of a variance."""
    return (1 / np.sqrt(np.asarray(variance, np.float64) + eps)).astype(np.float32)
