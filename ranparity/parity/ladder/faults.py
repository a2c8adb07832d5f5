"""Faults that are planted to see that the ladder finds them; only its own proof asks for one.

Each is a thing that re-implementations have really done, or that frameworks do by default. A fault
of one layer is planted in a layer in the middle of a net, so that it is not the first that any
judge would name.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.errors import InputError
from ranparity.parity.ladder import feed
from ranparity.parity.ladder.case import Case
from ranparity.training.update import Arithmetic, Tensor, Tensors, Update, Updated

Array = NDArray[np.float32]
Batch = tuple[Array, Array]
PREACTIVATION = "attention56-cifar@8"
RESNEXT = "attentionnext56@8"
RESNET = "resnet18-cifar@8"
DRANET = "dranet-cifar@8"
SPATIAL = "attention56-cifar-spatial@8"
CHANNEL = "attention56-cifar-channel@8"
E4040 = "attention56-e4040@8"
DEEP = "resnet164-cifar@4"
NAIVE = "attention56-cifar-naive@8"
NO_SKIP = "attention56-cifar-no-skip@8"
LOCAL = "attention56-cifar-local@8"
TENGSHAOFENG = "attention92-tengshaofeng@16"
IMAGENET = "resnet18@8"
DIVERSITY = "dranet-cifar-diversity@8"


class Fault:
    """Nothing is at fault; a fault changes one of these.

    Attributes:
        altered: The Caffe names of the layers that `alter` has changed.
    """

    def __init__(self) -> None:
        self.altered: list[str] = []

    @property
    def is_compiled(self) -> bool:
        """Whether it changes what a framework compiles: the model, or the update rule."""
        kind = type(self)
        return kind.alter is not Fault.alter or kind.update is not Fault.update

    def alter(self, model: Any) -> None:
        """Change live layers of a Keras model."""

    def update(self, update: Update) -> Update:
        """Change the update rule."""
        return update

    def batch(self, images: Array, targets: Array) -> Batch:
        """Change what a step sees."""
        return images, targets

    def order(self, step: int) -> int:
        """Change which of a run's batches a step gets."""
        return step

    def clock(self, case: Case, step: int, rate: float) -> tuple[int, float]:
        """Change the step's number and its learning rate."""
        del case
        return step, rate


@dataclasses.dataclass(frozen=True)
class Planted:
    """A fault and where it is planted.

    Attributes:
        words: What is wrong, in a few words.
        make: Makes the fault.
        models: The nets that it is planted in.
        one_layer: Whether it is a fault of one layer, which is to be named.
        source: Who does so, where somebody does.
        below: Whether it is so small that a rounding is as large: it is not to be caught.
    """

    words: str
    make: Callable[[], Fault]
    models: tuple[str, ...]
    one_layer: bool = True
    source: str = ""
    below: bool = False


