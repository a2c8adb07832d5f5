"""Tables of the rules that take maps: convolution, pooling, resizing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.caffe.rules.tables import MAP, Case, Refusal, facts_hold, label, refusal_holds


def convolved(**changed: Any) -> dict[str, Any]:
    attributes = {
        "num_output": 6,
        "kernel": "3x3",
        "stride": "1x1",
        "pad": "0x0",
        "dilation": "1x1",
        "group": 1,
        "bias_term": True,
    }
    return attributes | changed


def pooled(**changed: Any) -> dict[str, Any]:
    attributes = {
        "pool": "MAX",
        "kernel": "3x3",
        "stride": "1x1",
        "pad": "0x0",
        "round_mode": "CEIL",
    }
    return attributes | changed


CONVOLUTION = [
    Case(
        "Convolution",
        "convolution_param { num_output: 6 kernel_size: 3 }",
        [MAP],
        (2, 6, 7, 9),
        {"weight": (6, 4, 3, 3), "bias": (6,)},
        macs=7 * 9 * 6 * 4 * 3 * 3,
        attributes=convolved(),
    ),
    Case(
        "Convolution",
        "convolution_param { num_output: 6 kernel_size: 3 stride: 2 pad: 1 group: 2 "
        "bias_term: false }",
        [MAP],
        (2, 6, 5, 6),
        {"weight": (6, 2, 3, 3)},
        macs=5 * 6 * 6 * 2 * 3 * 3,
        attributes=convolved(stride="2x2", pad="1x1", group=2, bias_term=False),
    ),
    Case(  # height and width apart, by _h and _w
        "Convolution",
        "convolution_param { num_output: 6 kernel_h: 1 kernel_w: 7 stride_h: 1 stride_w: 3 "
        "pad_h: 0 pad_w: 3 bias_term: false }",
        [MAP],
        (2, 6, 9, 4),
        {"weight": (6, 4, 1, 7)},
        macs=9 * 4 * 6 * 4 * 7,
        attributes=convolved(kernel="1x7", stride="1x3", pad="0x3", bias_term=False),
    ),
    Case(  # the same, by repeated fields
        "Convolution",
        "convolution_param { num_output: 6 kernel_size: 1 kernel_size: 7 stride: 1 stride: 3 "
        "pad: 0 pad: 3 bias_term: false }",
        [MAP],
        (2, 6, 9, 4),
        {"weight": (6, 4, 1, 7)},
        macs=9 * 4 * 6 * 4 * 7,
        attributes=convolved(kernel="1x7", stride="1x3", pad="0x3", bias_term=False),
    ),
    Case(  # pad_w alone leaves pad_h at 0
        "Convolution",
        "convolution_param { num_output: 6 kernel_h: 1 kernel_w: 7 pad_w: 3 bias_term: false }",
        [MAP],
        (2, 6, 9, 11),
        {"weight": (6, 4, 1, 7)},
        macs=9 * 11 * 6 * 4 * 7,
        attributes=convolved(kernel="1x7", pad="0x3", bias_term=False),
    ),
    Case(
        "Convolution",
        "convolution_param { num_output: 6 kernel_size: 3 dilation: 4 bias_term: false }",
        [MAP],
        (2, 6, 1, 3),
        {"weight": (6, 4, 3, 3)},
        macs=1 * 3 * 6 * 4 * 3 * 3,
        attributes=convolved(dilation="4x4", bias_term=False),
    ),
    Case(  # a filler and an engine say nothing about shapes; the last axis but two is axis 1
        "Convolution",
        'convolution_param { num_output: 6 kernel_size: 3 axis: -3 weight_filler { type: "msra" } '
        "engine: CUDNN }",
        [MAP],
        (2, 6, 7, 9),
        {"weight": (6, 4, 3, 3), "bias": (6,)},
        macs=7 * 9 * 6 * 4 * 3 * 3,
        attributes=convolved(),
    ),
]
POOLING = [
    Case("Pooling", "pooling_param { kernel_size: 3 }", [MAP], (2, 4, 7, 9), attributes=pooled()),
    Case(  # 8 pixels, window 3, stride 2: the last of 4 windows hangs over the edge
        "Pooling",
        "pooling_param { kernel_size: 3 stride: 2 }",
        [(1, 4, 8, 112)],
        (1, 4, 4, 56),
        attributes=pooled(stride="2x2"),
    ),
    Case(
        "Pooling",
        "pooling_param { kernel_size: 3 stride: 2 round_mode: FLOOR }",
        [(1, 4, 8, 112)],
        (1, 4, 3, 55),
        attributes=pooled(stride="2x2", round_mode="FLOOR"),
    ),
    Case(  # 7 pixels, window 2, stride 2, pad 1: 5 windows, of which the last starts beyond
        "Pooling",
        "pooling_param { pool: AVE kernel_size: 2 stride: 2 pad: 1 }",
        [(1, 4, 7, 8)],
        (1, 4, 4, 5),
        attributes=pooled(pool="AVE", kernel="2x2", stride="2x2", pad="1x1"),
    ),
    Case(  # a pad on one axis clips on the other too, as in Caffe
        "Pooling",
        "pooling_param { kernel_h: 1 kernel_w: 3 stride_h: 3 stride_w: 1 pad_h: 0 pad_w: 1 }",
        [(1, 4, 5, 5)],
        (1, 4, 2, 5),
        attributes=pooled(kernel="1x3", stride="3x1", pad="0x1"),
    ),
    Case(  # without a pad nothing is clipped, not even a window beside its map
        "Pooling",
        "pooling_param { kernel_h: 1 kernel_w: 3 stride_h: 3 stride_w: 1 }",
        [(1, 4, 5, 5)],
        (1, 4, 3, 3),
        attributes=pooled(kernel="1x3", stride="3x1"),
    ),
    Case(
        "Pooling",
        "pooling_param { pool: AVE global_pooling: true }",
        [MAP],
        (2, 4, 1, 1),
        attributes=pooled(pool="AVE", kernel="9x11"),
    ),
    Case(
        "Pooling",
        "pooling_param { pool: STOCHASTIC kernel_size: 9 }",
        [MAP],
        (2, 4, 1, 3),
        attributes=pooled(pool="STOCHASTIC", kernel="9x9"),
    ),
]
INTERP_KIND = "align-corners bilinear"
INTERP = [
    Case(
        "Interp",
        "",
        [(2, 4, 5, 6), (1, 64, 9, 11)],
        (2, 4, 9, 11),
        attributes={"kind": INTERP_KIND, "size_from": "second bottom", "crop": "0 0"},
    ),
    Case(
        "Interp",
        "interp_param { height: 60 width: 61 }",
        [MAP],
        (2, 4, 60, 61),
        attributes={"kind": INTERP_KIND, "size_from": "height and width", "crop": "0 0"},
    ),
    Case(
        "Interp",
        "interp_param { zoom_factor: 8 }",
        [MAP],
        (2, 4, 65, 81),
        attributes={"kind": INTERP_KIND, "size_from": "shrink 1, zoom 8", "crop": "0 0"},
    ),
    Case(
        "Interp",
        "interp_param { shrink_factor: 3 }",
        [(2, 4, 9, 10)],
        (2, 4, 3, 4),
        attributes={"kind": INTERP_KIND, "size_from": "shrink 3, zoom 1", "crop": "0 0"},
    ),
    Case(  # 9 - 1 - 2 = 6 and 11 - 3 = 8; shrunk by 2: 3 and 4; zoomed by 2: 5 and 7
        "Interp",
        "interp_param { shrink_factor: 2 zoom_factor: 2 pad_beg: -1 pad_end: -2 }",
        [MAP],
        (2, 4, 5, 7),
        attributes={"kind": INTERP_KIND, "size_from": "shrink 2, zoom 2", "crop": "-1 -2"},
    ),
]
CONVOLVED = {
    "num_output": 6,
    "kernel": "3x3",
    "stride": "1x1",
    "pad": "0x0",
    "dilation": "1x1",
    "group": 1,
    "bias_term": True,
}
WINDOWED = "num_output: 6 kernel_size: 3"
OTHERS = [
    Case(
        "Convolution",
        f"convolution_param {{ {WINDOWED} hole: 2 }}",
        [MAP],
        (2, 6, 5, 7),
        {"weight": (6, 4, 3, 3), "bias": (6,)},
        macs=5 * 7 * 6 * 4 * 9,
        attributes=CONVOLVED | {"dilation": "2x2"},
    ),
    Case(
        "Convolution",
        f"convolution_param {{ {WINDOWED} hole_h: 2 hole_w: 3 }}",
        [MAP],
        (2, 6, 5, 5),
        {"weight": (6, 4, 3, 3), "bias": (6,)},
        macs=5 * 5 * 6 * 4 * 9,
        attributes=CONVOLVED | {"dilation": "2x3"},
    ),
    Case(
        "DepthwiseConvolution",
        "convolution_param { num_output: 8 kernel_size: 3 group: 2 bias_term: false }",
        [MAP],
        (2, 8, 7, 9),
        {"weight": (8, 2, 3, 3)},
        macs=7 * 9 * 8 * 2 * 9,
        attributes=CONVOLVED | {"num_output": 8, "group": 2, "bias_term": False},
    ),
    Case(
        "ConvolutionDepthwise",
        "convolution_param { num_output: 4 kernel_size: 3 }",
        [MAP],
        (2, 4, 7, 9),
        {"weight": (4, 1, 3, 3), "bias": (4,)},
        macs=7 * 9 * 4 * 9,
        attributes=CONVOLVED | {"num_output": 4, "group": 4},
    ),
    Case(
        "Deconvolution",
        "convolution_param { num_output: 6 kernel_size: 4 stride: 2 pad: 1 group: 2 }",
        [MAP],
        (2, 6, 18, 22),
        {"weight": (4, 3, 4, 4), "bias": (6,)},
        macs=9 * 11 * 4 * 3 * 16,
        attributes=CONVOLVED | {"kernel": "4x4", "stride": "2x2", "pad": "1x1", "group": 2},
    ),
    Case(
        "Deconvolution",
        f"convolution_param {{ {WINDOWED} dilation: 3 bias_term: false }}",
        [MAP],
        (2, 6, 15, 17),
        {"weight": (4, 6, 3, 3)},
        macs=9 * 11 * 4 * 6 * 9,
        attributes=CONVOLVED | {"dilation": "3x3", "bias_term": False},
    ),
    Case(
        "LRN",
        "",
        [MAP],
        MAP,
        attributes={
            "local_size": 5,
            "alpha": 1.0,
            "beta": 0.75,
            "k": 1.0,
            "norm_region": "ACROSS_CHANNELS",
        },
    ),
    Case(
        "LRN",
        "lrn_param { local_size: 3 alpha: 1e-4 beta: 0.7 k: 2 norm_region: WITHIN_CHANNEL }",
        [MAP],
        MAP,
        attributes={
            "local_size": 3,
            "alpha": 1e-4,
            "beta": 0.7,
            "k": 2.0,
            "norm_region": "WITHIN_CHANNEL",
        },
    ),
    Case("Upsample", "", [MAP, MAP], (2, 4, 18, 22), attributes={"size": "18x22"}),
    Case(
        "Upsample",
        "upsample_param { scale: 2 pad_out_h: true }",
        [MAP, MAP],
        (2, 4, 17, 22),
        attributes={"size": "17x22"},
    ),
    Case(
        "Upsample",
        "upsample_param { scale_h: 3 scale_w: 4 }",
        [MAP, MAP],
        (2, 4, 27, 44),
        attributes={"size": "27x44"},
    ),
    Case(
        "Upsample",
        "upsample_param { upsample_h: 20 upsample_w: 30 }",
        [MAP, MAP],
        (2, 4, 20, 30),
        attributes={"size": "20x30"},
    ),
    Case(
        "Pooling",
        "pooling_param { kernel_size: 2 stride: 2 ceil_mode: false }",
        [MAP],
        [(2, 4, 4, 5), (2, 4, 4, 5)],
        attributes={
            "pool": "MAX",
            "kernel": "2x2",
            "stride": "2x2",
            "pad": "0x0",
            "round_mode": "FLOOR",
        },
    ),
]
CASES = [*CONVOLUTION, *POOLING, *INTERP, *OTHERS]

K3 = "num_output: 6 kernel_size: 3"
REFUSALS = [
    Refusal(
        "Pooling",
        "pooling_param { kernel_size: 2 ceil_mode: false round_mode: FLOOR }",
        [MAP],
        "expected round_mode or ceil_mode, found both",
    ),
    Refusal(
        "Pooling",
        "pooling_param { kernel_size: 2 pool: AVE }",
        [MAP],
        "expected 1 top, found 2",
        tops=2,
    ),
    Refusal(
        "Convolution",
        f"convolution_param {{ {WINDOWED} hole: 2 dilation: 2 }}",
        [MAP],
        "expected dilation or hole, found both",
    ),
    Refusal(
        "DepthwiseConvolution",
        f"convolution_param {{ {WINDOWED} group: 4 }}",
        [MAP],
        "expected input and output channels divisible by group 4, found 4 in and 6 out",
    ),
    Refusal(
        "ConvolutionDepthwise",
        f"convolution_param {{ {WINDOWED} }}",
        [MAP],
        "expected input and output channels divisible by group 4, found 4 in and 6 out",
    ),
    Refusal(
        "Deconvolution",
        f"convolution_param {{ {WINDOWED} pad: 8 }}",
        [MAP],
        "expected a map of at least 1, found -5",
    ),
    Refusal(
        "LRN",
        "lrn_param { local_size: 4 }",
        [MAP],
        "expected an odd local_size, found 4",
    ),
    Refusal(
        "LRN",
        "lrn_param { local_size: 0 }",
        [MAP],
        "expected a local_size of at least 1, found 0",
    ),
    Refusal("LRN", "", [(2, 3)], "expected a bottom of four axes (NCHW), found [2, 3]"),
    Refusal("Upsample", "", [MAP], 'expected 2 bottoms, found "a"'),
    Refusal(
        "Upsample",
        "",
        [MAP, (2, 4, 9, 9)],
        "expected a map and its mask alike, found 2x4x9x11 and 2x4x9x9",
    ),
    Refusal(
        "Upsample",
        "upsample_param { upsample_h: 9 }",
        [MAP, MAP],
        "expected both upsample_h and upsample_w, found one of them",
    ),
    Refusal(
        "Upsample",
        "upsample_param { scale: 3 pad_out_w: true }",
        [MAP, MAP],
        "expected pad_out with scale 2 only, found scale 3x3",
    ),
    Refusal(
        "Upsample",
        "upsample_param { scale: 0 }",
        [MAP, MAP],
        "expected a scale of at least 1, found 0",
    ),
    Refusal(
        "Convolution",
        f"convolution_param {{ {K3} group: 3 }}",
        [MAP],
        "expected input and output channels divisible by group 3, found 4 in and 6 out",
    ),
    Refusal(
        "Convolution",
        "convolution_param { num_output: 7 kernel_size: 3 group: 2 }",
        [MAP],
        "expected input and output channels divisible by group 2, found 4 in and 7 out",
    ),
    Refusal(
        "Convolution",
        "convolution_param { num_output: 6 kernel_size: 10 }",
        [MAP],
        "a window of 10 pixels is larger than its map of 9 (padding 0); expected a smaller "
        "window or a larger input",
    ),
    Refusal(
        "Convolution",
        f"convolution_param {{ {K3} dilation: 6 pad: 1 }}",
        [MAP],
        "a window of 13 pixels is larger than its map of 9 (padding 1); expected a smaller "
        "window or a larger input",
    ),
    Refusal(
        "Convolution",
        f"convolution_param {{ {K3} kernel_h: 3 kernel_w: 3 }}",
        [MAP],
        "expected kernel_size or kernel_h and kernel_w, found both",
    ),
    Refusal(
        "Convolution",
        f"convolution_param {{ {K3} stride: 1 stride_h: 2 stride_w: 2 }}",
        [MAP],
        "expected stride or stride_h and stride_w, found both",
    ),
    Refusal(
        "Convolution",
        f"convolution_param {{ {K3} pad: 1 pad_w: 1 }}",
        [MAP],
        "expected pad or pad_h and pad_w, found both",
    ),
    Refusal(
        "Convolution",
        "convolution_param { num_output: 6 kernel_h: 3 }",
        [MAP],
        "expected both kernel_h and kernel_w, found one of them",
    ),
    Refusal(
        "Convolution",
        f"convolution_param {{ {K3} stride_w: 2 }}",
        [MAP],
        "expected both stride_h and stride_w, found one of them",
    ),
    Refusal(
        "Convolution",
        f"convolution_param {{ {K3} stride: 0 }}",
        [MAP],
        "expected a stride of at least 1, found 0",
    ),
    Refusal(
        "Convolution",
        "convolution_param { num_output: 6 kernel_size: 0 }",
        [MAP],
        "expected a kernel_size of at least 1, found 0",
    ),
    Refusal(
        "Convolution",
        f"convolution_param {{ {K3} dilation: 0 }}",
        [MAP],
        "expected a dilation of at least 1, found 0",
    ),
    Refusal(
        "Convolution",
        f"convolution_param {{ {K3} group: 0 }}",
        [MAP],
        "expected a group of at least 1, found 0",
    ),
    Refusal(
        "Convolution",
        "convolution_param { kernel_size: 3 }",
        [MAP],
        "expected a num_output of at least 1, found 0",
    ),
    Refusal(
        "Convolution",
        "convolution_param { num_output: 6 }",
        [MAP],
        "expected a kernel_size, found none",
    ),
    Refusal("Convolution", "", [MAP], "expected a num_output of at least 1, found 0"),
    Refusal(
        "Convolution",
        f"convolution_param {{ {K3} kernel_size: 3 kernel_size: 3 }}",
        [MAP],
        "expected one or two values of kernel_size, found 3",
    ),
    Refusal(
        "Convolution",
        f"convolution_param {{ {K3} axis: 2 }}",
        [MAP],
        "expected the channel axis 1, found axis 2",
    ),
    Refusal(
        "Convolution",
        f"convolution_param {{ {K3} }}",
        [(2, 5)],
        "expected a bottom of four axes (NCHW), found [2, 5]",
    ),
    Refusal(
        "Convolution",
        f"convolution_param {{ {K3} }}",
        [MAP, MAP],
        'expected 1 bottom, found "a", "b"',
    ),
    Refusal("Convolution", f"convolution_param {{ {K3} }}", [], "expected 1 bottom, found none"),
    Refusal(
        "Convolution",
        "convolution_param { num_output: 4294967295 kernel_size: 1 }",
        [MAP],
        'blob "top" would be 2x4294967295x9x11; expected at most 2147483647 elements, as in Caffe',
    ),
    Refusal(
        "Pooling",
        "pooling_param { kernel_size: 10 }",
        [MAP],
        "a window of 10 pixels is larger than its map of 9 (padding 0); expected a smaller "
        "window or a larger input",
    ),
    Refusal(
        "Pooling",
        "pooling_param { kernel_size: 2 pad: 2 }",
        [MAP],
        "expected a pad smaller than the kernel 2x2, found 2x2",
    ),
    Refusal(
        "Pooling",
        "pooling_param { kernel_h: 1 kernel_w: 3 pad_h: 1 pad_w: 0 }",
        [MAP],
        "expected a pad smaller than the kernel 1x3, found 1x0",
    ),
    Refusal(
        "Pooling",
        "pooling_param { kernel_h: 3 kernel_w: 1 pad_h: 0 pad_w: 1 }",
        [MAP],
        "expected a pad smaller than the kernel 3x1, found 0x1",
    ),
    Refusal(
        "Pooling",
        "pooling_param { kernel_size: 2 stride: 0 }",
        [MAP],
        "expected a stride of at least 1, found 0",
    ),
    Refusal(
        "Pooling",
        "pooling_param { kernel_size: 2 kernel_w: 2 }",
        [MAP],
        "expected kernel_size or kernel_h and kernel_w, found both",
    ),
    Refusal(
        "Pooling",
        "pooling_param { kernel_size: 2 pad_w: 1 }",
        [MAP],
        "expected both pad_h and pad_w, found one of them",
    ),
    Refusal("Pooling", "", [MAP], "expected a kernel_size, found none"),
    Refusal(
        "Pooling",
        "pooling_param { global_pooling: true kernel_size: 9 }",
        [MAP],
        "expected global_pooling or a kernel size, found both",
    ),
    Refusal(
        "Pooling",
        "pooling_param { global_pooling: true stride: 2 }",
        [MAP],
        "expected stride 1 and pad 0 with global_pooling",
    ),
    Refusal(
        "Pooling",
        "pooling_param { global_pooling: true }",
        [(2, 5)],
        "expected a bottom of four axes (NCHW), found [2, 5]",
    ),
    Refusal(
        "Interp",
        "",
        [MAP],
        "expected its size from one of a second bottom, height and width, shrink_factor or "
        "zoom_factor; found none of them",
    ),
    Refusal(
        "Interp",
        "interp_param { height: 9 width: 9 zoom_factor: 2 }",
        [MAP, MAP],
        "expected its size from one of a second bottom, height and width, shrink_factor or "
        "zoom_factor; found a second bottom and height and width and shrink_factor or zoom_factor",
    ),
    Refusal(
        "Interp",
        "interp_param { height: 9 }",
        [MAP],
        "expected a height and width of at least 1, found 0",
    ),
    Refusal(
        "Interp",
        "interp_param { zoom_factor: 0 }",
        [MAP],
        "expected a zoom_factor of at least 1, found 0",
    ),
    Refusal(
        "Interp",
        "interp_param { shrink_factor: -1 }",
        [MAP],
        "expected a shrink_factor of at least 1, found -1",
    ),
    Refusal(
        "Interp",
        "interp_param { zoom_factor: 2 pad_beg: 1 }",
        [MAP],
        "expected pad_beg and pad_end of at most 0: they crop",
    ),
    Refusal(
        "Interp",
        "interp_param { zoom_factor: 2 pad_beg: -4 pad_end: -5 }",
        [MAP],
        "expected a map of at least 1, found 0",
    ),
    Refusal(
        "Interp",
        "",
        [MAP, (2, 5)],
        "expected bottoms of four axes (NCHW), found [[2, 4, 9, 11], [2, 5]]",
    ),
    Refusal("Interp", "", [MAP] * 3, 'expected 1 to 2 bottoms, found "a", "b", "c"'),
]


@pytest.mark.parametrize("case", CASES, ids=label)
def test_facts(case: Case) -> None:
    facts_hold(case)


@pytest.mark.parametrize("refusal", REFUSALS, ids=label)
def test_refusals(refusal: Refusal) -> None:
    refusal_holds(refusal)
