"""Layers that keep a shape: normalisations, activations, sums and products."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence

from ranparity.caffe.arbiter.base import Call, Made, Sums, Tensor, layer, over_channels
from ranparity.caffe.graph import Node
from ranparity.caffe.prototxt import Shape
from ranparity.caffe.shapes import Facts


@layer("BN")
def bn(call: Call) -> Made:
    """`slope (x - mean) / sqrt(variance + eps) + bias`, over all axes but the channels'.

    Training takes the batch's mean and biased variance, and moves the kept ones by
    `momentum kept + (1 - momentum) batch`. Source: the authors' fork,
    src/caffe/layers/bn_layer.cpp.
    """
    (x,), kept = call.bottoms, call.statistics
    if "shift" in call.weights:  # SegNet's
        factor, shift = (over_channels(x, call.weights[name]) for name in ("scale", "shift"))
        return Made((factor * x + shift,))
    slope, bias = call.weights["slope"], call.weights["bias"]
    if not call.training:
        y = normalised(call, x, kept["mean"], kept["variance"])
        return Made((over_channels(x, slope) * y + over_channels(x, bias),))
    from torch.utils.checkpoint import checkpoint

    # What lies between is computed again on the way back: it is three times as large as the map.
    y, *batch = checkpoint(
        functools.partial(_by_batch, call),
        x,
        slope,
        bias,
        use_reentrant=False,
        preserve_rng_state=False,
    )
    momentum = float(call.facts.attributes["momentum"])
    new = {
        name: momentum * kept[name] + (1 - momentum) * moment.detach()
        for name, moment in zip(("mean", "variance"), batch, strict=True)
    }
    return Made((y,), new)


def _by_batch(call: Call, x: Tensor, slope: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A BN by the batch's moments, and these."""
    mean, variance = moments(call, x)
    y = normalised(call, x, mean, variance)
    return over_channels(x, slope) * y + over_channels(x, bias), mean, variance


