"""Normalisations of a map without batch statistics: over channels, and over each channel's map."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from ranparity.kernels.plain import axes_of_map
from ranparity.models.layers.base import CaffeLayer, Shape

NORMALIZE_EPS = 1e-10
MVN_EPS = 1e-9


class _OfMap(CaffeLayer, keras.layers.Layer):
    """A layer that keeps the shape of its map, NHWC or NCHW by `data_format`."""

    def __init__(self, eps: float, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.eps = eps
        self.data_format = data_format or keras.config.image_data_format()

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return super().get_config() | {"eps": self.eps, "data_format": self.data_format}


@keras.saving.register_keras_serializable(package="ranparity")
class Normalize(_OfMap):
    """L2 normalisation over channels at each position: `x / sqrt(sum x^2 + eps) * scale`.

    The scale is one number, 1, that is not trained: Caffe's layer has a blob for it
    (weiliu89/caffe, branch ssd, src/caffe/layers/normalize_layer.cpp, with across_spatial false and
    channel_shared true).

    Args:
        eps: Added to the sum of squares.
        data_format: `channels_last` (NHWC) or `channels_first` (NCHW).
        **kwargs: `caffe_name`, `caffe_order` and what every Keras layer takes.
    """

    def __init__(self, eps: float = NORMALIZE_EPS, **kwargs: Any) -> None:
        super().__init__(eps, **kwargs)

    def build(self, input_shape: Shape) -> None:
        """Makes the scale."""
        del input_shape
        self.scale = self.add_weight(
            shape=(), initializer="ones", trainable=False, name="scale", autocast=False
        )

    def call(self, inputs: Any) -> Any:
        """Positions whose channels have the length of the scale."""
        axis = -1 if self.data_format == "channels_last" else 1
        x = self.widened(inputs)
        length = ops.sqrt(ops.sum(x * x, axis=axis, keepdims=True) + self.eps)
        return self.narrowed(x / length * ops.cast(self.scale, x.dtype))


@keras.saving.register_keras_serializable(package="ranparity")
class MVN(_OfMap):
    """Each channel's map, standardised: `(x - mean) / (sqrt(variance) + eps)`.

    Mean and (biased) variance are over the positions of one image's channel; eps is added to the
    root, not in it (BVLC/caffe, src/caffe/layers/mvn_layer.cpp). The derivative at a map that is
    constant is that of a root of 0 taken as 0, as in Caffe's own backward pass.

    Args:
        eps: Added to the standard deviation; 1e-9 is Caffe's.
        data_format: `channels_last` (NHWC) or `channels_first` (NCHW).
        **kwargs: `caffe_name`, `caffe_order` and what every Keras layer takes.
    """

    def __init__(self, eps: float = MVN_EPS, **kwargs: Any) -> None:
        super().__init__(eps, **kwargs)

    def call(self, inputs: Any) -> Any:
        """Maps of mean 0 and standard deviation 1."""
        axes = axes_of_map(self.data_format)
        x = self.widened(inputs)
        count = math.prod(x.shape[axis] for axis in axes)
        centred = x - ops.sum(x, axis=axes, keepdims=True) / count
        variance = ops.sum(centred * centred, axis=axes, keepdims=True) / count
        flat = variance == 0
        root = ops.sqrt(ops.where(flat, ops.ones_like(variance), variance))
        return self.narrowed(centred / (ops.where(flat, ops.zeros_like(root), root) + self.eps))
