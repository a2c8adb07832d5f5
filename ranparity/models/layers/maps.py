"""Layers on maps, and those that take any blob: Caffe's pads, ceil rule and constants."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from ranparity.caffe.shapes import (
    Pair,
    RuleError,
    convolution_output_size,
    pooling_output_size,
)
from ranparity.errors import InputError
from ranparity.kernels import kernel
from ranparity.kernels.plain import Pads, axes_of_map
from ranparity.models.layers.base import CaffeLayer, Shape, known, pair


@keras.saving.register_keras_serializable(package="ranparity")
class Convolution(CaffeLayer, keras.layers.Conv2D):
    """Cross-correlation with symmetric padding that is given in pixels.

    Maps are NHWC or NCHW by `data_format`, the kernel is HWIO on every backend. Sizes follow
    Caffe's floor rule, `ranparity.caffe.shapes.convolution_output_size`.

    Args:
        pad: Zeros on each side, one number or height and width, in pixels.
        *args: As `keras.layers.Conv2D`, whose `padding` stays `valid`.
        **kwargs: As `keras.layers.Conv2D`, and `caffe_name` and `caffe_order`.
    """

    def __init__(self, *args: Any, pad: int | tuple[int, int] = 0, **kwargs: Any) -> None:
        self.pad = pair(pad)
        super().__init__(*args, **kwargs)

    def convolution_op(self, inputs: Any, kernel_: Any) -> Any:
        """The convolution itself, without bias."""
        return kernel("convolution")(
            inputs,
            ops.convert_to_tensor(kernel_),
            stride=self.strides,
            pad=self.pad,
            dilation=self.dilation_rate,
            group=self.groups,
            data_format=self.data_format,
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The output's shape, in the input's axis order."""
        height, width = axes_of_map(self.data_format)
        channels = 6 - height - width  # the axis that is neither the batch's nor the map's
        shape = list(input_shape)
        shape[channels] = self.filters
        try:
            for side, axis in enumerate((height, width)):
                shape[axis] = convolution_output_size(
                    known(shape[axis], self.caffe_name),
                    self.kernel_size[side],
                    self.strides[side],
                    self.pad[side],
                    self.dilation_rate[side],
                )
        except RuleError as error:
            raise self.refuse(error) from None
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return super().get_config() | {"pad": self.pad}


