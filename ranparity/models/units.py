"""The residual units: pre-activation (He et al., 2016) and ResNeXt (Xie et al., 2017).

Each takes a map before its activation and returns its sum, NHWC or NCHW by the builder's data
format. `name` is the unit's name in Caffe, which is also its sum's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ranparity.models.builder import Builder
from ranparity.models.config import AttentionConfig


class AttentionBuilder(Builder):
    """A builder that knows the form of a net's units."""

    def __init__(
        self, config: AttentionConfig, data_format: str | None, initializer: Callable[[], Any]
    ) -> None:
        super().__init__(data_format, initializer)
        self.config = config
        self._activated: set[str] = set()

    def activation_name(self, x: Any, reader: str) -> str:
        """What BN and ReLU before a reader of `x` are called: after its maker.

        A second reader has a BN of its own, which has the reader's name: a mask that does not
        begin with a pool reads the same sum as the trunk.
        """
        maker = self.maker(x)
        if maker in self._activated:
            return f"{reader}/pre"
        self._activated.add(maker)
        return maker


def residual_unit(
    net: AttentionBuilder,
    x: Any,
    name: str,
    channels: int,
    *,
    stride: int = 1,
    project: bool = False,
    add: bool = True,
    bottleneck: int | None = None,
) -> Any:
    """A bottleneck of three convolutions added to its shortcut.

    Args:
        net: The builder.
        x: The input; in a pre-activation net its BN and ReLU are made here, as `x`'s.
        name: The unit's.
        channels: Width of the sum.
        stride: Of the 3x3 convolution and of the shortcut.
        project: Whether the shortcut is a 1x1 convolution, on the activated input, in any net;
            Caffe then sums shortcut and branch, otherwise branch and shortcut.
        add: Whether there is a shortcut at all.
        bottleneck: What the inner width is divided by; by default the net's.
    """
    active = activate(net, x, name)
    width = channels // (bottleneck or net.config.bottleneck)
    branch = _bottleneck(net, active, f"{name}/branch1", channels, width, stride)
    if not add:
        total = branch
    elif project or net.config.shortcut == "convolution":
        total = net.eltwise("SUM", name, _projected(net, active, name, channels, stride), branch)
    else:
        total = net.eltwise("SUM", name, branch, x)
    return net.relu(total, f"{name}/relu") if net.config.unit == "resnext" else total


def activate(net: AttentionBuilder, x: Any, reader: str) -> Any:
    """The BN and ReLU that a pre-activation net puts before what reads a sum or a pool.

    A ResNeXt net has none: its sums are activated already.
    """
    resnext = net.config.unit == "resnext"
    return x if resnext else net.bn_relu(x, net.activation_name(x, reader))


def _projected(net: AttentionBuilder, active: Any, name: str, channels: int, stride: int) -> Any:
    """The 1x1 convolution of a shortcut; only ResNeXt's has a BN."""
    shortcut = net.convolution(active, f"{name}/branch2/conv1_1x1", channels, 1, stride)
    resnext = net.config.unit == "resnext"
    return net.bn(shortcut, f"{name}/branch2/conv1_1x1/bn") if resnext else shortcut


def _bottleneck(
    net: AttentionBuilder, x: Any, name: str, channels: int, width: int, stride: int
) -> Any:
    """1x1, 3x3, 1x1; only ResNeXt's last convolution has a BN of its own."""
    y = net.convolution(x, f"{name}/conv1_1x1", width, 1)
    y = net.bn_relu(y, f"{name}/conv1_1x1")
    y = net.convolution(y, f"{name}/conv2_3x3", width, 3, stride, net.config.group)
    y = net.bn_relu(y, f"{name}/conv2_3x3")
    y = net.convolution(y, f"{name}/conv3_1x1", channels, 1)
    return net.bn(y, f"{name}/conv3_1x1/bn") if net.config.unit == "resnext" else y
