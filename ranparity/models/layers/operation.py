"""Layers of any other type of Caffe's: one class, whose types are functions of `operations`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from ranparity.caffe.arbiter.noise import WIDE
from ranparity.caffe.shapes import Attribute
from ranparity.errors import InputError
from ranparity.models.layers.base import MSRA, CaffeLayer, Shape

Tensor = Any
Function = Callable[["Operation", list[Tensor], bool], list[Tensor]]
OPERATIONS: dict[str, Function] = {}
START = {
    "bias": "zeros",
    "factor": "ones",
    "mean": "zeros",
    "scale": "ones",
    "shift": "zeros",
    "variance": "ones",
}
"""What variables begin with; others see `_start`."""
SLOPE = 0.25  # of a PReLU (BVLC/caffe, src/caffe/layers/prelu_layer.cpp, LayerSetUp)
PLACES = ("ArgMax", "Pooling", "Upsample")
"""Types whose tops are places in a map, or that read such: numbers up to its area."""
TO_CAFFE, TO_KERAS = (0, 3, 1, 2), (0, 2, 3, 1)  # axes of maps that are channels_last here


def operation(*types: str) -> Callable[[Function], Function]:
    """Registers the function of some layer types.

    It takes the layer, its inputs in the model's own axis order, and whether it trains; it gives
    the tops.
    """

    def register(function: Function) -> Function:
        OPERATIONS.update(dict.fromkeys(types, function))
        return function

    return register


@keras.saving.register_keras_serializable(package="ranparity")
class FanIn(MSRA):
    """`MSRA` for a weight whose first axis is not summed over, such as (out, in, kh, kw)."""

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        """Weights of a shape."""
        drawn = super().__call__((*shape[1:], shape[0]), dtype)
        return ops.transpose(drawn, (len(shape) - 1, *range(len(shape) - 1)))


@keras.saving.register_keras_serializable(package="ranparity")
class Operation(CaffeLayer, keras.layers.Layer):
    """A layer of Caffe's by its type, attributes and shapes, its parameters in Caffe's layouts.

    Blobs of four axes are maps, NHWC or NCHW by `data_format`, whatever they hold; all others have
    Caffe's axes.

    Args:
        type: Caffe's, a key of `OPERATIONS`.
        attributes: As `ranparity.caffe.shapes.Facts` has them.
        tops: The tops' shapes in Caffe, batch included; the first axis of one is free.
        parameters: The shapes of what is trained, by Caffe's name.
        statistics: The shapes of what is kept, by name.
        data_format: `channels_last` (NHWC) or `channels_first` (NCHW).
        **kwargs: `caffe_name`, `caffe_order` and what every Keras layer takes.

    Raises:
        InputError: A type that cannot be built.
    """

    def __init__(
        self,
        type: str,  # noqa: A002  (Caffe's word)
        attributes: Mapping[str, Attribute],
        tops: Sequence[Sequence[int]],
        parameters: Mapping[str, Sequence[int]] | None = None,
        statistics: Mapping[str, Sequence[int]] | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if type not in OPERATIONS:
            known = ", ".join(sorted(OPERATIONS))
            raise InputError(f'layer "{self.caffe_name}" ({type}): expected one of {known}')
        if type in PLACES and self._is_mixed:
            raise InputError(
                f'layer "{self.caffe_name}" ({type}): expected a precision of float32 or float64: '
                f"places in a map are no numbers of {self.compute_dtype}"
            )
        self.type = type
        self.attributes = dict(attributes)
        self.tops = tuple(map(tuple, tops))
        self.parameters = {name: tuple(shape) for name, shape in (parameters or {}).items()}
        self.statistics = {name: tuple(shape) for name, shape in (statistics or {}).items()}
        self.data_format = data_format or keras.config.image_data_format()
        self.blobs: dict[str, Any] = {}

    def build(self, input_shape: Any) -> None:
        """Makes the variables, by Caffe's names for them."""
        del input_shape
        for shapes, trainable in ((self.parameters, True), (self.statistics, False)):
            for name, shape in shapes.items():
                self.blobs[name] = self.add_weight(
                    shape=shape,
                    initializer=_start(name, shape),
                    trainable=trainable,
                    name=name,
                    autocast=False,  # `value` casts it, and statistics stay as they are
                )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The tops: one, or a list of several."""
        given = keras.tree.flatten(inputs)
        if self.type in WIDE:
            given = [self.widened(x) for x in given]
        made = OPERATIONS[self.type](self, given, bool(training))
        if self.type in WIDE:
            made = [self.narrowed(x) for x in made]
        return made[0] if len(self.tops) == 1 else made

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shapes of the tops, in the model's axis order."""
        del input_shape
        made = [self._laid_out(top) for top in self.tops]
        return made[0] if len(made) == 1 else made

    def _laid_out(self, top: Shape) -> Shape:
        if not top:
            return ()
        shape = [None, *top[1:]]
        return tuple(shape[axis] for axis in TO_KERAS) if self.is_turned(top) else tuple(shape)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """The tops without a trace."""
        del training
        like = keras.tree.flatten(inputs)[0].dtype
        made = [keras.KerasTensor(self._laid_out(top), like) for top in self.tops]
        return made[0] if len(made) == 1 else made

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return super().get_config() | {
            "type": self.type,
            "attributes": self.attributes,
            "tops": self.tops,
            "parameters": self.parameters,
            "statistics": self.statistics,
            "data_format": self.data_format,
        }

    def value(self, name: str, like: Tensor) -> Tensor:
        """A variable in the type of a tensor."""
        return ops.cast(self.blobs[name], like.dtype)

    def number(self, name: str) -> float:
        """An attribute that is a number."""
        return float(self.attributes[name])

    def is_turned(self, shape: Sequence[Any]) -> bool:
        """Whether a blob of such a shape has another order of axes than in Caffe."""
        return len(shape) == 4 and self.data_format == "channels_last"

    def to_caffe(self, x: Tensor) -> Tensor:
        """A blob in Caffe's order of axes."""
        return ops.transpose(x, TO_CAFFE) if self.is_turned(x.shape) else x

    def to_keras(self, x: Tensor) -> Tensor:
        """A blob in the model's order of axes."""
        return ops.transpose(x, TO_KERAS) if self.is_turned(x.shape) else x

    def axis(self, axis: int, x: Tensor) -> int:
        """One of Caffe's axes of a blob, in the model's order."""
        return TO_KERAS.index(axis) if self.is_turned(x.shape) else axis

    def along(self, values: Tensor, axis: int, x: Tensor) -> Tensor:
        """Values of some axes, the first of which is `axis` in Caffe, to broadcast over `x`."""
        after = len(x.shape) - axis - len(values.shape)
        first = [-1, *values.shape[1:]] if axis == 0 and values.shape else list(values.shape)
        return self.to_keras(ops.reshape(values, (*[1] * axis, *first, *[1] * after)))


def _start(name: str, shape: tuple[int, ...]) -> Any:
    if name == "slope":
        return keras.initializers.Constant(SLOPE)
    if name == "weight":
        return FanIn() if len(shape) > 1 else "ones"
    return START[name]
