"""Shows that level 0 can fail: alters a prototxt one attribute at a time. Imports no Keras.

Every layer of a net is altered in every attribute that its type has, dropped, and rewired; the
altered net goes through the very comparison that a check uses. An alteration is found when the
first difference reported is at the altered layer.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ranparity.caffe import caffe_pb2, prototxt
from ranparity.caffe import graph as graphs
from ranparity.caffe.description import Description, describe
from ranparity.caffe.prototxt import LayerParameter, Net
from ranparity.caffe.shapes import by
from ranparity.models import zoo
from ranparity.parity.structure import compare
from ranparity.workers import stream

Alter = Callable[[LayerParameter], None]


@dataclasses.dataclass(frozen=True)
class Alteration:
    """One change to one layer.

    Attributes:
        layer: The layer's place in the net.
        what: The attribute that is changed.
        net: The altered net.
    """

    layer: int
    what: str
    net: Net


@dataclasses.dataclass
class Proof:
    """How many alterations of a net were tried and found, by attribute, and which were missed."""

    model: str
    title: str
    counts: dict[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
    missed: list[str] = dataclasses.field(default_factory=list)

    @property
    def tried(self) -> int:
        """All alterations."""
        return sum(tried for tried, _ in self.counts.values())

    @property
    def found(self) -> int:
        """Alterations whose first reported difference is at their layer."""
        return sum(found for _, found in self.counts.values())

    def add(self, what: str, layer: str, *, found: bool) -> None:
        """Counts one alteration."""
        tried, before = self.counts.get(what, (0, 0))
        self.counts[what] = (tried + 1, before + found)
        if not found:
            self.missed.append(f"{layer}: {what}")

    def to_json(self) -> dict[str, Any]:
        """The proof as data that JSON can hold."""
        return dataclasses.asdict(self) | {"tried": self.tried, "found": self.found}


def prove(entries: Sequence[zoo.Entry], backend: str) -> Iterator[Proof]:
    """Alters each net in every way and counts what a check of its Keras model reports."""
    arguments = [f"{entry.name}:{by(entry.input_shape[:2])}" for entry in entries]
    described = stream(backend, "ranparity.parity.evidence", arguments)
    for entry, data in zip(entries, described, strict=True):
        net = prototxt.read(entry.prototxt)
        yield prove_net(entry, Description.from_json(data), net)


def prove_live(entries: Sequence[zoo.Entry], backend: str) -> Iterator[Proof]:
    """Alters each live Keras model once for every kind of attribute; as `prove` otherwise."""
    described = stream(backend, "ranparity.parity.live", [entry.name for entry in entries])
    by_model = itertools.groupby(described, key=lambda data: data["model"])
    for entry, (_, altered) in zip(entries, by_model, strict=True):
        graph = graphs.build(prototxt.read(entry.prototxt))
        proof = Proof(entry.name, entry.title)
        for data in altered:
            rows = compare(Description.from_json(data["description"]), graph).differences
            layer = data["layer"]
            proof.add(data["what"], layer, found=bool(rows) and rows[0].layer == layer)
        yield proof


def prove_net(entry: zoo.Entry, keras: Description, net: Net) -> Proof:
    """Tries all alterations of one net against its Keras model's description."""
    proof = Proof(entry.name, entry.title)
    for alteration in alterations(net):
        layer = net.layers[alteration.layer].name
        rows = compare(keras, graphs.build(alteration.net)).differences
        proof.add(alteration.what, layer, found=bool(rows) and rows[0].layer == layer)
    return proof


def alterations(net: Net) -> Iterator[Alteration]:
    """Yields every layer of a net with each of its attributes altered, one at a time."""
    blobs = _blobs(net)
    for place, layer in enumerate(net.layers):
        for what, alter in _alters(layer).items():
            copy = _copy(layer)
            alter(copy)
            yield Alteration(place, what, _replaced(net, place, copy))
        if len(layer.bottom) > 1:
            copy = _copy(layer)
            copy.bottom[:] = reversed(layer.bottom)
            yield Alteration(place, "order of inputs", _replaced(net, place, copy))
        other = _other_blob(layer, blobs[place])
        if other is not None:
            yield Alteration(place, _rewired(layer), _with_last_bottom(net, place, other))
        if len(layer.bottom) != 1 or len(layer.top) != 1:
            continue  # what reads a sum, a product or an Interp has no one blob to read instead
        yield Alteration(place, "dropped", _without(net, place))


