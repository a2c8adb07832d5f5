"""Caffe's layers as Keras layers: explicit pads, the ceil rule, align-corners, Caffe's constants.

Each carries `caffe_name`, the layer's name in Caffe, and `caffe_order`, its place in the net;
both are saved with the model. The Keras name is the Caffe name with `/` as `-`, because Keras
refuses `/`. All compute in their dtype, float64 included, on every backend.
"""

from ranparity.models.layers.base import MSRA, CaffeLayer, Uniform
from ranparity.models.layers.blobs import (
    Concat,
    Flatten,
    Parameter,
    Power,
    Reduction,
    SharedInnerProduct,
    Slice,
    WithLoss,
)
from ranparity.models.layers.maps import (
    BN,
    CaffePool,
    Convolution,
    Eltwise,
    InnerProduct,
    Interp,
    ReLU,
    Sigmoid,
    Softmax,
    interpolation_matrix,
)
from ranparity.models.layers.normalisations import MVN, Normalize
from ranparity.models.layers.operation import OPERATIONS, Operation
from ranparity.models.layers.operations import Dropout

__all__ = [
    "BN",
    "MSRA",
    "MVN",
    "OPERATIONS",
    "CaffeLayer",
    "CaffePool",
    "Concat",
    "Convolution",
    "Dropout",
    "Eltwise",
    "Flatten",
    "InnerProduct",
    "Interp",
    "Normalize",
    "Operation",
    "Parameter",
    "Power",
    "ReLU",
    "Reduction",
    "SharedInnerProduct",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Uniform",
    "WithLoss",
    "interpolation_matrix",
]
