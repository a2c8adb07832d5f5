"""Tables of the rules that keep a shape: normalisations, activations, sums and products."""

from __future__ import annotations

import pytest

from tests.caffe.rules.tables import MAP, Case, Refusal, facts_hold, label, refusal_holds

BN = [
    Case(
        "BN",
        "bn_param { frozen: true }",
        [MAP],
        MAP,
        {"slope": (4,), "bias": (4,)},
        {"mean": (4,), "variance": (4,)},
        attributes={"eps": 1e-5, "momentum": 0.9},
    ),
    Case(
        "BN",
        "bn_param { eps: 0.001 momentum: 0.99 slope_filler { value: 1 } }",
        [(5, 7)],
        (5, 7),
        {"slope": (7,), "bias": (7,)},
        {"mean": (7,), "variance": (7,)},
        attributes={"eps": 1e-3, "momentum": 0.99},
    ),
    *(
        Case(
            "BN",
            f"bn_param {{ {field} }}",
            [MAP],
            MAP,
            {"scale": (4,), "shift": (4,)},
            attributes={"dialect": "segnet"},
        )
        for field in (
            "bn_mode: INFERENCE",
            "scale_filler { value: 1 }",
            "shift_filler { value: 0 }",
        )
    ),
]
POINTWISE = [
    Case("ReLU", "", [MAP], MAP, attributes={"negative_slope": 0.0}),
    Case(
        "ReLU",
        "relu_param { negative_slope: 0.1 }",
        [(5,)],
        (5,),
        attributes={"negative_slope": 0.1},
    ),
    Case("Sigmoid", "", [MAP], MAP),
    Case("Softmax", "", [(2, 10)], (2, 10), attributes={"axis": 1}),
    Case("Softmax", "softmax_param { axis: -1 }", [MAP], MAP, attributes={"axis": 3}),
]
ELTWISE = [
    Case("Eltwise", "", [MAP, MAP], MAP, attributes={"operation": "SUM", "coeff": "1 1"}),
    Case(
        "Eltwise",
        "eltwise_param { coeff: 1 coeff: -0.3333333433 coeff: 2.5 }",
        [(3,)] * 3,
        (3,),
        attributes={"operation": "SUM", "coeff": "1 -0.33333334 2.5"},
    ),
    Case(
        "Eltwise",
        "eltwise_param { operation: PROD }",
        [MAP, MAP],
        MAP,
        attributes={"operation": "PROD"},
    ),
    Case(
        "Eltwise",
        "eltwise_param { operation: MAX }",
        [MAP, MAP],
        MAP,
        attributes={"operation": "MAX"},
    ),
]
BATCH_NORM = [
    Case(  # one mean and one variance a channel, and the factor that both are divided by
        "BatchNorm",
        "",
        [MAP],
        MAP,
        statistics={"mean": (4,), "variance": (4,), "factor": (1,)},
        attributes={"eps": 1e-5, "moving_average_fraction": 0.999},
    ),
    Case(  # whose statistics are used says the phase; Caffe's files fix their learning rates
        "BatchNorm",
        "param { lr_mult: 0 } param { lr_mult: 0 } param { lr_mult: 0 } batch_norm_param { "
        "use_global_stats: true moving_average_fraction: 0.9 eps: 0.001 }",
        [(5, 7)],
        (5, 7),
        statistics={"mean": (7,), "variance": (7,), "factor": (1,)},
        attributes={"eps": 1e-3, "moving_average_fraction": 0.9},
    ),
    Case(  # a blob of one axis is one channel
        "BatchNorm",
        "",
        [(5,)],
        (5,),
        statistics={"mean": (1,), "variance": (1,), "factor": (1,)},
        attributes={"eps": 1e-5, "moving_average_fraction": 0.999},
    ),
]
SCALE = [
    Case(
        "Scale",
        "",
        [MAP],
        MAP,
        {"weight": (4,)},
        attributes={"axis": 1, "bias_term": False},
    ),
    Case(
        "Scale",
        "scale_param { bias_term: true filler { value: 2 } bias_filler { value: 3 } }",
        [MAP],
        MAP,
        {"weight": (4,), "bias": (4,)},
        attributes={"axis": 1, "bias_term": True},
    ),
    Case(
        "Scale",
        "scale_param { axis: 1 num_axes: 2 bias_term: true }",
        [MAP],
        MAP,
        {"weight": (4, 9), "bias": (4, 9)},
        attributes={"axis": 1, "bias_term": True},
    ),
    Case(  # to the end
        "Scale",
        "scale_param { axis: 1 num_axes: -1 }",
        [MAP],
        MAP,
        {"weight": (4, 9, 11)},
        attributes={"axis": 1, "bias_term": False},
    ),
    Case(  # as many axes as there are
        "Scale",
        "scale_param { axis: -2 num_axes: 2 }",
        [MAP],
        MAP,
        {"weight": (9, 11)},
        attributes={"axis": 2, "bias_term": False},
    ),
    Case(  # one number for all
        "Scale",
        "scale_param { num_axes: 0 bias_term: true }",
        [MAP],
        MAP,
        {"weight": (), "bias": ()},
        attributes={"axis": 1, "bias_term": True},
    ),
    Case(  # a factor that is computed: only the summand is learned; num_axes is not read
        "Scale",
        "scale_param { axis: 0 num_axes: 1 bias_term: true }",
        [MAP, (2, 4)],
        MAP,
        {"bias": (2, 4)},
        attributes={"axis": 0, "bias_term": True},
    ),
    Case(
        "Scale",
        "scale_param { axis: 2 }",
        [MAP, (9, 11)],
        MAP,
        attributes={"axis": 2, "bias_term": False},
    ),
    Case(  # a computed number: the axis is not read
        "Scale",
        "scale_param { axis: 7 }",
        [MAP, ()],
        MAP,
        attributes={"axis": 0, "bias_term": False},
    ),
    Case("Scale", "", [(), ()], (), attributes={"axis": 0, "bias_term": False}),
]
MVN_DEFAULTS = {"normalize_variance": True, "across_channels": False, "eps": 1e-9}
MVN = [
    Case("MVN", "", [MAP], MAP, attributes=MVN_DEFAULTS),
    Case(
        "MVN",
        "mvn_param { across_channels: true }",
        [MAP],
        MAP,
        attributes=MVN_DEFAULTS | {"across_channels": True},
    ),
    Case(
        "MVN",
        "mvn_param { normalize_variance: false across_channels: true eps: 0.001 }",
        [(1, 1, 5, 5)],
        (1, 1, 5, 5),
        attributes={"normalize_variance": False, "across_channels": True, "eps": 1e-3},
    ),
]
NORMALIZE_DEFAULTS = {"across_spatial": True, "channel_shared": True, "eps": 1e-10}
NORMALIZE = [
    Case("Normalize", "", [MAP], MAP, {"scale": ()}, attributes=NORMALIZE_DEFAULTS),
    Case(
        "Normalize",
        "param { lr_mult: 0.5 } norm_param { across_spatial: false channel_shared: false "
        "eps: 1e-6 scale_filler { value: 20 } }",
        [MAP],
        MAP,
        {"scale": (4,)},
        attributes={"across_spatial": False, "channel_shared": False, "eps": 1e-6},
    ),
    Case(  # a scale that is not trained
        "Normalize",
        "param { lr_mult: 0 } norm_param { channel_shared: false }",
        [MAP],
        MAP,
        statistics={"scale": (4,)},
        attributes=NORMALIZE_DEFAULTS | {"channel_shared": False},
    ),
    Case(
        "Normalize",
        "param { lr_mult: 0 decay_mult: 0 }",
        [MAP],
        MAP,
        statistics={"scale": ()},
        attributes=NORMALIZE_DEFAULTS,
    ),
]
POWER = [
    Case("Power", "", [MAP], MAP, attributes={"power": 1.0, "scale": 1.0, "shift": 0.0}),
    Case(
        "Power",
        "power_param { power: 0.5 scale: -0.1 shift: 1e-6 }",
        [(5,)],
        (5,),
        attributes={"power": 0.5, "scale": -0.1, "shift": 1e-6},
    ),
    Case(
        "Power",
        "power_param { power: 2 }",
        [()],
        (),
        attributes={"power": 2.0, "scale": 1.0, "shift": 0.0},
    ),
]
BIAS = [
    Case("Bias", "", [MAP], MAP, {"bias": (4,)}, attributes={"axis": 1}),
    Case(
        "Bias",
        "bias_param { axis: 2 num_axes: -1 }",
        [MAP],
        MAP,
        {"bias": (9, 11)},
        attributes={"axis": 2},
    ),
    Case(
        "Bias",
        "bias_param { axis: 0 num_axes: 2 }",
        [MAP],
        MAP,
        {"bias": (2, 4)},
        attributes={"axis": 0},
    ),
    Case("Bias", "bias_param { num_axes: 0 }", [MAP], MAP, {"bias": ()}, attributes={"axis": 1}),
    Case("Bias", "", [MAP, (4, 9)], MAP, attributes={"axis": 1}),
    Case("Bias", "bias_param { axis: 7 }", [MAP, ()], MAP, attributes={"axis": 0}),
]
CASES = [
    *BIAS,
    *BN,
    *POINTWISE,
    *ELTWISE,
    *BATCH_NORM,
    *SCALE,
    *MVN,
    *NORMALIZE,
    *POWER,
]

