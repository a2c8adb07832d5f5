"""Tables of the rules that make another shape: products, parts, reductions."""

from __future__ import annotations

import pytest

from tests.caffe.rules.tables import MAP, Case, Refusal, facts_hold, label, refusal_holds

DENSE = {"num_output": 7, "bias_term": True, "axis": 1, "transpose": False}
INNER_PRODUCT = [
    Case(
        "InnerProduct",
        "inner_product_param { num_output: 7 }",
        [MAP],
        (2, 7),
        {"weight": (7, 396), "bias": (7,)},
        macs=7 * 396,
        attributes=DENSE,
    ),
    Case(
        "InnerProduct",
        "inner_product_param { num_output: 7 bias_term: false transpose: true }",
        [(2, 5)],
        (2, 7),
        {"weight": (5, 7)},
        macs=35,
        attributes=DENSE | {"bias_term": False, "transpose": True},
    ),
    Case(  # each of the 4 x 9 rows of one image is multiplied
        "InnerProduct",
        "inner_product_param { num_output: 7 axis: -1 }",
        [MAP],
        (2, 4, 9, 7),
        {"weight": (7, 11), "bias": (7,)},
        macs=4 * 9 * 7 * 11,
        attributes=DENSE | {"axis": 3},
    ),
]
FLATTEN = [
    Case("Flatten", "", [MAP], (2, 396), attributes={"axis": 1, "end_axis": 3}),
    Case(
        "Flatten",
        "flatten_param { axis: 0 end_axis: -2 }",
        [MAP],
        (72, 11),
        attributes={"axis": 0, "end_axis": 2},
    ),
    Case(
        "Flatten",
        "flatten_param { axis: -3 end_axis: 2 }",
        [MAP],
        (2, 36, 11),
        attributes={"axis": 1, "end_axis": 2},
    ),
    Case(  # one axis is as flat as it gets
        "Flatten",
        "flatten_param { axis: 2 end_axis: 2 }",
        [MAP],
        MAP,
        attributes={"axis": 2, "end_axis": 2},
    ),
]
SLICE = [
    Case("Slice", "", [MAP], [(2, 2, 9, 11)] * 2, attributes={"axis": 1}),
    Case(
        "Slice",
        "slice_param { axis: -2 slice_point: 2 slice_point: 3 }",
        [MAP],
        [(2, 4, 2, 11), (2, 4, 1, 11), (2, 4, 6, 11)],
        attributes={"axis": 2},
    ),
    Case(  # what the first versions of Caffe called it; pieces of one each
        "Slice",
        "slice_param { slice_dim: 0 slice_point: 1 }",
        [MAP],
        [(1, 4, 9, 11)] * 2,
        attributes={"axis": 0},
    ),
    Case("Slice", "slice_param { axis: 0 }", [(6,)], [(2,)] * 3, attributes={"axis": 0}),
    Case("Slice", "", [MAP], MAP, attributes={"axis": 1}),
]
CONCAT = [
    Case(
        "Concat",
        "",
        [MAP, (2, 1, 9, 11), MAP],
        (2, 9, 9, 11),
        attributes={"axis": 1},
    ),
    Case(
        "Concat",
        "concat_param { axis: -1 }",
        [(5, 3), (5, 4)],
        (5, 7),
        attributes={"axis": 1},
    ),
    Case(
        "Concat",
        "concat_param { concat_dim: 0 }",
        [MAP, (3, 4, 9, 11)],
        (5, 4, 9, 11),
        attributes={"axis": 0},
    ),
    Case("Concat", "concat_param { axis: 2 }", [MAP], MAP, attributes={"axis": 2}),
]
REDUCTION = [
    Case(
        "Reduction",
        "",
        [MAP],
        (),
        attributes={"operation": "SUM", "axis": 0, "coeff": 1.0},
    ),
    Case(
        "Reduction",
        "reduction_param { operation: MEAN axis: 1 coeff: 0.1 }",
        [MAP],
        (2,),
        attributes={"operation": "MEAN", "axis": 1, "coeff": 0.1},
    ),
    Case(
        "Reduction",
        "reduction_param { operation: SUMSQ axis: -1 }",
        [MAP],
        (2, 4, 9),
        attributes={"operation": "SUMSQ", "axis": 3, "coeff": 1.0},
    ),
    Case(
        "Reduction",
        "reduction_param { operation: ASUM }",
        [(7,)],
        (),
        attributes={"operation": "ASUM", "axis": 0, "coeff": 1.0},
    ),
]
PARAMETER = [
    Case(
        "Parameter",
        "parameter_param { shape { dim: 3 dim: 512 } }",
        [],
        (3, 512),
        {"parameter": (3, 512)},
    ),
    Case("Parameter", "parameter_param { shape { dim: 1 } }", [], (1,), {"parameter": (1,)}),
]
CASES = [*INNER_PRODUCT, *FLATTEN, *SLICE, *CONCAT, *REDUCTION, *PARAMETER]