def _alters(layer: LayerParameter) -> dict[str, Alter]:
    """The ways to alter a layer: those of its type, and of what else it says."""
    common = {what: alter for what, (says, alter) in COMMON.items() if says(layer)}
    return ALTERS.get(layer.type, {}) | common


def _rewired(layer: LayerParameter) -> str:
    return "size reference" if layer.type == "Interp" else "input"


def _blobs(net: Net) -> list[dict[str, tuple[int, ...]]]:
    """For each layer, the shapes of the blobs that exist before it."""
    shapes = {given.name: given.shape for given in net.inputs}
    result = []
    for layer, found in zip(net.layers, describe(graphs.build(net)).layers, strict=True):
        result.append(dict(shapes))
        shapes.update(zip(layer.top, found.facts.tops, strict=True))
    return result


def _other_blob(layer: LayerParameter, shapes: dict[str, tuple[int, ...]]) -> str | None:
    """The latest other blob of the last bottom's shape: what shapes cannot tell from it."""
    if not layer.bottom or list(layer.bottom) == list(layer.top):
        return None  # in place: another bottom would be another blob made twice
    last = layer.bottom[-1]
    alike = [
        name for name, shape in shapes.items() if shape == shapes[last] and name not in layer.bottom
    ]
    return alike[-1] if alike else None


def _with_last_bottom(net: Net, place: int, blob: str) -> Net:
    copy = _copy(net.layers[place])
    copy.bottom[-1] = blob
    return _replaced(net, place, copy)


def _without(net: Net, place: int) -> Net:
    """The net without a layer; what reads its top reads its bottom instead."""
    dropped = net.layers[place]
    top, bottom = dropped.top[0], dropped.bottom[0]
    layers = list(net.layers[:place])
    for layer in net.layers[place + 1 :]:
        copy = layer
        if top != bottom and top in (*layer.bottom, *layer.top):
            copy = _copy(layer)
            copy.bottom[:] = [bottom if name == top else name for name in layer.bottom]
            copy.top[:] = [bottom if name == top else name for name in layer.top]
        layers.append(copy)
    return net.replace(layers=tuple(layers))


def _copy(layer: LayerParameter) -> LayerParameter:
    copy = LayerParameter()
    copy.CopyFrom(layer)
    return copy


def _replaced(net: Net, place: int, layer: LayerParameter) -> Net:
    return net.replace(layers=(*net.layers[:place], layer, *net.layers[place + 1 :]))


def _repeated(param: str, field: str, change: Callable[[int], int], default: int) -> Alter:
    """Alters a convolution's window field, which is repeated."""

    def alter(layer: LayerParameter) -> None:
        values = getattr(getattr(layer, param), field)
        values[:] = [change(values[0] if values else default)]

    return alter


def _single(param: str, field: str, change: Callable[[Any], Any]) -> Alter:
    """Alters a field that is given once."""

    def alter(layer: LayerParameter) -> None:
        message = getattr(layer, param)
        setattr(message, field, change(getattr(message, field)))

    return alter


def _coefficients(layer: LayerParameter) -> None:
    layer.eltwise_param.coeff[:] = [1.0, 0.5]


def _trained(layer: LayerParameter) -> None:
    layer.param[0].lr_mult = 1


def _another_shape(layer: LayerParameter) -> None:
    layer.parameter_param.shape.dim[0] += 1


def _other_loss_weight(layer: LayerParameter) -> None:
    layer.loss_weight[0] *= -1


def _other_name(layer: LayerParameter) -> None:
    layer.param[0].name += "_2"


def _type(type_: str) -> Alter:
    def alter(layer: LayerParameter) -> None:
        layer.type = type_

    return alter


