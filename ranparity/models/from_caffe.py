"""Any net of Caffe's as a Keras model, whose layers know their names in Caffe."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from ranparity.caffe import graph as graphs
from ranparity.caffe import prototxt
from ranparity.caffe.description import unread
from ranparity.caffe.graph import Graph, Node
from ranparity.caffe.prototxt import Net, Shape
from ranparity.caffe.rules.base import sides
from ranparity.caffe.rules.elements import SEGNET
from ranparity.caffe.shapes import Facts, Pair, infer
from ranparity.errors import InputError
from ranparity.models import layers
from ranparity.models.building import functional
from ranparity.models.describe import caffe_layers, tops

PASSED = ("Silence",)  # types without a top
Arguments = dict[str, Any]


def caffe_to_keras(
    net: Net | str | Path,
    *,
    data_format: str | None = None,
    inputs: Mapping[str, Sequence[int]] | None = None,
    dropout: bool = True,
) -> keras.Model:
    """Build a functional Keras model of a net, on any backend.

    Layers go by their names in Caffe, made such that Keras takes them; `named` gives the map, which
    is saved with the model. Blobs of four axes are maps, NHWC or NCHW by `data_format`; all others
    have Caffe's axes. The first axis of an input is the batch's, and free.

    Args:
        net: A parsed net, or the path of a prototxt.
        data_format: `channels_last` or `channels_first`; by default Keras's own setting.
        inputs: Shapes (N, C, H, W) of inputs by name, in place of the file's, or of layers that
            read data; for a path only.
        dropout: Whether a Dropout draws elements in training; the identity otherwise.

    Returns:
        A model from the net's inputs, in their order, to the blobs that no layer reads.

    Raises:
        InputError: A file that is no net, or a layer that cannot be built; names it.
    """
    if not isinstance(net, Net):
        net = prototxt.read(Path(net), shapes={k: tuple(v) for k, v in (inputs or {}).items()})
    elif inputs:
        raise InputError("inputs: expected with a path; a parsed net has its shapes")
    return _Assembly(graphs.build(net), data_format, dropout=dropout).model()


def named(model: keras.Model) -> dict[str, dict[str, Any]]:
    """Give the Caffe names of a model's layers, in Caffe's order, and of what they make.

    Returns:
        By the layer's name in Keras, which no two share: `name`, which two may share, and `blobs`,
        which no two layers make.
    """
    return {
        layer.name: {
            "name": layer.caffe_name,
            "blobs": list(tops(layer, len(keras.tree.flatten(layer.output)))),
        }
        for layer in caffe_layers(model)
    }


@dataclasses.dataclass(frozen=True)
class _Given:
    """A layer to be made.

    Attributes:
        node: It.
        facts: What its description determines.
        bottoms: The shapes of what it reads, in Caffe.
        data_format: The model's.
        free: Whether the first axis of what it reads first is a batch of any size.
    """

    node: Node
    facts: Facts
    bottoms: tuple[Shape, ...]
    data_format: str
    free: bool

    def number(self, name: str) -> float:
        """An attribute that is a number."""
        return float(self.facts.attributes[name])

    def pair(self, name: str) -> Pair:
        """An attribute that is a height and a width."""
        height, width = sides(self.facts.attributes[name])
        return height, width


class _Assembly:
    """Makes the layers of a graph, one after the other."""

    def __init__(self, graph: Graph, data_format: str | None, *, dropout: bool) -> None:
        self._graph, self._dropout = graph, dropout
        self._format = data_format or keras.config.image_data_format()
        self._used: Counter[str] = Counter()
        self._tensors: dict[str, Any] = {}
        self._shared: dict[str, Any] = {}
        self._losses: list[tuple[str, float]] = []
        self._filled: set[str] = set()

    def model(self) -> keras.Model:
        """Give the model."""
        shapes = {given.name: given.shape for given in self._graph.inputs}
        for given in self._graph.inputs:
            shape = self._laid_out(given.shape, f'input "{given.name}"')
            name = self._unused(_keras_name(given.name))
            self._tensors[given.name] = keras.Input(shape, name=name)
        inputs = list(self._tensors.values())
        if not inputs:
            raise InputError(f"{self._graph.source}: expected an input, found none")
        for order, (node, facts) in enumerate(infer(self._graph)):
            bottoms = tuple(shapes[name] for name in node.inputs)
            shapes.update(zip(node.outputs, facts.tops, strict=True))
            if node.type not in PASSED:
                read = [self._tensors[name] for name in node.inputs]
                free = bool(read) and tuple(read[0].shape[:1]) == (None,)
                asked = _Given(node, facts, bottoms, self._format, free)
                self._add(asked, read, order, inputs[0])
        first, *others = (self._tensors[name] for name in self._ends())
        for name, weight in self._losses:
            joined = layers.WithLoss(weight, name=self._unused("with_loss"))
            first = joined([first, self._tensors[name]])
        outputs = [first, *others] if others else first
        ways = inputs if len(inputs) > 1 else inputs[0]
        return functional(ways, outputs, _keras_name(self._graph.name or "net"))

    def _laid_out(self, shape: Shape, what: str) -> tuple[int, ...]:
        """A shape without its batch, in the model's order of axes."""
        if not shape:
            raise InputError(f"{self._graph.source}: {what}: expected an axis for the batch")
        if len(shape) == 4 and self._format == "channels_last":
            return (*shape[2:], shape[1])
        return shape[1:]

    def _ends(self) -> list[str]:
        losses = {name for name, _ in self._losses}
        heard = [node for node in self._graph.nodes if node.type not in PASSED]
        graph = dataclasses.replace(self._graph, nodes=tuple(heard))
        ends = [name for name in unread(graph) if name not in losses]
        if not ends:
            where = self._graph.source
            raise InputError(f"{where}: expected a blob that no layer reads, found none")
        return ends

    def _add(self, given: _Given, bottoms: list[Any], order: int, beside: Any) -> None:
        """Make a layer and call it."""
        node, facts = given.node, given.facts
        where = f'{self._graph.source}: layer "{node.name}" ({node.type})'
        if facts.parameters or facts.statistics:
            if node.name in self._filled:
                raise InputError(
                    f"{where}: expected a name of its own, because numbers go by it; another layer "
                    "with numbers has it too"
                )
            self._filled.add(node.name)
        common = {
            "caffe_name": node.name,
            "caffe_order": order,
            "caffe_tops": node.outputs,
            "name": self._unused(_keras_name(node.name)),
        }
        try:
            if facts.shared:
                made = self._sharing(given, bottoms, beside, common, where)
            else:
                layer = _made(given, common, where, dropout=self._dropout)
                made = layer(bottoms[0] if len(bottoms) == 1 else bottoms)
        except ValueError as error:
            raise InputError(f"{where}: {str(error).splitlines()[0]}") from None
        found = keras.tree.flatten(made)
        self._tensors.update(zip(node.outputs, found, strict=True))
        weights = str(facts.attributes.get("loss_weight", "")).split()
        self._losses += [
            (name, float(weight))
            for name, weight in zip(node.outputs, weights, strict=False)
            if float(weight)
        ]

    def _sharing(
        self, given: _Given, bottoms: list[Any], beside: Any, common: Arguments, where: str
    ) -> Any:
        """Make a layer that shares its parameter: a Parameter, or a product with one."""
        facts = given.facts
        ((parameter, name),) = list(facts.shared.items())[:1]
        if given.node.type == "Parameter" and name not in self._shared:
            made = layers.Parameter(facts.parameters[parameter], **common)(beside)
            self._shared[name] = made
            return made
        plain = facts.attributes.get("transpose") and not facts.attributes.get("bias_term")
        if given.node.type == "InnerProduct" and plain and name in self._shared:
            return layers.SharedInnerProduct(**common)([bottoms[0], self._shared[name]])
        raise InputError(
            f'{where}: expected parameters of its own; found "{name}", which layers share: only a '
            "Parameter and products with it (transposed, without bias) can be built so"
        )

    def _unused(self, name: str) -> str:
        """A name that Keras has not been given yet."""
        self._used[name] += 1
        if self._used[name] == 1:
            return name
        return self._unused(f"{name}_{self._used[name]}")


