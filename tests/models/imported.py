"""A net with every layer type that Keras is given, in each of its forms. Imports no Keras."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ranparity.caffe import graph, prototxt
from ranparity.caffe.arbiter.run import Arbiter
from ranparity.caffe.prototxt import Net

Array = np.ndarray[Any, Any]
SHAPE = (2, 6, 5, 7)
LAYERS: Mapping[str, str] = {
    "convolution": 'type: "Convolution" convolution_param { num_output: 4 kernel_h: 3 kernel_w: 2 '
    "group: 2 pad: 1 stride_h: 2 stride_w: 1 dilation: 2 }",
    "holes": 'type: "Convolution" convolution_param { num_output: 3 kernel_size: 2 hole: 2 }',
    "depthwise": 'type: "DepthwiseConvolution" '
    "convolution_param { num_output: 6 group: 6 kernel_size: 3 bias_term: false }",
    "channelwise": 'type: "ConvolutionDepthwise" '
    "convolution_param { num_output: 6 kernel_size: 3 pad: 1 }",
    "deconvolution": 'type: "Deconvolution" convolution_param { num_output: 4 kernel_h: 4 '
    "kernel_w: 3 stride: 2 pad: 1 }",
    "deconvolution.grouped": 'type: "Deconvolution" convolution_param { num_output: 6 group: 6 '
    "kernel_size: 4 stride: 2 pad: 1 bias_term: false }",
    "deconvolution.dilated": 'type: "Deconvolution" convolution_param { num_output: 2 group: 2 '
    "kernel_size: 3 stride_h: 1 stride_w: 3 dilation: 2 pad_h: 2 pad_w: 1 }",
    "deconvolution.cropped": 'type: "Deconvolution" convolution_param { num_output: 2 '
    "kernel_size: 2 stride: 3 pad: 2 }",
    "pool": 'type: "Pooling" pooling_param { kernel_size: 3 stride: 2 }',
    "pool/average": 'type: "Pooling" pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }',
    "pool-average": 'type: "Pooling" pooling_param { pool: AVE global_pooling: true }',
    "pool floor": 'type: "Pooling" pooling_param { kernel_size: 2 stride: 2 ceil_mode: false }',
    "bn": 'type: "BN" bn_param { eps: 1e-3 }',
    "segnet": 'type: "BN" bn_param { bn_mode: INFERENCE }',
    "batchnorm": 'type: "BatchNorm" batch_norm_param { eps: 1e-4 }',
    "global": 'type: "BatchNorm" batch_norm_param { use_global_stats: true }',
    "scale": 'type: "Scale" scale_param { bias_term: true }',
    "scale_last": 'type: "Scale" scale_param { axis: 3 bias_term: true }',
    "scale_all": 'type: "Scale" scale_param { axis: 1 num_axes: 3 }',
    "bias": 'type: "Bias" bias_param { axis: 1 num_axes: 2 }',
    "prelu": 'type: "PReLU"',
    "prelu_shared": 'type: "PReLU" prelu_param { channel_shared: true }',
    "relu": 'type: "ReLU" relu_param { negative_slope: 0.1 }',
    "sigmoid": 'type: "Sigmoid"',
    "tanh": 'type: "TanH"',
    "absval": 'type: "AbsVal"',
    "bnll": 'type: "BNLL"',
    "clip": 'type: "Clip" clip_param { min: -0.5 max: 0.7 }',
    "elu": 'type: "ELU" elu_param { alpha: 0.8 }',
    "exp": 'type: "Exp" exp_param { base: 2 scale: 0.5 shift: 0.1 }',
    "exp_e": 'type: "Exp"',
    "log": 'type: "Log" log_param { base: 10 scale: 0.1 shift: 3 }',
    "power": 'type: "Power" power_param { power: 3 scale: 0.5 shift: 2 }',
    "square": 'type: "Power" power_param { power: 2 }',
    "relu6": 'type: "ReLU6"',
    "swish": 'type: "Swish" swish_param { beta: 1.5 }',
    "threshold": 'type: "Threshold" threshold_param { threshold: 0.2 }',
    "dropout": 'type: "Dropout"',
    "lrn": 'type: "LRN" lrn_param { local_size: 5 alpha: 0.3 beta: 0.6 k: 2 }',
    "lrn_within": 'type: "LRN" lrn_param { local_size: 3 alpha: 0.3 norm_region: WITHIN_CHANNEL }',
    "mvn": 'type: "MVN"',
    "mvn_all": 'type: "MVN" mvn_param { across_channels: true }',
    "mvn_mean": 'type: "MVN" mvn_param { normalize_variance: false }',
    "normalize": 'type: "Normalize" norm_param { across_spatial: false channel_shared: false }',
    "normalize_all": 'type: "Normalize" norm_param { across_spatial: true }',
    "softmax": 'type: "Softmax"',
    "softmax_rows": 'type: "Softmax" softmax_param { axis: 2 }',
    "interp": 'type: "Interp" interp_param { zoom_factor: 2 pad_beg: -1 }',
    "interp_to": 'type: "Interp" interp_param { height: 9 width: 4 }',
    "product": 'type: "InnerProduct" inner_product_param { num_output: 5 }',
    "product_rows": 'type: "InnerProduct" inner_product_param { num_output: 5 axis: 3 }',
    "product_turned": 'type: "InnerProduct" '
    "inner_product_param { num_output: 5 axis: 2 transpose: true bias_term: false }",
    "flatten": 'type: "Flatten"',
    "flatten_map": 'type: "Flatten" flatten_param { axis: 2 }',
    "reshape": 'type: "Reshape" reshape_param { shape { dim: 0 dim: 3 dim: -1 dim: 7 } }',
    "reshape_flat": 'type: "Reshape" reshape_param { shape { dim: 0 dim: 0 dim: -1 } }',
    "permute": 'type: "Permute" permute_param { order: 0 order: 2 order: 3 order: 1 }',
    "tile": 'type: "Tile" tile_param { axis: 2 tiles: 3 }',
    "argmax": 'type: "ArgMax" argmax_param { top_k: 3 out_max_val: true }',
    "argmax_axis": 'type: "ArgMax" argmax_param { axis: 1 top_k: 2 }',
    "argmax_values": 'type: "ArgMax" argmax_param { axis: 2 out_max_val: true }',
    "shuffle": 'type: "ShuffleChannel" shuffle_channel_param { group: 3 }',
    "reduction": 'type: "Reduction" reduction_param { operation: ASUM axis: 1 coeff: 0.5 }',
    "reduction_rows": 'type: "Reduction" reduction_param { operation: MEAN axis: 2 }',
    "reduction_all": 'type: "Reduction" reduction_param { operation: MEAN }',
    "reduction_squares": 'type: "Reduction" reduction_param { operation: SUMSQ axis: 3 }',
}
"""Layers on the input, by name."""
JOINED = """
layer { name: "pieces" type: "Slice" bottom: "data" top: "one" top: "two" top: "three"
  slice_param { axis: 1 slice_point: 1 slice_point: 3 } }
