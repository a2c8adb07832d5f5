"""Small nets as text, for the tests of `ranparity.caffe`."""

from __future__ import annotations

from pathlib import Path

from ranparity.caffe import graph, prototxt
from ranparity.caffe.description import Description, describe

ROOT = Path(__file__).parents[2]

# Every layer type of the published nets, two inputs' forms of size, and in-place layers.
EVERY_TYPE = """\
name: "every-type"
input: "data"
input_shape { dim: 2 dim: 4 dim: 9 dim: 11 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  param { lr_mult: 1 } convolution_param {
    num_output: 6 kernel_size: 3 stride: 2 pad: 1 group: 2 bias_term: false } }
layer { name: "bn" type: "BN" bottom: "conv" top: "bn" bn_param { frozen: true } }
layer { name: "relu" type: "ReLU" bottom: "bn" top: "bn" }
layer { name: "pool" type: "Pooling" bottom: "bn" top: "pool"
  pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "interp" type: "Interp" bottom: "pool" bottom: "bn" top: "interp" }
layer { name: "mask" type: "Sigmoid" bottom: "interp" top: "mask" }
layer { name: "sum" type: "Eltwise" bottom: "bn" bottom: "mask" top: "sum"
  eltwise_param { operation: SUM } }
layer { name: "fc" type: "InnerProduct" bottom: "sum" top: "fc"
  inner_product_param { num_output: 7 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""

# All other layer types, a shared parameter and a loss.
OTHER_TYPES = """\
name: "other-types"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 4 dim: 3 dim: 5 } } }
layer { name: "norm" type: "BatchNorm" bottom: "data" top: "norm" param { lr_mult: 0 } }
layer { name: "scale" type: "Scale" bottom: "norm" top: "norm" scale_param { bias_term: true } }
layer { name: "cut" type: "Slice" bottom: "norm" top: "left" top: "right"
  slice_param { slice_point: 1 } }
layer { name: "mvn" type: "MVN" bottom: "left" top: "mvn" }
layer { name: "l2" type: "Normalize" bottom: "right" top: "l2"
  norm_param { channel_shared: false } }
layer { name: "joined" type: "Concat" bottom: "l2" bottom: "mvn" bottom: "l2" top: "joined" }
layer { name: "flat" type: "Flatten" bottom: "joined" top: "flat" }
layer { name: "table" type: "Parameter" top: "table" param { name: "shared" }
  parameter_param { shape { dim: 6 dim: 105 } } }
layer { name: "fc" type: "InnerProduct" bottom: "flat" top: "fc" param { name: "shared" }
  inner_product_param { num_output: 6 } }
layer { name: "squared" type: "Power" bottom: "fc" top: "squared" power_param { power: 2 } }
layer { name: "loss" type: "Reduction" bottom: "squared" top: "loss" loss_weight: 0.1
  reduction_param { operation: MEAN } }
"""


def described(text: str) -> Description:
    """All steps from text to a description."""
    return describe(graph.build(prototxt.parse(text, "net.prototxt")))


def layer(
    type_: str, params: str = "", bottom: str = "data", top: str = "it", name: str = ""
) -> str:
    """One layer's text."""
    bottoms = " ".join(f'bottom: "{blob}"' for blob in bottom.split())
    tops = " ".join(f'top: "{blob}"' for blob in top.split())
    return f'layer {{ name: "{name or top}" type: "{type_}" {bottoms} {tops} {params} }}\n'


def with_input(*layers: str, shape: str = "1 3 8 8") -> str:
    """A net's text: an input called `data` of a shape, and layers."""
    dims = " ".join(f"dim: {side}" for side in shape.split())
    return f'input: "data"\ninput_shape {{ {dims} }}\n' + "".join(layers)
