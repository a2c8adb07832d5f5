"""A second opinion on the forward pass that nobody here wrote: OpenCV's own reader of Caffe.

What OpenCV does not know, or knows otherwise, is translated, from the net's description and shapes
alone: BN to BatchNorm and Scale (SegNet's to Scale), Interp to its height and width, Axpy, which it
computes as x + a y, to Reshape, Scale and Eltwise, DeepLab's `hole` to `dilation`; LRN's alpha is
stated where the file leaves it out. Fusion and Winograd's convolutions are off: they are other
roundings, and larger ones. Needs
`opencv-python-headless` below 5, which has dropped Caffe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from google.protobuf import text_format
from numpy.typing import NDArray

from ranparity.caffe import caffe_pb2
from ranparity.caffe.caffemodel import packed
from ranparity.caffe.graph import Graph, Node
from ranparity.caffe.prototxt import LayerParameter
from ranparity.caffe.rules.base import sides
from ranparity.caffe.shapes import Facts, infer
from ranparity.errors import InputError

Arrays = Mapping[str, NDArray[Any]]
READ = (
    "AbsVal",
    "Axpy",
    "BN",
    "BNLL",
    "BatchNorm",
    "Concat",
    "Convolution",
    "Crop",
    "Deconvolution",
    "Dropout",
    "ELU",
    "Eltwise",
    "Flatten",
    "InnerProduct",
    "Interp",
    "LRN",
    "PReLU",
    "Permute",
    "Pooling",
    "Power",
    "ReLU",
    "ReLU6",
    "Reshape",
    "Scale",
    "ShuffleChannel",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Split",
    "TanH",
)
"""The layer types that are handed to OpenCV."""
FAULTS = {
    "LRN": "OpenCV takes 1 for its k",
    "Pooling": "OpenCV gives no second top of Caffe's, and takes no windows that are nowhere",
}
"""Of some types what OpenCV computes otherwise; a layer that it concerns is refused by name."""


class NotAskedError(InputError):
    """OpenCV has no such layer, or computes it otherwise; says which."""


def forward(graph: Graph, inputs: Arrays, weights: Arrays) -> dict[str, NDArray[Any]]:
    """Give every blob in inference mode, by name, NCHW, in float32.

    Args:
        graph: The net, at the inputs' shapes.
        inputs: By name, NCHW.
        weights: Parameters and statistics by LAYER/PARAMETER.

    Raises:
        NotAskedError: There is a layer that OpenCV is not asked about.
        InputError: OpenCV is not installed.
    """
    try:
        import cv2
    except ImportError:
        raise InputError(
            "OpenCV is not installed: python -m pip install 'ranparity[opencv]'"
        ) from None
    buffers = files(translated(graph, weights))
    # Bytes would be taken for the name of a file.
    read: Any = cv2.dnn.readNetFromCaffe(*(np.frombuffer(each, np.uint8) for each in buffers))
    read.enableFusion(False)
    read.enableWinograd(False)
    for name, x in inputs.items():
        read.setInput(np.ascontiguousarray(x, np.float32), name)
    found = read.forwardAndRetrieve([node.outputs[0] for node in graph.nodes])
    return {
        top: np.array(blob)
        for node, blobs in zip(graph.nodes, found, strict=True)
        for top, blob in zip(node.outputs, blobs, strict=False)
    }


def files(net: caffe_pb2.NetParameter) -> tuple[bytes, bytes]:
    """Give a net with its numbers as the contents of a prototxt and a caffemodel."""
    numbers = net.SerializeToString()
    bare = caffe_pb2.NetParameter.FromString(numbers)
    for layer in bare.layer:
        layer.ClearField("blobs")
    return text_format.MessageToString(bare).encode(), numbers


def translated(graph: Graph, weights: Arrays) -> caffe_pb2.NetParameter:
    """Give a net as OpenCV reads it, with its numbers; a layer has the name of its first top."""
    net = caffe_pb2.NetParameter(name=graph.name)
    for given in graph.inputs:
        net.input.append(given.name)
        net.input_shape.add(dim=given.shape)
    for node, facts in infer(graph):
        where = f'{graph.source}: layer "{node.name}" ({node.type})'
        if node.type not in READ:
            raise NotAskedError(f"{where}: OpenCV is asked only about {', '.join(READ)}")
        if _is_faulty(node):
            raise NotAskedError(f"{where}: {FAULTS[node.type]}")
        net.layer.extend(_layers(node, facts, weights))
    return net


def _is_faulty(node: Node) -> bool:
    """Whether a layer is one that OpenCV computes otherwise."""
    if node.type == "LRN":
        param = node.message.lrn_param
        return param.k != 1 and param.norm_region == caffe_pb2.LRNParameter.ACROSS_CHANNELS
    return node.type == "Pooling" and len(node.outputs) > 1


def _layers(node: Node, facts: Facts, weights: Arrays) -> Iterator[LayerParameter]:
    """Give the layers that stand for one."""
    layer = LayerParameter()
    layer.CopyFrom(node.message)
    for field in ("bottom", "top", "param", "include", "exclude"):
        layer.ClearField(field)
    layer.name = node.outputs[0]
    layer.bottom.extend(node.inputs)
    layer.top.extend(node.outputs)
    if node.type in SEVERAL:
        yield from SEVERAL[node.type](node, facts, weights)
        return
    if node.type in STATED:
        STATED[node.type](layer, facts)
    _put(
        layer, *(weights[f"{node.name}/{name}"] for name in (*facts.parameters, *facts.statistics))
    )
    yield layer


def _interp(layer: LayerParameter, facts: Facts) -> None:
    del layer.bottom[1:]
    height, width = facts.tops[0][2:]
    layer.interp_param.CopyFrom(caffe_pb2.InterpParameter(height=height, width=width))


def _pooling(layer: LayerParameter, facts: Facts) -> None:
    layer.pooling_param.ClearField("round_mode")
    layer.pooling_param.ceil_mode = facts.attributes["round_mode"] == "CEIL"


def _lrn(layer: LayerParameter, facts: Facts) -> None:
    """State all of it: without an alpha OpenCV takes 1e-4, and Caffe 1."""
    for field in ("local_size", "alpha", "beta"):
        setattr(layer.lrn_param, field, facts.attributes[field])


def _convolution(layer: LayerParameter, facts: Facts) -> None:
    for field in ("hole", "hole_h", "hole_w", "dilation"):
        layer.convolution_param.ClearField(field)
    layer.convolution_param.dilation.extend(sides(facts.attributes["dilation"]))


STATED: Mapping[str, Callable[[LayerParameter, Facts], None]] = {
    "Convolution": _convolution,
    "Deconvolution": _convolution,
    "Interp": _interp,
    "LRN": _lrn,
    "Pooling": _pooling,
}
"""Of a type whose message OpenCV reads otherwise what states it for OpenCV."""


def _normalising(node: Node, facts: Facts, weights: Arrays) -> Iterator[LayerParameter]:
    """Give BatchNorm and Scale for a BN; of SegNet's Scale alone."""
    (bottom,), (top,) = node.inputs, node.outputs
    factor, shift = list(facts.parameters)
    second = LayerParameter(name=top, type="Scale", bottom=[bottom], top=[top])
    second.scale_param.bias_term = True
    _put(second, weights[f"{node.name}/{factor}"], weights[f"{node.name}/{shift}"])
    if facts.statistics:
        between = f"{top}/normalised"
        first = LayerParameter(name=between, type="BatchNorm", bottom=[bottom], top=[between])
        first.batch_norm_param.use_global_stats = True
        first.batch_norm_param.eps = float(facts.attributes["eps"])
        mean, variance = (weights[f"{node.name}/{name}"] for name in ("mean", "variance"))
        _put(first, mean, variance, np.ones(1))
        second.bottom[:] = [between]
        yield first
    yield second


def _axpy(node: Node, facts: Facts, weights: Arrays) -> Iterator[LayerParameter]:
    """Give Reshape, Scale and Eltwise for `a x + y`."""
    del weights
    (factor, x, y), (top,) = node.inputs, node.outputs
    flat, scaled = f"{top}/factor", f"{top}/scaled"
    first = LayerParameter(name=flat, type="Reshape", bottom=[factor], top=[flat])
    first.reshape_param.shape.dim.extend(facts.tops[0][:2])
    second = LayerParameter(name=scaled, type="Scale", bottom=[x, flat], top=[scaled])
    second.scale_param.axis = 0
    yield first
    yield second
    yield LayerParameter(name=top, type="Eltwise", bottom=[scaled, y], top=[top])


SEVERAL: Mapping[str, Callable[[Node, Facts, Arrays], Iterator[LayerParameter]]] = {
    "Axpy": _axpy,
    "BN": _normalising,
}
"""Of a type that several layers stand for, what gives them."""


def _put(layer: LayerParameter, *arrays: NDArray[Any]) -> None:
    """Write numbers into a layer."""
    for array in arrays:
        blob = layer.blobs.add()
        blob.shape.dim.extend(array.shape)
        blob.MergeFromString(packed(5, array))
