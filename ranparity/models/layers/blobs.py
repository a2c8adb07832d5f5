"""Layers on blobs of any number of axes: powers, parts, reductions, and blobs that are trained."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from ranparity.errors import InputError
from ranparity.models.layers.base import MSRA, CaffeLayer, Shape

REDUCTIONS = ("SUM", "SUMSQ", "MEAN")


@keras.saving.register_keras_serializable(package="ranparity")
class Flatten(CaffeLayer, keras.layers.Layer):
    """A map (NHWC or NCHW by `data_format`) as (N, C * H * W), in C, H, W order as in Caffe."""

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = data_format or keras.config.image_data_format()

    def call(self, inputs: Any) -> Any:
        """The map's elements in a row."""
        if self.data_format == "channels_last":
            inputs = ops.transpose(inputs, (0, 3, 1, 2))
        return ops.reshape(inputs, (-1, math.prod(inputs.shape[1:])))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, C * H * W)."""
        return input_shape[0], math.prod(side for side in input_shape[1:] if side is not None)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return super().get_config() | {"data_format": self.data_format}


@keras.saving.register_keras_serializable(package="ranparity")
class Power(CaffeLayer, keras.layers.Layer):
    """`x ^ power` (BVLC/caffe, src/caffe/layers/power_layer.cpp, with scale 1 and shift 0).

    2 and .5 are a product and a root; a root has no derivative at 0.
    """

    def __init__(self, power: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.power = power

    def call(self, inputs: Any) -> Any:
        """Each element, to the power."""
        if self.power == 2:
            return inputs * inputs
        return ops.sqrt(inputs) if self.power == 0.5 else ops.power(inputs, self.power)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return super().get_config() | {"power": self.power}


@keras.saving.register_keras_serializable(package="ranparity")
class Slice(CaffeLayer, keras.layers.Layer):
    """A blob cut along an axis into pieces of length 1."""

    def __init__(self, axis: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Any) -> list[Any]:
        """The pieces, each with the axis."""
        before = (slice(None),) * self.axis
        length = inputs.shape[self.axis]
        return [inputs[(*before, slice(place, place + 1))] for place in range(length)]

    def compute_output_shape(self, input_shape: Shape) -> list[Shape]:
        """The shape of each piece."""
        piece = (*input_shape[: self.axis], 1, *input_shape[self.axis + 1 :])
        return [piece] * (input_shape[self.axis] or 0)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return super().get_config() | {"axis": self.axis}


@keras.saving.register_keras_serializable(package="ranparity")
class Concat(CaffeLayer, keras.layers.Layer):
    """Blobs one after another along an axis."""

    def __init__(self, axis: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: list[Any]) -> Any:
        """All inputs as one."""
        return ops.concatenate(inputs, axis=self.axis)

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """The shape that all share, but for the axis."""
        shape = list(input_shape[0])
        shape[self.axis] = sum(given[self.axis] or 0 for given in input_shape)
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return super().get_config() | {"axis": self.axis}


@keras.saving.register_keras_serializable(package="ranparity")
class Reduction(CaffeLayer, keras.layers.Layer):
    """The sum, sum of squares or mean over all axes from one on.

    Source: BVLC/caffe, src/caffe/layers/reduction_layer.cpp.

    Args:
        operation: `SUM`, `SUMSQ` or `MEAN`.
        axis: The first of the axes that go; 0 leaves a scalar.
        **kwargs: `caffe_name`, `caffe_order` and what every Keras layer takes.
    """

    def __init__(self, operation: str, axis: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if operation not in REDUCTIONS:
            raise InputError(
                f'layer "{self.caffe_name}": operation must be one of {", ".join(REDUCTIONS)}; '
                f"found {operation}"
            )
        self.operation = operation
        self.axis = axis

    def call(self, inputs: Any) -> Any:
        """What is left of the axes before `axis`."""
        x = self.widened(inputs)
        axes = tuple(range(self.axis, len(x.shape)))
        total = ops.sum(x * x if self.operation == "SUMSQ" else x, axis=axes)
        if self.operation == "MEAN":
            total = total / math.prod(x.shape[axis] for axis in axes)
        return self.narrowed(total)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The axes before `axis`."""
        return tuple(input_shape[: self.axis])

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return super().get_config() | {"operation": self.operation, "axis": self.axis}


@keras.saving.register_keras_serializable(package="ranparity")
class Parameter(CaffeLayer, keras.layers.Layer):
    """A blob that is trained and that no input determines.

    A functional Keras model needs something to call the layer on; it is not read. The blob starts
    normal with variance 2 / K for a shape of (K, D), by `MSRA`: K is the fan-in of its product with
    (N, K), and PyTorch's fan-out.

    Args:
        shape: Of the blob.
        **kwargs: `caffe_name`, `caffe_order` and what every Keras layer takes.
    """

    def __init__(self, shape: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape = tuple(shape)

    def build(self, input_shape: Shape) -> None:
        """Makes the blob."""
        del input_shape
        self.parameter = self.add_weight(shape=self.shape, initializer=MSRA(), name="parameter")

    def call(self, inputs: Any) -> Any:
        """The blob."""
        del inputs
        return ops.convert_to_tensor(self.parameter)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The blob's shape."""
        del input_shape
        return self.shape

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return super().get_config() | {"shape": self.shape}


@keras.saving.register_keras_serializable(package="ranparity")
class SharedInnerProduct(CaffeLayer, keras.layers.Layer):
    """The product of (N, K) with a `Parameter` of (K, D), without bias: (N, D).

    In Caffe an InnerProduct with `transpose`, whose weight is the parameter's blob, shared by name.
    """

    def call(self, inputs: list[Any]) -> Any:
        """The product, by einsum: matmul loses float64 on the torch backend."""
        return ops.einsum("nk,kd->nd", *inputs)

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """(N, D)."""
        return input_shape[0][0], input_shape[1][1]


@keras.saving.register_keras_serializable(package="ranparity")
class WithLoss(keras.layers.Layer):
    """A tensor as it is, and a scalar that, times a weight, is added to what training minimises.

    In Caffe there is no such layer: the scalar's own layer has the `loss_weight`.

    Args:
        weight: The scalar's factor in the loss.
        **kwargs: What every Keras layer takes.
    """

    def __init__(self, weight: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weight = weight

    def call(self, inputs: list[Any]) -> Any:
        """The tensor; the scalar goes to the model's `losses`."""
        x, loss = inputs
        if self.compute_dtype != self.variable_dtype:  # a loss is as wide as the variables
            loss = ops.cast(loss, self.variable_dtype)
        self.add_loss(loss * self.weight)
        return x

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """The tensor's shape."""
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        config: dict[str, Any] = super().get_config()
        return config | {"weight": self.weight}
