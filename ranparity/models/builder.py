"""Makes Caffe's layers in order: numbers them, and passes the data format on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras

from ranparity.models import layers


class Builder:
    """Calls layers on Keras tensors and numbers them as it makes them.

    Keras sorts a model's layers by depth; Caffe's order is the one in which they were made.

    Args:
        data_format: `channels_last` (NHWC) or `channels_first` (NCHW).
        initializer: Makes an initializer for each kernel.
    """

    def __init__(self, data_format: str | None, initializer: Callable[[], Any]) -> None:
        self.data_format = data_format or keras.config.image_data_format()
        self.initializer = initializer
        self._makers: dict[int, str] = {}
        self._made = 0

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
        return self._add(layers.BN, name, x, axis=axis)

    def relu(self, x: Any, name: str) -> Any:
        """A ReLU."""
        return self._add(layers.ReLU, name, x)

    def bn_relu(self, x: Any, name: str) -> Any:
        """A batch normalisation and a ReLU: `name/bn` and `name/bn/relu`."""
        return self.relu(self.bn(x, f"{name}/bn"), f"{name}/bn/relu")

    def max_pool(
        self, x: Any, name: str, kernel: int = 3, pad: int = 0, round_mode: str = "CEIL"
    ) -> Any:
        """A max pool of stride 2; by default 3x3, no pad, sizes rounded up."""
        return self._add(
            layers.CaffePool,
            name,
            x,
            pool="MAX",
            kernel_size=kernel,
            strides=2,
            pad=pad,
            round_mode=round_mode,
            data_format=self.data_format,
        )

    def average_whole_map(self, x: Any, name: str) -> Any:
        """An average pool whose window is the whole map."""
        kernel = self.map(x)
        return self._add(
            layers.CaffePool, name, x, pool="AVE", kernel_size=kernel, data_format=self.data_format
        )

    def eltwise(
        self, operation: str, name: str, *inputs: Any, coeff: tuple[float, ...] = ()
    ) -> Any:
        """The sum or product of inputs, in Caffe's order; `coeff` weights a sum's."""
        return self._add(layers.Eltwise, name, list(inputs), operation=operation, coeff=coeff)

    def interp(self, x: Any, name: str, reference: Any) -> Any:
        """Align-corners resizing of `x` to the size of `reference`."""
        return self._add(layers.Interp, name, [x, reference], data_format=self.data_format)

    def sigmoid(self, x: Any, name: str) -> Any:
        """A sigmoid."""
        return self._add(layers.Sigmoid, name, x)

    def inner_product(self, x: Any, name: str, units: int, **start: Any) -> Any:
        """A dense layer with bias on the flattened map."""
        start = {"kernel_initializer": self.initializer(), **start}
        made = layers.InnerProduct
        return self._add(made, name, x, units=units, data_format=self.data_format, **start)

    def linear(self, x: Any, name: str, units: int) -> Any:
        """A dense layer that starts as PyTorch's `Linear` does, unless the net has an initializer.

        Kernel and bias are uniform within 1 / sqrt(fan_in) (pytorch/pytorch,
        torch/nn/modules/linear.py, reset_parameters).
        """
        bound = 1 / math.sqrt(math.prod(x.shape[1:]))
        start: dict[str, Any] = {"bound": bound}
        if self.initializer is layers.MSRA:
            start |= {f"{part}_initializer": layers.Uniform(bound) for part in ("kernel", "bias")}
        return self.inner_product(x, name, units, **start)

    def normalize(self, x: Any, name: str) -> Any:
        """The L2 normalisation over channels at each position."""
        return self._add(layers.Normalize, name, x, data_format=self.data_format)

    def mvn(self, x: Any, name: str) -> Any:
        """Each channel's map, standardised."""
        return self._add(layers.MVN, name, x, data_format=self.data_format)

    def flatten(self, x: Any, name: str) -> Any:
        """A map as a vector, in C, H, W order."""
        return self._add(layers.Flatten, name, x, data_format=self.data_format)

    def power(self, x: Any, name: str, power: float) -> Any:
        """Each element to a power."""
        return self._add(layers.Power, name, x, power=power)

    def parameter(self, name: str, shape: tuple[int, ...], beside: Any) -> Any:
        """A blob that is trained; `beside` is any tensor of the net, which it does not read."""
        return self._add(layers.Parameter, name, beside, shape=shape)

    def product_with(self, x: Any, name: str, parameter: Any) -> Any:
        """The product of (N, K) with a parameter (K, D)."""
        return self._add(layers.SharedInnerProduct, name, [x, parameter])

    def slices(self, x: Any, name: str) -> list[Any]:
        """The rows of (K, D), each (1, D)."""
        return list(self._add(layers.Slice, name, x, axis=0))

    def concat(self, name: str, inputs: list[Any], axis: int) -> Any:
        """Inputs one after another along an axis."""
        return self._add(layers.Concat, name, inputs, axis=axis)

    def reduction(self, x: Any, name: str, operation: str, axis: int = 0) -> Any:
        """The mean, sum, or sum of squares over all axes from one on."""
        return self._add(layers.Reduction, name, x, operation=operation, axis=axis)

    def with_loss(self, x: Any, loss: Any, weight: float) -> Any:
        """`x`, and a scalar that is added to what training minimises."""
        return layers.WithLoss(weight, name="with_loss")([x, loss])

    def softmax(self, x: Any, name: str) -> Any:
        """Softmax over (N, classes)."""
        return self._add(layers.Softmax, name, x)

    def activation(self, x: Any, name: str, activation: Any) -> Any:
        """The classifier's activation; none where it is None."""
        if activation is None or activation == "linear":
            return x
        if activation == "softmax":
            return self.softmax(x, name)
        return keras.layers.Activation(activation, name=name)(x)

    def _add(self, layer: Any, name: str, x: Any, **arguments: Any) -> Any:
        y = layer(caffe_name=name, caffe_order=self._made, **arguments)(x)
        self._made += 1
        self._makers |= {id(tensor): name for tensor in keras.tree.flatten(y)}
        return y