def _keras_name(name: str) -> str:
    """A name as every backend of Keras takes it."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", name) or "unnamed"


def _made(given: _Given, common: Arguments, where: str, *, dropout: bool) -> Any:
    """The layer for a node: one of its own where there is one that can do it, or an `Operation`."""
    node, facts = given.node, given.facts
    if node.type == "Dropout" and dropout:
        return layers.Dropout(given.number("dropout_ratio"), **common)
    make = OWN.get(node.type)
    made = make(given, common) if make else None
    if made is not None:
        return made
    if node.type not in layers.OPERATIONS:
        known = ", ".join(sorted({*layers.OPERATIONS, *OWN}))
        raise InputError(f"{where}: has no counterpart in Keras here; expected one of {known}")
    layer = layers.Operation(
        node.type,
        facts.attributes,
        facts.tops,
        facts.parameters,
        facts.statistics,
        given.data_format,
        **common,
    )
    if node.type == "BatchNorm" and node.message.batch_norm_param.use_global_stats:
        layer.trainable = False
    return layer


def _convolution(given: _Given, common: Arguments) -> Any:
    attributes = given.facts.attributes
    if max(given.pair("stride")) > 1 and max(given.pair("dilation")) > 1:
        return None  # which Keras refuses
    return layers.Convolution(
        filters=int(attributes["num_output"]),
        kernel_size=given.pair("kernel"),
        strides=given.pair("stride"),
        pad=given.pair("pad"),
        dilation_rate=given.pair("dilation"),
        groups=int(attributes["group"]),
        use_bias=bool(attributes["bias_term"]),
        kernel_initializer=layers.MSRA(),
        data_format=given.data_format,
        **common,
    )


def _bn(given: _Given, common: Arguments) -> Any:
    if given.facts.attributes.get("dialect") == SEGNET:
        return None
    last = len(given.bottoms[0]) == 4 and given.data_format == "channels_last"
    momentum, eps = given.number("momentum"), given.number("eps")
    return layers.BN(momentum, eps, axis=-1 if last else 1, **common)


def _pooling(given: _Given, common: Arguments) -> Any:
    attributes = given.facts.attributes
    if len(given.facts.tops) > 1:
        return None
    return layers.CaffePool(
        str(attributes["pool"]),
        given.pair("kernel"),
        given.pair("stride"),
        given.pair("pad"),
        str(attributes["round_mode"]),
        given.data_format,
        **common,
    )


def _relu(given: _Given, common: Arguments) -> Any:
    return layers.ReLU(given.number("negative_slope"), **common)


def _eltwise(given: _Given, common: Arguments) -> Any:
    operation = str(given.facts.attributes["operation"])
    if operation == "MAX":
        return None
    factors = tuple(map(float, str(given.facts.attributes.get("coeff", "")).split()))
    return layers.Eltwise(operation, factors if set(factors) != {1.0} else (), **common)


def _inner_product(given: _Given, common: Arguments) -> Any:
    attributes = given.facts.attributes
    if attributes["transpose"] or attributes["axis"] != 1:
        return None
    return layers.InnerProduct(
        int(attributes["num_output"]),
        given.data_format,
        use_bias=bool(attributes["bias_term"]),
        kernel_initializer=layers.MSRA(),
        **common,
    )


def _interp(given: _Given, common: Arguments) -> Any:
    if len(given.bottoms) < 2 or given.facts.attributes["crop"] != "0 0":
        return None
    return layers.Interp(given.data_format, **common)


def _softmax(given: _Given, common: Arguments) -> Any:
    is_row = len(given.bottoms[0]) == 2 and given.facts.attributes["axis"] == 1
    return layers.Softmax(**common) if is_row else None


def _flatten(given: _Given, common: Arguments) -> Any:
    last = len(given.bottoms[0]) - 1
    whole = given.facts.attributes["axis"] == 1 and given.facts.attributes["end_axis"] == last
    return layers.Flatten(given.data_format, **common) if whole and last == 3 else None


def _mvn(given: _Given, common: Arguments) -> Any:
    attributes = given.facts.attributes
    if attributes["across_channels"] or not attributes["normalize_variance"]:
        return None
    return layers.MVN(given.number("eps"), data_format=given.data_format, **common)


def _normalize(given: _Given, common: Arguments) -> Any:
    attributes = given.facts.attributes
    if attributes["across_spatial"] or not attributes["channel_shared"] or given.facts.parameters:
        return None
    return layers.Normalize(given.number("eps"), data_format=given.data_format, **common)


def _power(given: _Given, common: Arguments) -> Any:
    if (given.number("scale"), given.number("shift")) != (1.0, 0.0):
        return None
    return layers.Power(given.number("power"), **common)


def _slice(given: _Given, common: Arguments) -> Any:
    axis = int(given.facts.attributes["axis"])
    single = all(top[axis] == 1 for top in given.facts.tops)
    if len(given.bottoms[0]) == 4 or not single or (given.free and axis == 0):
        return None
    return layers.Slice(axis, **common)


def _concat(given: _Given, common: Arguments) -> Any:
    if len(given.bottoms[0]) == 4:
        return None
    return layers.Concat(int(given.facts.attributes["axis"]), **common)


def _reduction(given: _Given, common: Arguments) -> Any:
    kind, axis = str(given.facts.attributes["operation"]), int(given.facts.attributes["axis"])
    other = given.number("coeff") != 1 or kind == "ASUM" or len(given.bottoms[0]) == 4
    if other or (given.free and axis == 0):
        return None
    return layers.Reduction(kind, axis, **common)


def _sigmoid(given: _Given, common: Arguments) -> Any:
    del given
    return layers.Sigmoid(**common)


OWN: Mapping[str, Callable[[_Given, Arguments], Any]] = {
    "BN": _bn,
    "Concat": _concat,
    "Convolution": _convolution,
    "ConvolutionDepthwise": _convolution,
    "DepthwiseConvolution": _convolution,
    "Eltwise": _eltwise,
    "Flatten": _flatten,
    "InnerProduct": _inner_product,
    "Interp": _interp,
    "MVN": _mvn,
    "Normalize": _normalize,
    "Pooling": _pooling,
    "Power": _power,
    "ReLU": _relu,
    "Reduction": _reduction,
    "Sigmoid": _sigmoid,
    "Slice": _slice,
    "Softmax": _softmax,
}
"""Of a type that has a Keras layer of its own what makes it, or None where that cannot do it."""