layer { name: "halves" type: "Slice" bottom: "flatten" top: "half" top: "other" }
layer { name: "copies" type: "Split" bottom: "data" top: "copy" top: "again" }
layer { name: "joined" type: "Concat" bottom: "two" bottom: "one" top: "joined" }
layer { name: "joined_rows" type: "Concat" bottom: "data" bottom: "copy" top: "joined_rows"
  concat_param { axis: 2 } }
layer { name: "joined_flat" type: "Concat" bottom: "half" bottom: "other" top: "joined_flat" }
layer { name: "sum" type: "Eltwise" bottom: "data" bottom: "relu" top: "sum"
  eltwise_param { coeff: 1 coeff: -0.5 } }
layer { name: "product of three" type: "Eltwise" bottom: "data" bottom: "relu" bottom: "tanh"
  top: "product of three" eltwise_param { operation: PROD } }
layer { name: "most" type: "Eltwise" bottom: "data" bottom: "tanh" top: "most"
  eltwise_param { operation: MAX } }
layer { name: "smaller" type: "Crop" bottom: "data" bottom: "pool" top: "smaller"
  crop_param { axis: 2 offset: 1 offset: 2 } }
layer { name: "scaled" type: "Scale" bottom: "data" bottom: "reduction_rows" top: "scaled"
  scale_param { axis: 0 } }
layer { name: "moved" type: "Bias" bottom: "data" bottom: "reduction_rows" top: "moved"
  bias_param { axis: 0 } }
layer { name: "axpy" type: "Axpy" bottom: "pool-average" bottom: "data" bottom: "tanh" top: "axpy" }
layer { name: "resized" type: "Interp" bottom: "pool" bottom: "data" top: "resized" }
layer { name: "places" type: "Pooling" bottom: "data" top: "places" top: "mask"
  pooling_param { kernel_size: 2 stride: 2 pad: 1 } }
layer { name: "back" type: "Upsample" bottom: "places" bottom: "mask" top: "back"
  upsample_param { upsample_h: 5 upsample_w: 7 } }
layer { name: "softmax_items" type: "Softmax" bottom: "half" top: "softmax_items"
  softmax_param { axis: 0 } }
layer { name: "mean_flat" type: "Reduction" bottom: "half" top: "mean_flat"
  reduction_param { operation: MEAN } }
layer { name: "in place" type: "Power" bottom: "tile" top: "tile" power_param { scale: 2 } }
layer { name: "again" type: "TanH" bottom: "tile" top: "tile" }
layer { name: "again" type: "Sigmoid" bottom: "tile" top: "last" }
layer { name: "quiet" type: "Silence" bottom: "copy" bottom: "three" }
"""


def net() -> Net:
    """All of them, read."""
    branches = "\n".join(
        f'layer {{ name: "{name}" bottom: "data" top: "{name}" {params} }}'
        for name, params in LAYERS.items()
    )
    sides = " ".join(f"dim: {side}" for side in SHAPE)
    text = f'name: "all" input: "data" input_shape {{ {sides} }}\n{branches}\n{JOINED}'
    return prototxt.parse(text, "all.prototxt")


def images() -> Array:
    """Of the input, NCHW."""
    return np.random.default_rng(0).standard_normal(SHAPE)


def numbers() -> dict[str, Array]:
    """Of every parameter and statistic, in Caffe's layouts."""
    arbiter = Arbiter(graph.build(net()))
    return dict(_drawn({**arbiter.parameters, **arbiter.statistics}))


def _drawn(shapes: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[str, Array]]:
    random = np.random.default_rng(1)
    for name, shape in shapes.items():
        is_positive = name.endswith(("variance", "factor", "slope", "scale"))
        yield name, random.uniform(0.5, 2.0, shape) if is_positive else random.normal(0, 0.5, shape)