@keras.saving.register_keras_serializable(package="ranparity")
class CaffePool(CaffeLayer, keras.layers.Layer):
    """Max or average pooling by Caffe's rules, at any size.

    The ceil rule of `ranparity.caffe.shapes.pooling_output_size`. MAX ignores padding; the AVE
    divisor is the window clipped to the map and its padding on the far side
    (BVLC/caffe, src/caffe/layers/pooling_layer.cpp, Forward_cpu).

    Args:
        pool: `MAX` or `AVE`.
        kernel_size: The window, one number or height and width, in pixels.
        strides: The step between windows, in pixels.
        pad: Padding on each side, in pixels.
        round_mode: `CEIL`, Caffe's rule, or `FLOOR`.
        data_format: `channels_last` (NHWC) or `channels_first` (NCHW).
        **kwargs: `caffe_name`, `caffe_order` and what every Keras layer takes.
    """

    def __init__(
        self,
        pool: str,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        pad: int | tuple[int, int] = 0,
        round_mode: str = "CEIL",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if pool not in ("MAX", "AVE"):
            raise InputError(f'layer "{self.caffe_name}": pool must be MAX or AVE; found {pool}')
        self.pool = pool
        self.kernel_size = pair(kernel_size)
        self.strides = pair(strides)
        self.pad = pair(pad)
        self.round_mode = round_mode
        self.data_format = data_format or keras.config.image_data_format()

    def call(self, inputs: Any) -> Any:
        """Pools maps of a fixed height and width."""
        size = self._map(inputs.shape)
        pads = self._pads(size)
        window = {
            "kernel": self.kernel_size,
            "stride": self.strides,
            "pads": pads,
            "data_format": self.data_format,
        }
        if self.pool == "MAX":
            return kernel("max_pool")(inputs, **window)
        x = self.widened(inputs)
        mean = kernel("sum_pool")(x, **window) / ops.cast(self._divisor(size), x.dtype)
        return self.narrowed(mean)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The output's shape, in the input's axis order."""
        shape = list(input_shape)
        for axis, size in zip(
            axes_of_map(self.data_format), self._output_map(self._map(input_shape)), strict=True
        ):
            shape[axis] = size
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return super().get_config() | {
            "pool": self.pool,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "pad": self.pad,
            "round_mode": self.round_mode,
            "data_format": self.data_format,
        }

    def _map(self, shape: Shape) -> Pair:
        height, width = (
            known(shape[axis], self.caffe_name) for axis in axes_of_map(self.data_format)
        )
        return height, width

    def _output_map(self, size: Pair) -> Pair:
        try:
            height, width = (
                pooling_output_size(*axis, ceil=self.round_mode == "CEIL", clip=any(self.pad))
                for axis in zip(size, self.kernel_size, self.strides, self.pad, strict=True)
            )
        except RuleError as error:
            raise self.refuse(error) from None
        return height, width

    def _pads(self, size: Pair) -> Pads:
        """Padding before and after, so that windows without rounding give Caffe's sizes.

        7 pixels, kernel 3, stride 2: Caffe makes 3 windows, the last ends at pixel 7: (0, 0).
        8 pixels: it makes 4, the last ends at pixel 9: (0, 1).
        """
        top, left = (
            (pad, max(0, (out - 1) * stride + kernel_ - length - pad))
            for pad, out, stride, kernel_, length in zip(
                self.pad, self._output_map(size), self.strides, self.kernel_size, size, strict=True
            )
        )
        return top, left

    def _divisor(self, size: Pair) -> np.ndarray[Any, Any]:
        """Pixels in each window, padding counted up to `pad` past the map; broadcasts."""
        height, width = (
            window_lengths(*axis)
            for axis in zip(
                size, self._output_map(size), self.kernel_size, self.strides, self.pad, strict=True
            )
        )
        counts = np.outer(height, width)
        if not counts.all():
            raise InputError(
                f'layer "{self.caffe_name}": an average over a window past the map divides 0 by '
                "0; expected a kernel no smaller than the stride, or a pad"
            )
        return counts[:, :, None] if self.data_format == "channels_last" else counts


def window_lengths(
    size: int, out: int, kernel_: int, stride: int, pad: int
) -> np.ndarray[Any, Any]:
    """Length of each window along one axis, clipped to `size + pad`."""
    start = np.arange(out) * stride - pad
    return np.minimum(start + kernel_, size + pad) - start


@keras.saving.register_keras_serializable(package="ranparity")
class Interp(CaffeLayer, keras.layers.Layer):
    """Align-corners bilinear resizing to the size of a second input.

    Called on `[x, reference]`, both NHWC or NCHW by `data_format`; `reference` gives its height
    and width and nothing else. Output pixel i reads the input at `i (in - 1) / (out - 1)`
    (the authors' fork, src/caffe/util/interp.cpp). Two constant matrices and two products give
    it exactly, on every backend.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = data_format or keras.config.image_data_format()

    def call(self, inputs: list[Any]) -> Any:
        """Resizes the first input."""
        given, reference = inputs
        x = self.widened(given)
        height, width = (
            ops.cast(interpolation_matrix(x.shape[axis], reference.shape[axis]), x.dtype)
            for axis in axes_of_map(self.data_format)
        )
        made = kernel("interpolation")(x, height, width, data_format=self.data_format)
        return self.narrowed(made)

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """The output's shape, in the inputs' axis order."""
        shape = list(input_shape[0])
        for axis in axes_of_map(self.data_format):
            shape[axis] = input_shape[1][axis]
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return super().get_config() | {"data_format": self.data_format}


def interpolation_matrix(size: int, out: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Weights of `size` input pixels for `out` output pixels, (out, size), rows summing to 1.

    3 pixels to 5: positions 0, .5, 1, 1.5, 2.
    """
    step = (size - 1) / (out - 1) if out > 1 else 0.0
    position = np.arange(out) * step
    low = np.minimum(position.astype(int), size - 1)
    high = np.minimum(low + 1, size - 1)
    weight = position - low
    matrix = np.zeros((out, size))
    np.add.at(matrix, (np.arange(out), low), 1 - weight)
    np.add.at(matrix, (np.arange(out), high), weight)
    return matrix


@keras.saving.register_keras_serializable(package="ranparity")
class BN(CaffeLayer, keras.layers.BatchNormalization):
    """Batch normalisation with Caffe's constants and the biased batch variance.

    Momentum .9 on the old value and eps 1e-5, as in the authors' fork
    (src/caffe/layers/bn_layer.cpp); the moving statistics are a mean and a variance. As in
    Keras, a layer with `trainable = False` uses them in training too.
    """

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(momentum=momentum, epsilon=epsilon, **kwargs)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalises, and in training moves the statistics."""
        if mask is not None:
            raise InputError(f'layer "{self.caffe_name}": a mask cannot be given')
        x = self.widened(inputs)
        if not (training and self.trainable):
            made = kernel("affine_normalization")(
                x,
                _read(self.moving_mean, x),
                _read(self.moving_variance, x),
                _read(self.gamma, x),
                _read(self.beta, x),
                epsilon=self.epsilon,
                axis=self.axis,
            )
            return self.narrowed(made)
        normalised, mean, variance = kernel("batch_normalization")(
            x,
            _read(self.gamma, x),
            _read(self.beta, x),
            epsilon=self.epsilon,
            axis=self.axis,
        )
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            old = ops.convert_to_tensor(moving)
            moving.assign(kernel("moving_average")(old, batch, self.momentum))
        return self.narrowed(normalised)


def _read(variable: Any, x: Any) -> Any:
    """A variable's value, in the type of a map."""
    value = ops.convert_to_tensor(variable)
    return value if value.dtype == x.dtype else ops.cast(value, x.dtype)


@keras.saving.register_keras_serializable(package="ranparity")
class ReLU(CaffeLayer, keras.layers.Layer):
    """`max(x, 0) + negative_slope * min(x, 0)`.

    Args:
        negative_slope: What negative elements are multiplied by.
        **kwargs: `caffe_name`, `caffe_order` and what every Keras layer takes.
    """

    def __init__(self, negative_slope: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.negative_slope = negative_slope

    def call(self, inputs: Any) -> Any:
        """Each element, rectified; Keras's own slope is a float32 on TensorFlow."""
        if not self.negative_slope:
            return kernel("relu")(inputs)
        return ops.relu(inputs) - ops.relu(-inputs) * self.negative_slope

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return super().get_config() | {"negative_slope": self.negative_slope}


@keras.saving.register_keras_serializable(package="ranparity")
class Sigmoid(CaffeLayer, keras.layers.Layer):
    """`1 / (1 + exp(-x))`."""

    def call(self, inputs: Any) -> Any:
        """The sigmoid of each element."""
        return ops.sigmoid(inputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape


@keras.saving.register_keras_serializable(package="ranparity")
class Eltwise(CaffeLayer, keras.layers.Layer):
    """SUM or PROD of inputs of equal shapes, in their order.

    Args:
        operation: `SUM` or `PROD`.
        coeff: A factor for each input of a SUM; all 1 if empty.
        **kwargs: `caffe_name`, `caffe_order` and what every Keras layer takes.
    """

    def __init__(self, operation: str, coeff: Sequence[float] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if operation not in ("SUM", "PROD"):
            raise InputError(
                f'layer "{self.caffe_name}": operation must be SUM or PROD; found {operation}'
            )
        self.operation = operation
        self.coeff = tuple(coeff)

    def call(self, inputs: list[Any]) -> Any:
        """The sum or product of the inputs."""
        if self.coeff:
            inputs = [x * factor for x, factor in zip(inputs, self.coeff, strict=True)]
        return functools.reduce(operator.add if self.operation == "SUM" else operator.mul, inputs)

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """The shape that all inputs share."""
        if len({tuple(shape) for shape in input_shape}) > 1:
            raise InputError(
                f'layer "{self.caffe_name}": expected inputs of equal shapes, '
                f"found {[tuple(shape) for shape in input_shape]}"
            )
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return super().get_config() | {"operation": self.operation, "coeff": self.coeff}


@keras.saving.register_keras_serializable(package="ranparity")
class InnerProduct(CaffeLayer, keras.layers.Dense):
    """A dense layer on the whole map, flattened in C, H, W order as in Caffe.

    Takes NHWC or NCHW by `data_format`, or (N, features); gives (N, units). The kernel is
    (features, units).

    Args:
        units: Features that it gives.
        data_format: `channels_last` (NHWC) or `channels_first` (NCHW).
        bound: The largest size of an initial weight or bias, where the tape is to spread them
            evenly (Caffe's `uniform`); by default it starts weights by `msra`.
        **kwargs: `caffe_name`, `caffe_order` and what `keras.layers.Dense` takes.
    """

    def __init__(
        self,
        units: int,
        data_format: str | None = None,
        bound: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, **kwargs)
        self.bound = bound
        self.data_format = data_format or keras.config.image_data_format()

    def build(self, input_shape: Shape) -> None:
        """Makes the kernel for the flattened features."""
        super().build((input_shape[0], math.prod(s for s in input_shape[1:] if s is not None)))
        self.input_spec = None  # Dense's own would refuse a map

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The product, by einsum: matmul loses float64 on the torch backend."""
        del training
        if len(inputs.shape) == 4 and self.data_format == "channels_last":
            inputs = ops.transpose(inputs, (0, 3, 1, 2))
        flat = ops.reshape(inputs, (-1, self.kernel.shape[0]))
        y = ops.einsum("ni,io->no", flat, self.kernel)
        return y + self.bias if self.use_bias else y

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, units)."""
        return (input_shape[0], self.units)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return super().get_config() | {"data_format": self.data_format, "bound": self.bound}


@keras.saving.register_keras_serializable(package="ranparity")
class Softmax(CaffeLayer, keras.layers.Softmax):
    """Softmax over the last axis of (N, classes)."""

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """The softmax of each row."""
        return self.narrowed(super().call(self.widened(inputs), mask))
