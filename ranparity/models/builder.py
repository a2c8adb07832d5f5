"""Makes Caffe's layers in order: numbers them, and passes the data format on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from ranparity.models import layers
from ranparity.models.config import AttentionConfig


class Builder:
    """Calls layers on Keras tensors and numbers them as it makes them.

    Keras sorts a model's layers by depth; Caffe's order is the one in which they were made.

    Args:
        config: The family member that is built, for the form of its units.
        data_format: `channels_last` (NHWC) or `channels_first` (NCHW).
        initializer: Makes an initializer for each kernel.
    """

    def __init__(
        self, config: AttentionConfig, data_format: str, initializer: Callable[[], Any]
    ) -> None:
        self.config = config
        self.data_format = data_format
        self.initializer = initializer
        self._makers: dict[int, str] = {}

    def channels(self, x: Any) -> int:
        """The width of a map."""
        return int(x.shape[-1 if self.data_format == "channels_last" else 1])

    def map(self, x: Any) -> tuple[int, int]:
        """Height and width of a map, in pixels."""
        height, width = x.shape[1:3] if self.data_format == "channels_last" else x.shape[2:4]
        return height, width

    def maker(self, x: Any) -> str:
        """The Caffe name of the layer that made a map."""
        return self._makers[id(x)]

    def convolution(
        self, x: Any, name: str, channels: int, kernel: int, stride: int = 1, group: int = 1
    ) -> Any:
        """A convolution without bias, padded so that stride 1 keeps the size."""
        return self._add(
            layers.Convolution,
            name,
            x,
            filters=channels,
            kernel_size=kernel,
            strides=stride,
            pad=kernel // 2,
            groups=group,
            use_bias=False,
            kernel_initializer=self.initializer(),
            data_format=self.data_format,
        )

    def bn(self, x: Any, name: str) -> Any:
        """A batch normalisation over channels."""
        axis = -1 if self.data_format == "channels_last" else 1
        return self._add(layers.BN, f"{name}/bn", x, axis=axis)

    def relu(self, x: Any, name: str) -> Any:
        """A ReLU."""
        return self._add(layers.ReLU, f"{name}/relu", x)

    def bn_relu(self, x: Any, name: str) -> Any:
        """A batch normalisation and a ReLU: `name/bn` and `name/bn/relu`."""
        return self.relu(self.bn(x, name), f"{name}/bn")

    def max_pool(self, x: Any, name: str) -> Any:
        """The nets' one max pool: 3x3, stride 2, no pad, sizes rounded up."""
        return self._add(
            layers.CaffePool,
            name,
            x,
            pool="MAX",
            kernel_size=3,
            strides=2,
            data_format=self.data_format,
        )

    def average_whole_map(self, x: Any, name: str) -> Any:
        """An average pool whose window is the whole map."""
        kernel = self.map(x)
        return self._add(
            layers.CaffePool, name, x, pool="AVE", kernel_size=kernel, data_format=self.data_format
        )

    def eltwise(self, operation: str, name: str, *inputs: Any) -> Any:
        """The sum or product of inputs, in Caffe's order."""
        return self._add(layers.Eltwise, name, list(inputs), operation=operation)

    def interp(self, x: Any, name: str, reference: Any) -> Any:
        """Align-corners resizing of `x` to the size of `reference`."""
        return self._add(layers.Interp, name, [x, reference], data_format=self.data_format)

    def sigmoid(self, x: Any, name: str) -> Any:
        """A sigmoid."""
        return self._add(layers.Sigmoid, name, x)

    def inner_product(self, x: Any, name: str, units: int) -> Any:
        """A dense layer with bias on the flattened map."""
        return self._add(
            layers.InnerProduct,
            name,
            x,
            units=units,
            kernel_initializer=self.initializer(),
            data_format=self.data_format,
        )

    def activation(self, x: Any, name: str, activation: Any) -> Any:
        """The classifier's activation; none where it is None."""
        if activation is None or activation == "linear":
            return x
        if activation == "softmax":
            return self._add(layers.Softmax, name, x)
        return keras.layers.Activation(activation, name=name)(x)

    def _add(self, layer: Any, name: str, x: Any, **arguments: Any) -> Any:
        y = layer(caffe_name=name, caffe_order=len(self._makers), **arguments)(x)
        self._makers[id(y)] = name
        return y
