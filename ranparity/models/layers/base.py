"""What every layer has, and how its kernel starts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from ranparity.caffe.shapes import Pair, RuleError
from ranparity.errors import InputError

Shape = tuple[int | None, ...]


def known(length: int | None, layer: str) -> int:
    """A map's height or width, which must be fixed."""
    if length is None:
        raise InputError(f'layer "{layer}": expected maps of a fixed height and width, found None')
    return length


def pair(value: int | tuple[int, ...]) -> Pair:
    """Height and width from one number for both, or from two."""
    height, width = (value, value) if isinstance(value, int) else value
    return height, width


@keras.saving.register_keras_serializable(package="ranparity")
class MSRA(keras.initializers.VarianceScaling):
    """Caffe's `msra` filler: normal with variance 2 / fan-in, not truncated.

    Drawn by NumPy, so that a seed gives the same weights on every backend (and JAX compiles
    nothing). Source: BVLC/caffe, include/caffe/filler.hpp, MSRAFiller.

    Args:
        seed: An integer; by default one that `keras.utils.set_random_seed` determines.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(2.0, "fan_in", "untruncated_normal", seed)

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        """Weights of a shape: HWIO, or (inputs, outputs)."""
        dtype = dtype or keras.config.floatx()
        random = np.random.Generator(np.random.Philox(self.seed))
        drawn = random.standard_normal(shape, np.float64 if dtype == "float64" else np.float32)
        drawn *= math.sqrt(2 / math.prod(shape[:-1]))
        return ops.convert_to_tensor(drawn, dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this initializer again."""
        return {"seed": self._init_seed}


@keras.saving.register_keras_serializable(package="ranparity")
class Uniform(keras.initializers.RandomUniform):
    """Caffe's `uniform` filler from -bound to bound, drawn by NumPy as `MSRA` is.

    Source: BVLC/caffe, include/caffe/filler.hpp, UniformFiller.

    Args:
        bound: The largest size of a number.
        seed: An integer; by default one that `keras.utils.set_random_seed` determines.
    """

    def __init__(self, bound: float, seed: int | None = None) -> None:
        super().__init__(-bound, bound, seed)
        self.bound = bound

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        """Weights of a shape."""
        random = np.random.Generator(np.random.Philox(self.seed))
        drawn = random.uniform(-self.bound, self.bound, shape)
        return ops.convert_to_tensor(drawn, dtype or keras.config.floatx())

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this initializer again."""
        return {"bound": self.bound, "seed": self._init_seed}


class CaffeLayer:
    """What every layer of a Caffe net has, for use with a Keras layer as the second base.

    Attributes:
        compute_dtype: The type of what it computes, by Keras.
        variable_dtype: The type of its variables, by Keras; a mixed policy has another one.
        caffe_name: The layer's name in Caffe.
        caffe_order: Its place among the net's layers, from 0.
        caffe_tops: The names of what it makes, in the net's graph; empty where they are its own
            name, with a number where there are several.
    """

    compute_dtype: str
    variable_dtype: str

    def __init__(
        self,
        *args: Any,
        caffe_name: str,
        caffe_order: int,
        caffe_tops: Sequence[str] = (),
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        name = name or caffe_name.replace("/", "-")
        super().__init__(*args, name=name, **kwargs)  # type: ignore[call-arg]  # the Keras base
        self.caffe_name = caffe_name
        self.caffe_order = caffe_order
        self.caffe_tops = tuple(caffe_tops)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        config: dict[str, Any] = super().get_config()  # type: ignore[misc]  # of the Keras base
        tops = {"caffe_tops": self.caffe_tops} if self.caffe_tops else {}
        return config | {"caffe_name": self.caffe_name, "caffe_order": self.caffe_order} | tops

    def widened(self, x: Any) -> Any:
        """A tensor in the type of the layer's variables, where it computes in a narrower one.

        Sums and moments, and what is worked out of them, would lose too much in the latter.
        """
        return ops.cast(x, self.variable_dtype) if self._is_mixed else x

    def narrowed(self, x: Any) -> Any:
        """What was worked out of `widened` tensors, in the type that the layer computes in."""
        return ops.cast(x, self.compute_dtype) if self._is_mixed else x

    @property
    def _is_mixed(self) -> bool:
        return bool(self.compute_dtype != self.variable_dtype)

    def refuse(self, error: RuleError) -> InputError:
        """An error that names this layer."""
        return InputError(f'layer "{self.caffe_name}": {error}')