class InLayer(Fault):
    """A fault of one layer: of those of a type that fit, the one in the middle.

    Args:
        type_: Name of the layer's class.
        change: Changes the layer.
        fits: Which layers of the type can have the fault.
    """

    def __init__(
        self,
        type_: str,
        change: Callable[[Any], None],
        fits: Callable[[Any], bool],
    ) -> None:
        super().__init__()
        self._type, self._change, self._fits = type_, change, fits

    def alter(self, model: Any) -> None:
        """Change the layer in the middle."""
        layers = sorted(
            (layer for layer in model.layers if type(layer).__name__ == self._type),
            key=lambda layer: layer.caffe_order,
        )
        fit = [layer for layer in layers if self._fits(layer)]
        if not fit:
            raise InputError(f"fault: {model.name} has no {self._type} that can have it")
        layer = fit[len(fit) // 2]
        self._change(layer)
        self.altered = [layer.caffe_name]


def _set(**values: Any) -> Callable[[Any], None]:
    """Give what sets attributes of a layer."""

    def change(layer: Any) -> None:
        for name, value in values.items():
            object.__setattr__(layer, name, value)

    return change


def _calling(function: Callable[..., Any]) -> Callable[[Any], None]:
    """Give what lets a layer compute by a function of itself, its own way and its arguments."""

    def change(layer: Any) -> None:
        own = layer.call

        @functools.wraps(own)
        def call(*args: Any, **kwargs: Any) -> Any:
            kwargs.pop("mask", None)  # there is none
            return function(layer, own, *args, **kwargs)

        object.__setattr__(layer, "call", call)

    return change


def _shifted(layer: Any, own: Any, x: Any) -> Any:
    """Zeros on the far side alone, as TensorFlow pads for a stride of 2: a pixel apart."""
    from keras import ops

    height, width = (1, 2) if layer.data_format == "channels_last" else (2, 3)
    pads = [(0, 0)] * 4
    pads[height] = pads[width] = (0, 1)
    moved = ops.pad(x, pads)
    cut = [slice(None)] * 4
    cut[height] = cut[width] = slice(1, None)
    return own(moved[tuple(cut)])


def _resized(method: str) -> Callable[..., Any]:
    """Keras's own resizing, which has no aligned corners."""

    def resized(layer: Any, own: Any, inputs: Any) -> Any:
        import keras

        del own
        x, reference = inputs
        last = layer.data_format == "channels_last"
        size = reference.shape[1:3] if last else reference.shape[2:4]
        return keras.ops.image.resize(x, size, method, data_format=layer.data_format)

    return resized


def _reference_added(layer: Any, own: Any, inputs: Any) -> Any:
    del layer
    return own(inputs) + inputs[1]


def _through_bfloat16(layer: Any, own: Any, x: Any) -> Any:
    """Inputs rounded to bfloat16's 8 bits, as reduced-precision products do."""
    from keras import ops

    del layer
    return own(ops.cast(ops.cast(x, "bfloat16"), x.dtype))


def _relu_of_six(layer: Any, own: Any, x: Any) -> Any:
    from keras import ops

    del layer
    return ops.minimum(own(x), 6.0)


def _leaky(layer: Any, own: Any, x: Any) -> Any:
    del layer
    return own(x) - 0.01 * own(-x)


def _passed(layer: Any, own: Any, x: Any) -> Any:
    del layer, own
    return x


def _hard_sigmoid(layer: Any, own: Any, x: Any) -> Any:
    from keras import ops

    del layer, own
    return ops.clip(x / 6 + 0.5, 0.0, 1.0)


def _first_alone(layer: Any, own: Any, inputs: Any) -> Any:
    """The second input is lost."""
    del layer
    return own([inputs[0], *(0 * x for x in inputs[1:])])


def _product_for_sum(layer: Any, own: Any, inputs: Any) -> Any:
    del layer, own
    return functools.reduce(lambda a, b: a * b, inputs)


def _gradient_halved(layer: Any, own: Any, inputs: Any) -> Any:
    """Half of the gradient passes to the last input."""
    from keras import ops

    del layer
    *before, last = inputs
    return own([*before, 0.5 * last + ops.stop_gradient(0.5 * last)])


def _doubled_gradient(layer: Any, own: Any, x: Any) -> Any:
    """The same values, and twice the gradient on the way back."""
    from keras import ops

    del layer
    return own(2 * x - ops.stop_gradient(x))


def _constant_statistics(layer: Any, own: Any, x: Any, training: Any = None) -> Any:
    """The batch's mean and variance are taken as constants on the way back."""
    from keras import ops

    if not training:
        return own(x, training=training)
    axes = [axis for axis in range(len(x.shape)) if axis != layer.axis % len(x.shape)]
    fixed = ops.stop_gradient(x)
    y = own(fixed, training=True)
    count = math.prod(x.shape[axis] for axis in axes)
    mean = ops.sum(fixed, axis=axes, keepdims=True) / count
    variance = ops.sum((fixed - mean) ** 2, axis=axes, keepdims=True) / count
    shape = [1] * len(x.shape)
    shape[layer.axis] = -1
    own_scale = ops.reshape(ops.convert_to_tensor(layer.gamma), shape)
    return y + own_scale * (x - fixed) / ops.sqrt(variance + layer.epsilon)


def _always_moving(layer: Any, own: Any, x: Any, training: Any = None) -> Any:
    del layer, training
    return own(x, training=False)


def _unbiased(layer: Any, own: Any, x: Any, training: Any = None) -> Any:
    """The moving variance takes the unbiased one of the batch, as PyTorch's."""
    before = layer.moving_variance * layer.momentum
    y = own(x, training=training)
    if training:
        count = math.prod(x.shape) / x.shape[layer.axis]
        moved = layer.moving_variance - before
        layer.moving_variance.assign(before + moved * (count / (count - 1)))
    return y


def _twice(layer: Any, own: Any, x: Any, training: Any = None) -> Any:
    """The statistics are moved twice a step."""
    del layer
    if training:
        own(x, training=training)
    return own(x, training=training)


def _probabilities(layer: Any, own: Any, x: Any, training: Any = None) -> Any:
    """The classifier's outputs are probabilities, and the loss takes a softmax of them again."""
    from keras import ops

    del layer
    return ops.softmax(own(x, training=training))


def _normalised_over_channels(layer: Any, own: Any, x: Any) -> Any:
    """LayerNorm over channels in the place of a map's own mean and deviation."""
    from keras import ops

    del own
    axis = -1 if layer.data_format == "channels_last" else 1
    channels = x.shape[axis]
    mean = ops.sum(x, axis=axis, keepdims=True) / channels
    variance = ops.sum((x - mean) ** 2, axis=axis, keepdims=True) / channels
    return (x - mean) / ops.sqrt(variance + 1e-3)


def _unsquared(layer: Any, own: Any, x: Any) -> Any:
    del layer, own
    return x


def _sum_for_mean(layer: Any, own: Any, x: Any) -> Any:
    from keras import ops

    del layer, own
    return ops.sum(x)


def _turned_kernel(layer: Any, own: Any, x: Any) -> Any:
    """A convolution in the mathematician's sense: the kernel is turned."""
    op = layer.convolution_op

    def turned(inputs: Any, kernel: Any) -> Any:
        from keras import ops

        return op(inputs, ops.flip(ops.convert_to_tensor(kernel), axis=(0, 1)))

    object.__setattr__(layer, "convolution_op", turned)
    try:
        return own(x)
    finally:
        object.__setattr__(layer, "convolution_op", op)


class Data(Fault):
    """A fault of what a step sees."""

    def __init__(self, function: Callable[[Array, Array], Batch]) -> None:
        super().__init__()
        self._function = function

    def batch(self, images: Array, targets: Array) -> Batch:
        """What the function makes of them."""
        return self._function(images, targets)


class Order(Fault):
    """A run whose batches come in another order."""

    def order(self, step: int) -> int:
        """Each two batches change places."""
        return step ^ 1


class Late(Fault):
    """The learning rate falls one step later."""

    def clock(self, case: Case, step: int, rate: float) -> tuple[int, float]:
        """At the step of the fall, still the rate before it."""
        return step, rate / feed.LOWER if step == case.drop else rate


class Uncounted(Fault):
    """AdamW's steps are counted from one too few."""

    def clock(self, case: Case, step: int, rate: float) -> tuple[int, float]:
        """The step before."""
        del case
        return max(0, step - 1), rate


class Rule(Fault):
    """Another update rule.

    Args:
        function: What is done in the place of `Update.__call__`; the rule is its first argument.
        **changes: Fields of the rule that are others.
    """

    def __init__(self, function: Any = None, **changes: Any) -> None:
        super().__init__()
        self._function, self._changes = function, changes

    def update(self, update: Update) -> Update:
        """Give the other rule."""
        found = dataclasses.replace(update, **self._changes)
        if self._function is None:
            return found

        return Other(found.rule, found.momentum, found.weight_decay, found, self._function)


@dataclasses.dataclass(frozen=True)
class Other(Update):
    """An update rule at fault.

    Attributes:
        inner: The rule as it should be.
        function: What is done in its place; takes it first.
    """

    inner: Update
    function: Callable[..., Updated]

    def __call__(
        self,
        weight: Tensor,
        gradient: Tensor,
        slots: Tensors,
        scalars: Tensors,
        arithmetic: Arithmetic,
    ) -> Updated:
        """Do what the function does."""
        return self.function(self.inner, weight, gradient, slots, scalars, arithmetic)


def _decoupled(
    update: Update,
    w: Tensor,
    g: Tensor,
    slots: Tensors,
    scalars: Tensors,
    arithmetic: Arithmetic,
) -> Updated:
    """Decay apart from the gradient, as Keras's `SGD(weight_decay=)`."""
    plain = dataclasses.replace(update, weight_decay=0.0)
    moved, kept = plain(w, g, slots, scalars, arithmetic)
    return moved - scalars[0] * update.weight_decay * w, kept


def _rate_outside(
    update: Update,
    w: Tensor,
    g: Tensor,
    slots: Tensors,
    scalars: Tensors,
    arithmetic: Arithmetic,
) -> Updated:
    """The learning rate is not in the velocity, as in PyTorch's SGD."""
    del arithmetic
    velocity = update.momentum * slots[0] + g + update.weight_decay * w
    return w - scalars[0] * (g + update.weight_decay * w + update.momentum * velocity), (velocity,)


def _clipped(
    update: Update,
    w: Tensor,
    g: Tensor,
    slots: Tensors,
    scalars: Tensors,
    arithmetic: Arithmetic,
) -> Updated:
    """Each gradient is cut to a norm of a tenth."""
    from keras import ops

    norm = arithmetic.sqrt(ops.sum(g * g))
    return update(w, g * (0.1 / (norm + 0.1)), slots, scalars, arithmetic)


def _forgetting(
    update: Update,
    w: Tensor,
    g: Tensor,
    slots: Tensors,
    scalars: Tensors,
    arithmetic: Arithmetic,
) -> Updated:
    """What was kept is lost at every step."""
    return update(w, g, tuple(0 * slot for slot in slots), scalars, arithmetic)


def _bare_of_scales(
    update: Update,
    w: Tensor,
    g: Tensor,
    slots: Tensors,
    scalars: Tensors,
    arithmetic: Arithmetic,
) -> Updated:
    """No decay of BN's scales and shifts, nor of biases."""
    decay = update.weight_decay if len(w.shape) > 1 else 0.0
    return dataclasses.replace(update, weight_decay=decay)(w, g, slots, scalars, arithmetic)


def _smoothed(images: Array, targets: Array) -> Batch:
    return images, (0.9 * targets + 0.1 / targets.shape[1]).astype(np.float32)


def _summed(images: Array, targets: Array) -> Batch:
    return images, targets * np.float32(len(targets))


def _other_colours(images: Array, targets: Array) -> Batch:
    return np.ascontiguousarray(images[..., ::-1]), targets


def _labels_of_neighbours(images: Array, targets: Array) -> Batch:
    return images, np.roll(targets, 1, axis=0)


def _last_repeated(images: Array, targets: Array) -> Batch:
    images, targets = images.copy(), targets.copy()
    images[-1], targets[-1] = images[-2], targets[-2]
    return images, targets


def _any(layer: Any) -> bool:
    del layer
    return True


def _is_strided(layer: Any) -> bool:
    return bool(layer.strides[0] == 2 and layer.kernel_size[0] > 1)


def _is_spread(layer: Any) -> bool:
    return bool(layer.kernel_size[0] > 1 and layer.strides[0] == 1 and layer.groups == 1)


def _is_max(layer: Any) -> bool:
    return bool(layer.pool == "MAX")


def _grows(layer: Any) -> bool:
    one, other = layer.input
    return tuple(one.shape) != tuple(other.shape)


def _is_a_map(layer: Any) -> bool:
    return len(layer.input.shape) == 4


def _is_small(layer: Any) -> bool:
    """Whether a map is of so few values that its unbiased variance can be told from the biased."""
    return bool(math.prod(layer.input.shape[1:3]) <= 16)


def _same_channels(layer: Any) -> bool:
    one, other = layer.input
    axis = -1 if layer.data_format == "channels_last" else 1
    return bool(one.shape[axis] == other.shape[axis] and _grows(layer))


def _sums(layer: Any) -> bool:
    return bool(layer.operation == "SUM" and not layer.coeff)


def _padding_pool(layer: Any) -> None:
    """A pad of 1 where there was none, with as many windows as before."""
    own = layer._output_map
    object.__setattr__(layer, "_pads", lambda size: tuple(_moved(layer, own, size)))


def _moved(layer: Any, own: Any, size: Any) -> Any:
    for out, stride, kernel, length in zip(
        own(size), layer.strides, layer.kernel_size, size, strict=True
    ):
        yield 1, max(0, (out - 1) * stride + kernel - length - 1)


def _averaged(layer: Any, own: Any, x: Any) -> Any:
    """The average of each window, what is past the map left out."""
    from ranparity.kernels import kernel

    del own
    size = layer._map(x.shape)
    window = {
        "kernel": layer.kernel_size,
        "stride": layer.strides,
        "pads": layer._pads(size),
        "data_format": layer.data_format,
    }
    return kernel("sum_pool")(x, **window) / math.prod(layer.kernel_size)


def _classifier(function: Callable[..., Any]) -> Callable[[], Fault]:
    """The last dense layer of a net with an activation of its own."""
    return lambda: Last("InnerProduct", _calling(function), _any)


class Last(InLayer):
    """A fault of the last layer of a type."""

    def alter(self, model: Any) -> None:
        """Change the last layer, of the model that trains: the other has its own softmax."""
        if type(model.layers[-1]).__name__ != self._type:
            return
        layer = model.layers[-1]
        self._change(layer)
        self.altered = [layer.caffe_name]


class Barely(Fault):
    """The learning rate is not quite what it should be."""

    def clock(self, case: Case, step: int, rate: float) -> tuple[int, float]:
        """Within half a unit in the last place of float32."""
        del case
        return step, rate * (1 + 1e-8)


def _layer(
    type_: str, change: Callable[[Any], None], fits: Callable[[Any], bool] = _any
) -> Callable[[], Fault]:
    return lambda: InLayer(type_, change, fits)


PLANTED: dict[str, Planted] = {
    "conv-far-pad": Planted(
        "a convolution of stride 2 pads one side, as padding='same' does",
        _layer("Convolution", _calling(_shifted), _is_strided),
        (RESNET, IMAGENET),
        source="Keras and TensorFlow's default",
    ),
    "conv-turned": Planted(
        "a convolution's kernel is turned",
        _layer("Convolution", _calling(_turned_kernel), _is_spread),
        (RESNET,),
    ),
    "conv-reduced": Planted(
        "a convolution's inputs are rounded to bfloat16",
        _layer("Convolution", _calling(_through_bfloat16)),
        (RESNET,),
        source="reduced-precision products on GPUs",
    ),
    "pool-pad": Planted(
        "a max pool has a pad of 1",
        _layer("CaffePool", _padding_pool, _is_max),
        (PREACTIVATION,),
        source="tengshaofeng",
    ),
    "pool-average": Planted(
        "a pool averages",
        _layer("CaffePool", _calling(_averaged), _is_max),
        (IMAGENET,),
    ),
    "interp-half-pixel": Planted(
        "a mask is resized without aligned corners",
        _layer("Interp", _calling(_resized("bilinear")), _grows),
        (PREACTIVATION,),
        source="Keras's `image.resize`",
    ),
    "interp-nearest": Planted(
        "a mask is resized by nearest neighbours",
        _layer("Interp", _calling(_resized("nearest")), _grows),
        (CHANNEL,),
        source="qubvel",
    ),
    "interp-reference-added": Planted(
        "Interp's size reference is added to what it gives",
        _layer("Interp", _calling(_reference_added), _same_channels),
        (PREACTIVATION,),
        source="tengshaofeng",
    ),
    "bn-eps": Planted(
        "a BN's eps is 1e-3",
        _layer("BN", _set(epsilon=1e-3)),
        (RESNET,),
        source="Keras's default",
    ),
    "bn-momentum": Planted(
        "a BN's momentum is .99",
        _layer("BN", _set(momentum=0.99)),
        (RESNET,),
        source="Keras's default",
    ),
    "bn-unbiased": Planted(
        "a BN of a small map keeps the unbiased variance",
        _layer("BN", _calling(_unbiased), _is_small),
        (RESNET,),
        source="PyTorch's BatchNorm",
    ),
    "bn-frozen": Planted(
        "a BN takes its moving statistics in training",
        _layer("BN", _calling(_always_moving)),
        (RESNET,),
        source="`trainable = False`",
    ),
    "bn-twice": Planted(
        "a BN moves its statistics twice a step",
        _layer("BN", _calling(_twice)),
        (RESNET,),
        source="recomputation",
    ),
    "bn-constant-statistics": Planted(
        "a BN takes the batch's statistics as constants on the way back",
        _layer("BN", _calling(_constant_statistics)),
        (RESNET,),
    ),
    "relu-dropped": Planted(
        "a ReLU is left out",
        _layer("ReLU", _calling(_passed), _is_a_map),
        (RESNET,),
    ),
    "relu-leaky": Planted(
        "a ReLU lets a hundredth of negative values pass",
        _layer("ReLU", _calling(_leaky), _is_a_map),
        (RESNET,),
    ),
    "relu-six": Planted(
        "a ReLU ends at 6",
        _layer("ReLU", _calling(_relu_of_six), _is_a_map),
        (RESNET,),
        source="mobile nets",
    ),
    "sigmoid-hard": Planted(
        "a mask's sigmoid is the hard one",
        _layer("Sigmoid", _calling(_hard_sigmoid)),
        (E4040,),
        source="Keras's hard_sigmoid",
    ),
    "eltwise-branch-lost": Planted(
        "a sum loses its second input",
        _layer("Eltwise", _calling(_first_alone), _sums),
        (RESNET,),
        source="E4040: a module is disconnected",
    ),
    "eltwise-product": Planted(
        "a sum is a product",
        _layer("Eltwise", _calling(_product_for_sum), _sums),
        (RESNET,),
    ),
    "eltwise-gradient-halved": Planted(
        "half the gradient passes to a sum's last input",
        _layer("Eltwise", _calling(_gradient_halved), _sums),
        (RESNET,),
    ),
    "gradient-doubled": Planted(
        "a convolution's input gets twice its gradient",
        _layer("Convolution", _calling(_doubled_gradient)),
        (RESNET,),
    ),
    "softmax-twice": Planted(
        "the loss takes a softmax of probabilities",
        _classifier(_probabilities),
        (RESNET,),
        source="E4040: from_logits=True",
    ),
    "spatial-over-channels": Planted(
        "the spatial mask is normalised over channels",
        _layer("MVN", _calling(_normalised_over_channels)),
        (SPATIAL,),
        source="E4040",
    ),
    "channel-eps": Planted(
        "the channel mask's eps is .1",
        _layer("Normalize", _set(eps=1e-1)),
        (CHANNEL,),
    ),
    "dranet-unsquared": Planted(
        "the weights of the attractors are not squared",
        _layer("Power", _calling(_unsquared)),
        (DRANET,),
        source="the text, against the code",
    ),
    "dranet-distance-summed": Planted(
        "the regulariser sums distances",
        _layer("Reduction", _calling(_sum_for_mean)),
        (DRANET,),
    ),
    "decay-decoupled": Planted(
        "the decay is apart from the gradient",
        lambda: Rule(_decoupled),
        (RESNET,),
        one_layer=False,
        source="Keras's SGD(weight_decay=)",
    ),
    "decay-not-of-scales": Planted(
        "scales and shifts are not decayed",
        lambda: Rule(_bare_of_scales),
        (RESNET,),
        one_layer=False,
        source="a habit",
    ),
    "decay-half": Planted(
        "the decay is half as large",
        lambda: Rule(weight_decay=5e-5),
        (RESNET,),
        one_layer=False,
        source="an L2 penalty of half the square",
    ),
    "nesterov-off": Planted(
        "the momentum is plain",
        lambda: Rule(rule="caffe-sgd"),
        (RESNET,),
        one_layer=False,
    ),
    "rate-outside": Planted(
        "the learning rate is outside of the velocity",
        lambda: Rule(_rate_outside),
        (RESNET,),
        one_layer=False,
        source="PyTorch's SGD",
    ),
    "velocity-lost": Planted(
        "what was kept is lost at every step",
        lambda: Rule(_forgetting),
        (RESNET,),
        one_layer=False,
    ),
    "gradients-clipped": Planted(
        "gradients are cut to a norm",
        lambda: Rule(_clipped),
        (RESNET,),
        one_layer=False,
    ),
    "adamw-keras": Planted(
        "AdamW's epsilon is Keras's",
        lambda: Rule(rule="adamw-keras"),
        (DRANET,),
        one_layer=False,
        source="Keras's AdamW",
    ),
    "adamw-uncounted": Planted(
        "AdamW counts from one too few",
        Uncounted,
        (DRANET,),
        one_layer=False,
    ),
    "rate-late": Planted(
        "the learning rate falls one step late",
        Late,
        (RESNET,),
        one_layer=False,
    ),
    "batches-swapped": Planted(
        "each two batches change places",
        Order,
        (RESNET, DIVERSITY),
        one_layer=False,
    ),
    "labels-of-neighbours": Planted(
        "each image has its neighbour's label",
        lambda: Data(_labels_of_neighbours),
        (RESNET, RESNEXT, LOCAL),
        one_layer=False,
    ),
    "last-image-repeated": Planted(
        "a batch's last image is the one before it",
        lambda: Data(_last_repeated),
        (RESNET, NAIVE),
        one_layer=False,
        source="a loader that fills up",
    ),
    "colours-swapped": Planted(
        "images are BGR",
        lambda: Data(_other_colours),
        (RESNET, DEEP, TENGSHAOFENG),
        one_layer=False,
        source="OpenCV's readers",
    ),
    "labels-smoothed": Planted(
        "labels are smoothed by .1",
        lambda: Data(_smoothed),
        (RESNET, NO_SKIP),
        one_layer=False,
    ),
    "loss-summed": Planted(
        "the loss is a sum over the batch",
        lambda: Data(_summed),
        (RESNET,),
        one_layer=False,
        source="reduction='sum'",
    ),
    "bn-eps-barely": Planted(
        "a BN's eps is a millionth larger",
        _layer("BN", _set(epsilon=1.000001e-5)),
        (RESNET,),
        below=True,
    ),
    "rate-barely": Planted(
        "the learning rate is 1 part in 10^8 larger",
        Barely,
        (RESNET,),
        one_layer=False,
        below=True,
    ),
}


def named(name: str) -> Fault:
    """Give the fault of a name; the empty one's is none.

    Raises:
        InputError: There is no such fault.
    """
    if name and name not in PLANTED:
        raise InputError(f"fault: expected one of {', '.join(PLANTED)}. Received: {name!r}")
    return PLANTED[name].make() if name else Fault()
