"""The residual units: pre-activation (He et al., 2016) and ResNeXt (Xie et al., 2017).

Each takes a map before its activation and returns its sum, NHWC or NCHW by the builder's data
format. `name` is the unit's name in Caffe, which is also its sum's.
"""

from __future__ import annotations

from typing import Any

from ranparity.models.builder import Builder


def residual_unit(
    net: Builder, x: Any, name: str, channels: int, *, stride: int = 1, project: bool = False
) -> Any:
    """A bottleneck of three convolutions added to its shortcut.

    Args:
        net: The builder.
        x: The input; in a pre-activation net its BN and ReLU are made here, as `x`'s.
        name: The unit's.
        channels: Width of the sum.
        stride: Of the 3x3 convolution and of the shortcut.
        project: Whether the shortcut is a 1x1 convolution, on the activated input; Caffe then
            sums shortcut and branch, otherwise branch and shortcut.
    """
    active = activate(net, x)
    branch = _bottleneck(net, active, f"{name}/branch1", channels, stride)
    if project:
        shortcut = net.convolution(active, f"{name}/branch2/conv1_1x1", channels, 1, stride)
        if net.config.unit == "resnext":
            shortcut = net.bn(shortcut, f"{name}/branch2/conv1_1x1")
        total = net.eltwise("SUM", name, shortcut, branch)
    else:
        total = net.eltwise("SUM", name, branch, x)
    return net.relu(total, name) if net.config.unit == "resnext" else total


def activate(net: Builder, x: Any) -> Any:
    """The BN and ReLU that a pre-activation net puts before what reads a sum or a pool.

    They are named after the layer that made `x`. A ResNeXt net has none: its sums are
    activated already.
    """
    return x if net.config.unit == "resnext" else net.bn_relu(x, net.maker(x))


def _bottleneck(net: Builder, x: Any, name: str, channels: int, stride: int) -> Any:
    """1x1, 3x3, 1x1; only ResNeXt's last convolution has a BN of its own."""
    width = channels // net.config.bottleneck
    y = net.convolution(x, f"{name}/conv1_1x1", width, 1)
    y = net.bn_relu(y, f"{name}/conv1_1x1")
    y = net.convolution(y, f"{name}/conv2_3x3", width, 3, stride, net.config.group)
    y = net.bn_relu(y, f"{name}/conv2_3x3")
    y = net.convolution(y, f"{name}/conv3_1x1", channels, 1)
    return net.bn(y, f"{name}/conv3_1x1") if net.config.unit == "resnext" else y
