"""Rules of activations: the shape stays."""

from __future__ import annotations

from collections.abc import Sequence

from ranparity.caffe.graph import Node
from ranparity.caffe.prototxt import Shape
from ranparity.caffe.rules.base import (
    Attribute,
    Facts,
    RuleError,
    one_bottom,
    rule,
    short_float,
)

CURVES: dict[str, tuple[str, tuple[str, ...]]] = {
    "AbsVal": ("", ()),
    "BNLL": ("", ()),
    "Clip": ("clip_param", ("min", "max")),
    "ELU": ("elu_param", ("alpha",)),
    "Exp": ("exp_param", ("base", "scale", "shift")),
    "Log": ("log_param", ("base", "scale", "shift")),
    "ReLU6": ("", ()),
    "Swish": ("swish_param", ("beta",)),
    "TanH": ("", ()),
    "Threshold": ("threshold_param", ("threshold",)),
}
"""Of a type that computes each element from itself alone, its message and the numbers in it.

Source: BVLC/caffe, src/caffe/layers/{absval,bnll,clip,elu,exp,log,swish,tanh,threshold}_layer.cpp;
ReLU6 as in chuanqi305/MobileNet-SSD."""


def curve(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """Each element's own function; see `CURVES`."""
    one_bottom(node, bottoms)
    message, fields = CURVES[node.type]
    given = getattr(node.message, message) if message else None
    attributes: dict[str, Attribute] = {name: short_float(getattr(given, name)) for name in fields}
    return Facts(tops=(bottoms[0],), attributes=attributes)


for _type in CURVES:
    rule(_type)(curve)


@rule("PReLU")
def prelu(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """`max(x, 0) + slope * min(x, 0)`, with one slope a channel, or one.

    Source: BVLC/caffe, src/caffe/layers/prelu_layer.cpp, LayerSetUp.
    """
    one_bottom(node, bottoms)
    shape, shared = bottoms[0], node.message.prelu_param.channel_shared
    if len(shape) < 2:
        raise RuleError(f"expected a bottom with a channel axis, found {list(shape)}")
    return Facts(
        tops=(shape,),
        parameters={"slope": () if shared else (shape[1],)},
        attributes={"channel_shared": shared},
    )


@rule("Dropout")
def dropout(node: Node, bottoms: Sequence[Shape]) -> Facts:
    """The identity in inference; in training some elements are 0 and the others grow.

    Source: BVLC/caffe, src/caffe/layers/dropout_layer.cpp.
    """
    one_bottom(node, bottoms)
    ratio = short_float(node.message.dropout_param.dropout_ratio)
    if not 0 < ratio < 1:
        raise RuleError(f"expected a dropout_ratio between 0 and 1, found {ratio}")
    return Facts(tops=(bottoms[0],), attributes={"dropout_ratio": ratio})