def _negated(value: bool) -> bool:
    return not value


def _more(by_: int) -> Callable[[int], int]:
    return lambda value: value + by_


_POOL, _OPERATION = caffe_pb2.PoolingParameter, caffe_pb2.EltwiseParameter

ALTERS: dict[str, dict[str, Alter]] = {
    "Convolution": {
        "num_output": _single("convolution_param", "num_output", lambda value: 2 * value),
        "kernel": _repeated("convolution_param", "kernel_size", _more(2), 1),
        "stride": _repeated("convolution_param", "stride", lambda value: 3 - value, 1),
        "pad": _repeated("convolution_param", "pad", _more(1), 0),
        "dilation": _repeated("convolution_param", "dilation", _more(1), 1),
        "group": _single("convolution_param", "group", lambda value: value // 2 or 1 + value),
        "bias_term": _single("convolution_param", "bias_term", _negated),
    },
    "Pooling": {
        "pool": _single("pooling_param", "pool", lambda value: _POOL.AVE - value),
        "kernel": _single("pooling_param", "kernel_size", lambda value: value - 1),
        "stride": _single("pooling_param", "stride", lambda value: 3 - value),
        "pad": _single("pooling_param", "pad", _more(1)),
        "round_mode": _single("pooling_param", "round_mode", lambda value: 1 - value),
    },
    "BN": {
        "eps": _single("bn_param", "eps", lambda value: 100 * value),
        "momentum": _single("bn_param", "momentum", lambda value: 0.5 + value / 2),
    },
    "ReLU": {
        "negative_slope": _single("relu_param", "negative_slope", lambda value: value + 0.01),
        "type": _type("Sigmoid"),
    },
    "Sigmoid": {"type": _type("ReLU")},
    "Softmax": {"axis": _single("softmax_param", "axis", lambda value: 1 - value)},
    "Eltwise": {
        "operation": _single("eltwise_param", "operation", lambda value: _OPERATION.SUM - value),
        "coeff": _coefficients,
    },
    "InnerProduct": {
        "num_output": _single("inner_product_param", "num_output", _more(1)),
        "bias_term": _single("inner_product_param", "bias_term", _negated),
        "axis": _single("inner_product_param", "axis", _more(1)),
        "transpose": _single("inner_product_param", "transpose", _negated),
    },
    "Interp": {
        "crop": _single("interp_param", "pad_end", lambda value: value - 1),
    },
    "Normalize": {
        "across_spatial": _single("norm_param", "across_spatial", _negated),
        "channel_shared": _single("norm_param", "channel_shared", _negated),
        "eps": _single("norm_param", "eps", lambda value: 100 * value),
        "scale trained": _trained,
    },
    "MVN": {
        "normalize_variance": _single("mvn_param", "normalize_variance", _negated),
        "across_channels": _single("mvn_param", "across_channels", _negated),
        "eps": _single("mvn_param", "eps", lambda value: 100 * value),
    },
    "Power": {
        "power": _single("power_param", "power", lambda value: value + 1),
        "scale": _single("power_param", "scale", lambda value: 2 * value),
        "shift": _single("power_param", "shift", lambda value: value + 1),
    },
    "Flatten": {"axis": _single("flatten_param", "axis", _more(1))},
    "Slice": {"axis": _single("slice_param", "axis", lambda value: 1 - value)},
    "Concat": {"axis": _single("concat_param", "axis", lambda value: 1 - value)},
    "Reduction": {
        "operation": _single("reduction_param", "operation", lambda value: 1 + value % 4),
        "axis": _single("reduction_param", "axis", lambda value: 1 - value),
        "coeff": _single("reduction_param", "coeff", lambda value: 2 * value),
    },
    "Parameter": {"shape": _another_shape},
}

# Of any type, where a layer says it at all.
COMMON: dict[str, tuple[Callable[[LayerParameter], bool], Alter]] = {
    "loss_weight": (lambda layer: bool(layer.loss_weight), _other_loss_weight),
    "shared name": (lambda layer: any(param.name for param in layer.param), _other_name),
}