REFUSALS = [
    Refusal("InnerProduct", "", [MAP], "expected a num_output of at least 1, found 0"),
    Refusal(
        "InnerProduct",
        "inner_product_param { num_output: 7 axis: 4 }",
        [MAP],
        "expected an axis of a blob with 4 axes, found 4",
    ),
    Refusal("Flatten", "", [MAP, MAP], 'expected 1 bottom, found "a", "b"'),
    Refusal("Flatten", "", [(5,)], "expected an axis of a blob with 1 axes, found 1"),
    Refusal(
        "Flatten",
        "flatten_param { end_axis: 4 }",
        [MAP],
        "expected an axis of a blob with 4 axes, found 4",
    ),
    Refusal(
        "Flatten",
        "flatten_param { axis: 2 end_axis: 1 }",
        [MAP],
        "expected an end_axis of at least 2, found 1",
    ),
    Refusal("Slice", "", [], "expected 1 bottom, found none", tops=2),
    Refusal("Slice", "", [MAP], "expected a number of tops of at least 1, found 0", tops=0),
    Refusal(
        "Slice",
        "",
        [MAP],
        "expected a length that 3 tops divide, found 4",
        tops=3,
    ),
    Refusal(
        "Slice",
        "slice_param { axis: 4 }",
        [MAP],
        "expected an axis of a blob with 4 axes, found 4",
        tops=2,
    ),
    Refusal(
        "Slice",
        "slice_param { axis: 1 slice_dim: 1 }",
        [MAP],
        "expected axis or slice_dim, found both",
        tops=2,
    ),
    Refusal(
        "Slice",
        "slice_param { slice_dim: 4294967295 }",
        [MAP],
        "expected an axis of a blob with 4 axes, found 4294967295",
        tops=2,
    ),
    Refusal(
        "Slice",
        "slice_param { slice_point: 1 slice_point: 2 }",
        [MAP],
        "expected 1 slice_point, found 2",
        tops=2,
    ),
    Refusal(
        "Slice",
        "slice_param { slice_point: 1 }",
        [MAP],
        "expected 2 slice_points, found 1",
        tops=3,
    ),
    Refusal(
        "Slice",
        "slice_param { slice_point: 2 slice_point: 2 }",
        [MAP],
        "expected slice_points that rise within 1 to 3, found [2, 2]",
        tops=3,
    ),
    Refusal(
        "Slice",
        "slice_param { slice_point: 3 slice_point: 1 }",
        [MAP],
        "expected slice_points that rise within 1 to 3, found [3, 1]",
        tops=3,
    ),
    Refusal(
        "Slice",
        "slice_param { slice_point: 0 }",
        [MAP],
        "expected slice_points that rise within 1 to 3, found [0]",
        tops=2,
    ),
    Refusal(
        "Slice",
        "slice_param { slice_point: 4 }",
        [MAP],
        "expected slice_points that rise within 1 to 3, found [4]",
        tops=2,
    ),
    Refusal("Concat", "", [], "expected at least 1 bottom, found none"),
    Refusal("Concat", "", [(5,), (5,)], "expected an axis of a blob with 1 axes, found 1"),
    Refusal(
        "Concat",
        "concat_param { axis: 1 concat_dim: 1 }",
        [MAP, MAP],
        "expected axis or concat_dim, found both",
    ),
    Refusal(
        "Concat",
        "",
        [MAP, (2, 4, 9, 1)],
        "expected bottoms that differ in axis 1 only, found a [2, 4, 9, 11], b [2, 4, 9, 1]",
    ),
    Refusal(
        "Concat",
        "",
        [MAP, (3, 4, 9, 11)],
        "expected bottoms that differ in axis 1 only, found a [2, 4, 9, 11], b [3, 4, 9, 11]",
    ),
    Refusal(
        "Concat",
        "",
        [(2, 4), (2, 4, 1)],
        "expected bottoms that differ in axis 1 only, found a [2, 4], b [2, 4, 1]",
    ),
    Refusal(  # axes are counted, not only compared
        "Concat",
        "concat_param { axis: 2 }",
        [(2, 4, 1), (2, 4)],
        "expected bottoms that differ in axis 2 only, found a [2, 4, 1], b [2, 4]",
    ),
    Refusal("Reduction", "", [MAP, MAP], 'expected 1 bottom, found "a", "b"'),
    Refusal(
        "Reduction",
        "reduction_param { axis: 4 }",
        [MAP],
        "expected an axis of a blob with 4 axes, found 4",
    ),
    Refusal("Reduction", "", [()], "expected an axis of a blob with 0 axes, found 0"),
    Refusal(
        "Parameter",
        "parameter_param { shape { dim: 3 } }",
        [MAP],
        'expected 0 bottoms, found "a"',
    ),
    Refusal("Parameter", "", [], "expected a shape of positive dimensions, found []"),
    Refusal(
        "Parameter",
        "parameter_param { shape { dim: 3 dim: 0 } }",
        [],
        "expected a shape of positive dimensions, found [3, 0]",
    ),
    Refusal(
        "Parameter",
        "parameter_param { shape { dim: 3 dim: -1 } }",
        [],
        "expected a shape of positive dimensions, found [3, -1]",
    ),
    Refusal(
        "Parameter",
        "parameter_param { shape { dim: 65536 dim: 32768 } }",
        [],
        'blob "top" would be 65536x32768; expected at most 2147483647 elements, as in Caffe',
    ),
]


@pytest.mark.parametrize("case", CASES, ids=label)
def test_facts(case: Case) -> None:
    facts_hold(case)


@pytest.mark.parametrize("refusal", REFUSALS, ids=label)
def test_refusals(refusal: Refusal) -> None:
    refusal_holds(refusal)
