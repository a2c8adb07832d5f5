"""Rules of layers that keep a shape: normalisations, activations, sums and products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ranparity.caffe import caffe_pb2
from ranparity.caffe.graph import Node
from ranparity.caffe.prototxt import Shape
from ranparity.caffe.rules.base import (
    Attribute,
    Facts,
    RuleError,
    canonical_axis,
    expect_bottoms,
    one_bottom,
    one_map,
    rule,
    short_float,
)

SEGNET = "segnet"
INVERSE, VARIANCE = DIALECTS = ("inverse-std", "variance")  # what the fourth blob of a BN is


def is_segnets(param: caffe_pb2.BNParameter) -> bool:
    """Whether a BN is SegNet's, which has two blobs and keeps no statistics."""
    return any(param.HasField(name) for name in ("scale_filler", "shift_filler", "bn_mode"))


@rule("BN")
def bn(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """The merged batch normalisation of the authors' fork: slope, bias, mean and variance.

    That of SegNet's fork is another layer of the same name: a scale and a shift, in which a release
    has its statistics already (alexgkendall/caffe-segnet, src/caffe/layers/bn_layer.cpp).
    `frozen` says how a release is fine-tuned, not what the layer computes, and is no attribute.
    Source: the fork's src/caffe/layers/bn_layer.cpp.
    """
    expect_bottoms(node, bottoms, 1, 1)
    param, shape = node.message.bn_param, bottoms[0]
    if len(shape) < 2:
        raise RuleError(f"expected a bottom with a channel axis, found {list(shape)}")
    channel = (shape[1],)
    if is_segnets(param):
        return Facts(
            tops=(shape,),
            parameters={"scale": channel, "shift": channel},
            attributes={"dialect": SEGNET},
        )
    return Facts(
        tops=(shape,),
        parameters={"slope": channel, "bias": channel},
        statistics={"mean": channel, "variance": channel},
        attributes={"eps": short_float(param.eps), "momentum": short_float(param.momentum)},
    )


@rule("ReLU")
def relu(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """`max(x, 0) + negative_slope * min(x, 0)` (BVLC/caffe, src/caffe/layers/relu_layer.cpp)."""
    expect_bottoms(node, bottoms, 1, 1)
    slope = short_float(node.message.relu_param.negative_slope)
    return Facts(tops=(bottoms[0],), attributes={"negative_slope": slope})


@rule("Sigmoid")
def sigmoid(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """`1 / (1 + exp(-x))` (BVLC/caffe, src/caffe/layers/sigmoid_layer.cpp)."""
    expect_bottoms(node, bottoms, 1, 1)
    return Facts(tops=(bottoms[0],))


@rule("Softmax")
def softmax(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Softmax over one axis (BVLC/caffe, src/caffe/layers/softmax_layer.cpp)."""
    expect_bottoms(node, bottoms, 1, 1)
    axis = canonical_axis(node.message.softmax_param.axis, bottoms[0])
    return Facts(tops=(bottoms[0],), attributes={"axis": axis})


@rule("Eltwise")
def eltwise(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """PROD, SUM (with coefficients) or MAX of equal shapes, without broadcasting.

    Source: BVLC/caffe, src/caffe/layers/eltwise_layer.cpp, LayerSetUp and Reshape.
    """
    expect_bottoms(node, bottoms, 2, None)
    param = node.message.eltwise_param
    operation = caffe_pb2.EltwiseParameter.EltwiseOp.Name(param.operation)
    if len(set(bottoms)) > 1:
        named = [f"{name} {list(shape)}" for name, shape in zip(node.inputs, bottoms, strict=True)]
        raise RuleError(f"expected bottoms of equal shapes, found {', '.join(named)}")
    if param.coeff and operation != "SUM":
        raise RuleError(f"expected coeff with operation SUM only, found {operation}")
    if param.coeff and len(param.coeff) != len(bottoms):
        raise RuleError(f"expected {len(bottoms)} values of coeff, found {len(param.coeff)}")
    coefficients = list(param.coeff) or [1.0] * len(bottoms)
    attributes: dict[str, Attribute] = {"operation": operation}
    if operation == "SUM":
        attributes["coeff"] = " ".join(f"{short_float(value):.9g}" for value in coefficients)
    return Facts(tops=(bottoms[0],), attributes=attributes)


@rule("BatchNorm")
def batch_norm(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Normalisation alone; slope and bias are a Scale's.

    Three blobs that no gradient trains: mean, variance and the factor that both are divided by.
    Without `use_global_stats` the phase decides, so it is no attribute. Source: BVLC/caffe,
    src/caffe/layers/batch_norm_layer.cpp, LayerSetUp.
    """
    one_bottom(node, bottoms)
    param, shape = node.message.batch_norm_param, bottoms[0]
    if not shape:
        raise RuleError("expected a bottom of at least one axis, found []")
    channels = (shape[1] if len(shape) > 1 else 1,)
    return Facts(
        tops=(shape,),
        statistics={"mean": channels, "variance": channels, "factor": (1,)},
        attributes={
            "eps": short_float(param.eps),
            "moving_average_fraction": short_float(param.moving_average_fraction),
        },
    )


@rule("Scale")
def scale(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """A factor, and with `bias_term` a summand, along some axes; a second bottom gives the factor.

    Source: BVLC/caffe, src/caffe/layers/scale_layer.cpp, LayerSetUp and Reshape.
    """
    param = node.message.scale_param
    first, factor, is_learned = _along(node, bottoms, param, "factor")
    parameters = {"weight": factor} if is_learned else {}
    return Facts(
        tops=(bottoms[0],),
        parameters=parameters | ({"bias": factor} if param.bias_term else {}),
        attributes={"axis": first, "bias_term": param.bias_term},
    )


@rule("Bias")
def bias(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """A summand along some axes; a second bottom gives it.

    Source: BVLC/caffe, src/caffe/layers/bias_layer.cpp, LayerSetUp and Reshape.
    """
    first, summand, is_learned = _along(node, bottoms, node.message.bias_param, "summand")
    return Facts(
        tops=(bottoms[0],),
        parameters={"bias": summand} if is_learned else {},
        attributes={"axis": first},
    )


def _along(node: Node, bottoms: Sequence[Shape], param: Any, what: str) -> tuple[int, Shape, bool]:
    """The first axis, the shape, and whether it is learned, of what acts along some axes."""
    expect_bottoms(node, bottoms, 1, 2)
    shape, given = bottoms[0], bottoms[1] if len(bottoms) == 2 else None
    first = 0 if given == () else canonical_axis(param.axis, shape)  # a scalar has no axes to place
    rest = shape[first:]
    own = _learned_factor(param.num_axes, rest) if given is None else given
    if rest[: len(own)] != own:
        raise RuleError(
            f"expected a {what} of shape {list(rest)}, or of its first axes, found {list(own)}"
        )
    return first, own, given is None


def _learned_factor(num_axes: int, shape: Shape) -> Shape:
    """The first axes of a shape; -1 is all of them."""
    if not -1 <= num_axes <= len(shape):
        raise RuleError(f"expected num_axes of -1 to {len(shape)}, found {num_axes}")
    return shape if num_axes == -1 else shape[:num_axes]


@rule("MVN")
def mvn(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Each image's channels, or whole images, less their mean and over their deviation.

    The deviation is `sqrt(variance) + eps`, eps 1e-9 by default: not in the root.
    Source: BVLC/caffe, src/caffe/layers/mvn_layer.cpp, Forward_cpu.
    """
    param = node.message.mvn_param
    return Facts(
        tops=(one_map(node, bottoms),),
        attributes={
            "normalize_variance": param.normalize_variance,
            "across_channels": param.across_channels,
            "eps": short_float(param.eps),
        },
    )


@rule("Normalize")
def normalize(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """L2 normalisation, at each position (over channels) or of the whole image, and a scale.

    `x / sqrt(sum x^2 + eps) * scale`; one scale, or one a channel. A scale whose `lr_mult` is 0 is
    a constant. Source: weiliu89/caffe, branch ssd, src/caffe/layers/normalize_layer.cpp.
    """
    param, shape = node.message.norm_param, one_map(node, bottoms)
    blob = {"scale": () if param.channel_shared else (shape[1],)}
    fixed = len(node.message.param) > 0 and node.message.param[0].lr_mult == 0
    return Facts(
        tops=(shape,),
        parameters={} if fixed else blob,
        statistics=blob if fixed else {},
        attributes={
            "across_spatial": param.across_spatial,
            "channel_shared": param.channel_shared,
            "eps": short_float(param.eps),
        },
    )


@rule("Power")
def power(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """`(shift + scale x) ^ power` (BVLC/caffe, src/caffe/layers/power_layer.cpp)."""
    one_bottom(node, bottoms)
    param = node.message.power_param
    names = ("power", "scale", "shift")
    attributes = {name: short_float(getattr(param, name)) for name in names}
    return Facts(tops=(bottoms[0],), attributes=attributes)
