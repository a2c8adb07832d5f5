"""Activations: each element by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ranparity.caffe.arbiter.base import Call, Made, Tensor, layer, over_channels
from ranparity.caffe.shapes import Attribute, RuleError

Curve = Callable[[Tensor, Mapping[str, Attribute]], Tensor]


def _power_of(x: Tensor, attributes: Mapping[str, Attribute]) -> Tensor:
    """`base ^ (shift + scale x)`; a base of -1 is e."""
    from math import log

    base = float(attributes["base"])
    inner = float(attributes["shift"]) + float(attributes["scale"]) * x
    return (inner if base == -1 else inner * log(base)).exp()


def _logarithm(x: Tensor, attributes: Mapping[str, Attribute]) -> Tensor:
    """`log_base(shift + scale x)`; a base of -1 is e."""
    from math import log

    base = float(attributes["base"])
    found = (float(attributes["shift"]) + float(attributes["scale"]) * x).log()
    return found if base == -1 else found / log(base)


def _elu(x: Tensor, attributes: Mapping[str, Attribute]) -> Tensor:
    import torch

    return torch.where(x > 0, x, float(attributes["alpha"]) * (x.clamp(max=0).exp() - 1))


CURVES: Mapping[str, Curve] = {
    "AbsVal": lambda x, _: x.abs(),
    "BNLL": lambda x, _: x.clamp(min=0) + (-x.abs()).exp().log1p(),
    "Clip": lambda x, given: x.clamp(float(given["min"]), float(given["max"])),
    "ELU": _elu,
    "Exp": _power_of,
    "Log": _logarithm,
    "ReLU6": lambda x, _: x.clamp(0, 6),
    "Swish": lambda x, given: x * (float(given["beta"]) * x).sigmoid(),
    "TanH": lambda x, _: x.tanh(),
    "Threshold": lambda x, given: (x > float(given["threshold"])).to(x.dtype),
}
"""Of a type that computes each element from itself alone, its function.

Source: BVLC/caffe, src/caffe/layers/{absval,bnll,clip,elu,exp,log,swish,tanh,threshold}_layer.cpp.
"""


def curve(call: Call) -> Made:
    """Each element's own function; see `CURVES`."""
    return Made((CURVES[call.node.type](call.bottoms[0], call.facts.attributes),))


for _type in CURVES:
    layer(_type)(curve)


@layer("PReLU")
def prelu(call: Call) -> Made:
    """`max(x, 0) + slope min(x, 0)` (BVLC/caffe, src/caffe/layers/prelu_layer.cpp)."""
    (x,), slope = call.bottoms, call.weights["slope"]
    factor = slope if call.facts.attributes["channel_shared"] else over_channels(x, slope)
    return Made((x.clamp(min=0) + factor * x.clamp(max=0),))


@layer("Dropout")
def dropout(call: Call) -> Made:
    """The identity (BVLC/caffe, src/caffe/layers/dropout_layer.cpp, phase TEST).

    Raises:
        RuleError: In training, where each framework draws other elements.
    """
    if call.training:
        raise RuleError("it draws elements in training, which are others in each framework")
    return Made((call.bottoms[0],))