REFUSALS = [
    Refusal("Bias", "", [MAP] * 3, 'expected 1 to 2 bottoms, found "a", "b", "c"'),
    Refusal("Bias", "bias_param { num_axes: 4 }", [MAP], "expected num_axes of -1 to 3, found 4"),
    Refusal("Bias", "bias_param { num_axes: -2 }", [MAP], "expected num_axes of -1 to 3, found -2"),
    Refusal(
        "Bias",
        "",
        [MAP, (9,)],
        "expected a summand of shape [4, 9, 11], or of its first axes, found [9]",
    ),
    Refusal(
        "Bias", "bias_param { axis: 4 }", [MAP], "expected an axis of a blob with 4 axes, found 4"
    ),
    Refusal("BN", "", [(5,)], "expected a bottom with a channel axis, found [5]"),
    Refusal("BN", "", [MAP, MAP], 'expected 1 bottom, found "a", "b"'),
    Refusal("ReLU", "", [], "expected 1 bottom, found none"),
    Refusal("Sigmoid", "", [MAP, MAP], 'expected 1 bottom, found "a", "b"'),
    Refusal("Softmax", "", [(5,)], "expected an axis of a blob with 1 axes, found 1"),
    Refusal(
        "Softmax",
        "softmax_param { axis: -5 }",
        [MAP],
        "expected an axis of a blob with 4 axes, found -5",
    ),
    Refusal("Eltwise", "", [MAP], 'expected at least 2 bottoms, found "a"'),
    Refusal(
        "Eltwise",
        "",
        [MAP, (2, 4, 9, 1)],
        "expected bottoms of equal shapes, found a [2, 4, 9, 11], b [2, 4, 9, 1]",
    ),
    Refusal(
        "Eltwise",
        "eltwise_param { operation: PROD coeff: 1 coeff: 1 }",
        [MAP, MAP],
        "expected coeff with operation SUM only, found PROD",
    ),
    Refusal(
        "Eltwise",
        "eltwise_param { coeff: 1 coeff: 1 coeff: 1 }",
        [MAP, MAP],
        "expected 2 values of coeff, found 3",
    ),
    Refusal("BatchNorm", "", [MAP, MAP], 'expected 1 bottom, found "a", "b"'),
    Refusal("BatchNorm", "", [()], "expected a bottom of at least one axis, found []"),
    Refusal("Scale", "", [], "expected 1 to 2 bottoms, found none"),
    Refusal("Scale", "", [MAP] * 3, 'expected 1 to 2 bottoms, found "a", "b", "c"'),
    Refusal("Scale", "", [(5,)], "expected an axis of a blob with 1 axes, found 1"),
    Refusal("Scale", "", [()], "expected an axis of a blob with 0 axes, found 1"),
    Refusal(
        "Scale",
        "scale_param { axis: 4 }",
        [MAP, (4,)],
        "expected an axis of a blob with 4 axes, found 4",
    ),
    Refusal(
        "Scale",
        "scale_param { axis: 2 num_axes: 3 }",
        [MAP],
        "expected num_axes of -1 to 2, found 3",
    ),
    Refusal(
        "Scale", "scale_param { num_axes: -2 }", [MAP], "expected num_axes of -1 to 3, found -2"
    ),
    Refusal(
        "Scale",
        "",
        [MAP, (2, 4)],
        "expected a factor of shape [4, 9, 11], or of its first axes, found [2, 4]",
    ),
    Refusal(
        "Scale",
        "",
        [MAP, (4, 9, 11, 1)],
        "expected a factor of shape [4, 9, 11], or of its first axes, found [4, 9, 11, 1]",
    ),
    Refusal("MVN", "", [(2, 5)], "expected a bottom of four axes (NCHW), found [2, 5]"),
    Refusal("MVN", "", [MAP, MAP], 'expected 1 bottom, found "a", "b"'),
    Refusal("Normalize", "", [(2, 5)], "expected a bottom of four axes (NCHW), found [2, 5]"),
    Refusal("Normalize", "", [], "expected 1 bottom, found none"),
    Refusal("Power", "", [MAP, MAP], 'expected 1 bottom, found "a", "b"'),
]


@pytest.mark.parametrize("case", CASES, ids=label)
def test_facts(case: Case) -> None:
    facts_hold(case)


@pytest.mark.parametrize("refusal", REFUSALS, ids=label)
def test_refusals(refusal: Refusal) -> None:
    refusal_holds(refusal)