def moments(call: Call, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel, of shape (C,)."""
    axes = [axis for axis in range(x.ndim) if axis != 1]
    count = x.numel() / x.shape[1]
    mean = call.rounded(x.mean(axes), "mean", count)
    squares = (x - over_channels(x, mean)) ** 2
    return mean, call.rounded(squares.mean(axes), "variance", count)


def normalised(call: Call, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """`(x - mean) / sqrt(variance + eps)`, both of shape (C,)."""
    deviation = (variance + float(call.facts.attributes["eps"])).sqrt()
    return (x - over_channels(x, mean)) / over_channels(x, deviation)


@layer("BatchNorm")
def batch_norm(call: Call) -> Made:
    """`(x - mean) / sqrt(variance + eps)`; kept sums are divided by the kept factor.

    Training adds `fraction factor + 1`, and to each sum the batch's, the variance's unbiased. A
    blob of one axis has one channel. Source: BVLC/caffe, src/caffe/layers/batch_norm_layer.cpp.
    """
    (bottom,), kept = call.bottoms, call.statistics
    x = bottom if bottom.ndim > 1 else bottom.reshape(-1, 1)
    param = call.node.message.batch_norm_param
    is_stated = param.HasField("use_global_stats")
    if param.use_global_stats if is_stated else not call.training:
        factor = kept["factor"]
        scale = 1 / factor if bool(factor) else factor
        mean, variance, new = kept["mean"] * scale, kept["variance"] * scale, {}
    else:
        fraction = float(call.facts.attributes["moving_average_fraction"])
        mean, variance = moments(call, x)
        count = x.numel() / mean.numel()
        unbiased = count / (count - 1) if count > 1 else 1.0
        new = {
            "mean": fraction * kept["mean"] + mean.detach(),
            "variance": fraction * kept["variance"] + unbiased * variance.detach(),
            "factor": fraction * kept["factor"] + 1,
        }
    return Made((normalised(call, x, mean, variance).reshape(bottom.shape),), new)


@layer("Scale")
def scale(call: Call) -> Made:
    """`factor x + bias`, along some axes (BVLC/caffe, src/caffe/layers/scale_layer.cpp)."""
    x, axis = call.bottoms[0], int(call.facts.attributes["axis"])
    factor = call.bottoms[1] if len(call.bottoms) == 2 else call.weights["weight"]
    y = x * over_channels(x, factor, axis)
    if "bias" in call.weights:
        y = y + over_channels(x, call.weights["bias"], axis)
    return Made((y,))


@layer("Bias")
def bias(call: Call) -> Made:
    """`x + bias`, along some axes (BVLC/caffe, src/caffe/layers/bias_layer.cpp)."""
    x, axis = call.bottoms[0], int(call.facts.attributes["axis"])
    summand = call.bottoms[1] if len(call.bottoms) == 2 else call.weights["bias"]
    return Made((x + over_channels(x, summand, axis),))


@layer("ReLU")
def relu(call: Call) -> Made:
    """`max(x, 0) + negative_slope min(x, 0)` (BVLC/caffe, src/caffe/layers/relu_layer.cpp)."""
    (x,) = call.bottoms
    passes = x.detach() > 0 if call.decision is None else call.decision
    y, slope = x * passes, float(call.facts.attributes["negative_slope"])
    return Made((y + slope * (x * ~passes) if slope else y,), decision=passes)


@layer("Sigmoid")
def sigmoid(call: Call) -> Made:
    """`1 / (1 + exp(-x))` (BVLC/caffe, src/caffe/layers/sigmoid_layer.cpp)."""
    return Made((call.bottoms[0].sigmoid(),))


def _axis_sums(node: Node, facts: Facts, bottoms: Sequence[Shape]) -> Sums:
    del node
    length = bottoms[0][int(facts.attributes["axis"])]
    return Sums(top=length, bottom=length)


@layer("Softmax", _axis_sums)
def softmax(call: Call) -> Made:
    """Softmax over one axis (BVLC/caffe, src/caffe/layers/softmax_layer.cpp)."""
    return Made((call.bottoms[0].softmax(int(call.facts.attributes["axis"])),))


def _eltwise_sums(node: Node, facts: Facts, bottoms: Sequence[Shape]) -> Sums:
    del node, facts
    return Sums(top=len(bottoms))


ELTWISE: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "SUM": operator.add,
    "PROD": operator.mul,
    "MAX": lambda first, second: first.where(first >= second, second),
}


@layer("Eltwise", _eltwise_sums)
def eltwise(call: Call) -> Made:
    """Sum with coefficients, product or largest, in the order of the bottoms.

    Source: BVLC/caffe, src/caffe/layers/eltwise_layer.cpp.
    """
    terms, operation = call.bottoms, str(call.facts.attributes["operation"])
    if operation == "SUM":
        factors = map(float, str(call.facts.attributes["coeff"]).split())
        terms = [factor * x for factor, x in zip(factors, terms, strict=True)]
    return Made((functools.reduce(ELTWISE[operation], terms),))


@layer("MVN")
def mvn(call: Call) -> Made:
    """Less the mean and over `sqrt(variance) + eps`, each of a channel's map or of an image.

    Source: BVLC/caffe, src/caffe/layers/mvn_layer.cpp, Forward_cpu.
    """
    (x,), attributes = call.bottoms, call.facts.attributes
    axes = (1, 2, 3) if attributes["across_channels"] else (2, 3)
    mean = x.mean(axes, keepdim=True)
    count = x.numel() / mean.numel()
    centred = x - call.rounded(mean, "mean", count)
    if not attributes["normalize_variance"]:
        return Made((centred,))
    variance = (centred**2).mean(axes, keepdim=True)
    deviation = call.rounded(variance, "variance", count).sqrt()
    return Made((centred / (deviation + float(attributes["eps"])),))


@layer("Normalize")
def normalize(call: Call) -> Made:
    """`scale x / sqrt(sum x^2 + eps)`, the sum over channels or over the image.

    Source: weiliu89/caffe, branch ssd, src/caffe/layers/normalize_layer.cpp.
    """
    (x,), attributes = call.bottoms, call.facts.attributes
    axes = (1, 2, 3) if attributes["across_spatial"] else (1,)
    squares = (x**2).sum(axes, keepdim=True)
    squares = call.rounded(squares, "squares", x.numel() / squares.numel())
    length = (squares + float(attributes["eps"])).sqrt()
    factor = {**call.weights, **call.statistics}["scale"]
    if not attributes["channel_shared"]:
        factor = over_channels(x, factor)
    return Made((x / length * factor,))


@layer("Power")
def power(call: Call) -> Made:
    """`(shift + scale x) ^ power` (BVLC/caffe, src/caffe/layers/power_layer.cpp)."""
    names = ("shift", "scale", "power")
    shift, factor, exponent = (float(call.facts.attributes[name]) for name in names)
    return Made(((shift + factor * call.bottoms[0]) ** exponent,))
