"""A `Net` to a single-assignment graph: every tensor is made once and has a name of its own."""

from __future__ import annotations

import dataclasses
import difflib
from collections import Counter

from ranparity.caffe.prototxt import Input, LayerParameter, Net
from ranparity.errors import InputError


@dataclasses.dataclass(frozen=True)
class Node:
    """One layer and the tensors that it reads and makes.

    Attributes:
        name: The layer's name; two layers of a net may share one.
        type: Caffe's layer type.
        inputs: Names of the tensors that it reads, in the order of its bottoms.
        outputs: Names of the tensors that it makes, in the order of its tops.
        message: Caffe's layer message, with its bottoms and tops as in the file.
    """

    name: str
    type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    message: LayerParameter


@dataclasses.dataclass(frozen=True)
class Graph:
    """A net whose in-place layers are resolved.

    A tensor has its blob's name. Where layers work in place, several tensors share one blob:
    the first keeps the blob's name, each later one has the name of the layer that made it.
    """

    name: str
    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    source: str


def build(net: Net) -> Graph:
    """Resolves in-place layers and connects each bottom to the layer that made it last.

    A top is in place where it has the name of the bottom of the same position; any other top
    that is made twice is an error (BVLC/caffe, src/caffe/net.cpp, Net::AppendTop).

    Raises:
        InputError: A bottom that no layer before makes, or a top that is made twice; names
            the layer.
    """
    reserved = {given.name for given in net.inputs}
    reserved.update(top for layer in net.layers for top in layer.top if top not in layer.bottom)
    tensors = {given.name: given.name for given in net.inputs}
    if len(tensors) < len(net.inputs):
        names = ", ".join(f'"{given.name}"' for given in net.inputs)
        raise InputError(f"{net.source}: expected inputs with names of their own, found {names}")
    makers = {given.name: "the net's input" for given in net.inputs}
    uses: Counter[str] = Counter()
    nodes: list[Node] = []
    for layer in net.layers:
        where = f'{net.source}: layer "{layer.name}" ({layer.type})'
        inputs = tuple(_read(blob, tensors, where) for blob in layer.bottom)
        outputs = []
        for position, blob in enumerate(layer.top):
            if _in_place(layer, position):
                tensor = _unused(layer.name, reserved, uses)
                reserved.add(tensor)
            elif blob in makers:
                raise InputError(
                    f'{where}: makes blob "{blob}", which {makers[blob]} makes already; '
                    "expected another name, or the same name as its bottom (in place)"
                )
            else:
                tensor = blob
            tensors[blob] = tensor
            makers[blob] = f'layer "{layer.name}"'
            outputs.append(tensor)
        nodes.append(Node(layer.name, layer.type, inputs, tuple(outputs), layer))
    return Graph(net.name, net.inputs, tuple(nodes), net.source)


def _in_place(layer: LayerParameter, position: int) -> bool:
    return position < len(layer.bottom) and layer.top[position] == layer.bottom[position]


def _read(blob: str, tensors: dict[str, str], where: str) -> str:
    """Returns the tensor that a blob holds now."""
    if blob in tensors:
        return tensors[blob]
    near = difflib.get_close_matches(blob, tensors, n=1)
    hint = f'; the nearest blob there is "{near[0]}"' if near else ""
    raise InputError(f'{where}: reads blob "{blob}", which no layer before it makes{hint}')


def _unused(name: str, reserved: set[str], uses: Counter[str]) -> str:
    """Returns the layer's name, numbered where a tensor has that name already."""
    candidate = name
    while candidate in reserved:
        uses[name] += 1
        candidate = f"{name}#{uses[name] + 1}"
    return candidate
