"""A second opinion on the forward pass that nobody here wrote: OpenCV's own reader of Caffe.

OpenCV knows neither the authors' BN nor an Interp with a size reference, so both are translated,
from the net's description and shapes alone: BN to BatchNorm and Scale, Interp to its height and
width. Fusion and Winograd's convolutions are off: they are other roundings, and larger ones.
Needs `opencv-python-headless` below 5, which has dropped Caffe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from google.protobuf import text_format
from numpy.typing import NDArray

from ranparity.caffe import caffe_pb2
from ranparity.caffe.graph import Graph, Node
from ranparity.caffe.prototxt import LayerParameter
from ranparity.caffe.shapes import Facts, infer
from ranparity.errors import InputError

Arrays = Mapping[str, NDArray[Any]]
TRANSLATED = ("BN", "Interp")
READ = (
    *TRANSLATED,
    "Convolution",
    "Eltwise",
    "InnerProduct",
    "Pooling",
    "ReLU",
    "Sigmoid",
    "Softmax",
)
"""The layer types that are handed to OpenCV, with its faults known to be elsewhere."""


def forward(graph: Graph, images: NDArray[Any], weights: Arrays) -> dict[str, NDArray[Any]]:
    """Give every blob in inference mode, by name, NCHW, in float32.

    Args:
        graph: The net, at the images' size.
        images: NCHW.
        weights: Parameters and statistics by LAYER/PARAMETER.

    Raises:
        InputError: OpenCV is not installed, or a layer is of a type that it is not asked about.
    """
    try:
        import cv2
    except ImportError:
        raise InputError(
            "OpenCV is not installed: python -m pip install 'ranparity[opencv]'"
        ) from None
    net = translated(graph, images.shape, weights)
    bare = caffe_pb2.NetParameter()
    bare.CopyFrom(net)
    for layer in bare.layer:
        layer.ClearField("blobs")
    buffers = (text_format.MessageToString(bare).encode(), net.SerializeToString())
    # Bytes would be taken for the name of a file.
    read: Any = cv2.dnn.readNetFromCaffe(*(np.frombuffer(each, np.uint8) for each in buffers))
    read.enableFusion(False)
    read.enableWinograd(False)
    (given,) = graph.inputs
    read.setInput(np.ascontiguousarray(images, np.float32), given.name)
    names = [node.name for node in graph.nodes]
    outputs = read.forward(names)
    return {
        node.outputs[0]: np.array(blob) for node, blob in zip(graph.nodes, outputs, strict=True)
    }


def translated(graph: Graph, shape: tuple[int, ...], weights: Arrays) -> caffe_pb2.NetParameter:
    """Give a net as OpenCV reads it, with its numbers; every layer's top has the layer's name."""
    (given,) = graph.inputs
    net = caffe_pb2.NetParameter(name=graph.name)
    net.input.append(given.name)
    net.input_shape.add(dim=shape)
    names = {given.name: given.name}
    for node, facts in infer(graph):
        if node.type not in READ:
            raise InputError(
                f'{graph.source}: layer "{node.name}" ({node.type}): OpenCV is asked only about '
                f"{', '.join(READ)}"
            )
        names[node.outputs[0]] = node.name
        bottoms = [names[blob] for blob in node.inputs]
        net.layer.extend(_layers(node, facts, bottoms, weights))
    return net


def _layers(
    node: Node, facts: Facts, bottoms: list[str], weights: Arrays
) -> Iterator[LayerParameter]:
    """Give the layers that stand for one."""
    layer = LayerParameter()
    layer.CopyFrom(node.message)
    for field in ("bottom", "top", "param"):
        layer.ClearField(field)
    layer.top.append(node.name)
    if node.type == "BN":
        yield from _normalising(node, facts, bottoms[0], weights)
        return
    layer.bottom.extend(bottoms)
    if node.type == "Interp":
        del layer.bottom[1:]
        height, width = facts.tops[0][2:]
        layer.interp_param.CopyFrom(caffe_pb2.InterpParameter(height=height, width=width))
    _put(layer, *(weights[f"{node.name}/{name}"] for name in facts.parameters))
    yield layer


def _normalising(
    node: Node, facts: Facts, bottom: str, weights: Arrays
) -> Iterator[LayerParameter]:
    mean, variance, slope, bias = (
        weights[f"{node.name}/{name}"] for name in ("mean", "variance", "slope", "bias")
    )
    between = f"{node.name}/normalised"
    first = LayerParameter(name=between, type="BatchNorm", bottom=[bottom], top=[between])
    first.batch_norm_param.use_global_stats = True
    first.batch_norm_param.eps = float(facts.attributes["eps"])
    _put(first, mean, variance, np.ones(1))
    second = LayerParameter(name=node.name, type="Scale", bottom=[between], top=[node.name])
    second.scale_param.bias_term = True
    _put(second, slope, bias)
    yield first
    yield second


def _put(layer: LayerParameter, *arrays: NDArray[Any]) -> None:
    """Write numbers into a layer."""
    for array in arrays:
        blob = layer.blobs.add()
        blob.shape.dim.extend(array.shape)
        blob.data.extend(np.asarray(array, np.float32).ravel().tolist())
