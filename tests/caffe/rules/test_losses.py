"""Tables of the rules of what ends a net."""

from __future__ import annotations

import pytest

from ranparity.caffe.rules.losses import LOSSES
from tests.caffe.rules.tables import Case, Refusal, facts_hold, label, refusal_holds

SCORES, LABELS = (4, 10), (4,)
CASES = [
    *(Case(type_, "", [SCORES] * least, ()) for type_, (least, _) in LOSSES.items()),
    Case("SoftmaxWithLoss", "loss_param { ignore_label: 255 }", [SCORES, LABELS], [(), SCORES]),
    Case("SoftmaxWithLoss", "", [SCORES, LABELS], []),
    Case("InfogainLoss", "", [SCORES, LABELS, (10, 10)], ()),
    Case("Accuracy", "", [SCORES, LABELS], (), attributes={"top_k": 1, "axis": 1}),
    Case(
        "Accuracy",
        "accuracy_param { top_k: 5 axis: -1 }",
        [SCORES, LABELS],
        [(), (10,)],
        attributes={"top_k": 5, "axis": 1},
    ),
    Case(
        "DetectionOutput",
        "detection_output_param { num_classes: 21 nms_param { top_k: 400 } code_type: CORNER }",
        [(1, 8732), (1, 183372), (1, 2, 34928)],
        (1, 1, 1, 7),
        attributes={"num_classes": 21, "detections": "known when it runs"},
    ),
]
REFUSALS = [
    *(
        Refusal(
            type_,
            "",
            [SCORES],
            f'expected {least} bottoms, found "a"'
            if least == most
            else f'expected {least} to {most} bottoms, found "a"',
        )
        for type_, (least, most) in LOSSES.items()
    ),
    Refusal("SoftmaxWithLoss", "", [SCORES, LABELS], "expected 2 tops at most, found 3", tops=3),
    Refusal("Accuracy", "", [SCORES], 'expected 2 bottoms, found "a"'),
    Refusal("Accuracy", "", [SCORES, LABELS], "expected 2 tops at most, found 3", tops=3),
    Refusal(
        "Accuracy",
        "accuracy_param { top_k: 11 }",
        [SCORES, LABELS],
        "expected a top_k of at most 10 classes, found 11",
    ),
    Refusal(
        "Accuracy",
        "accuracy_param { top_k: 0 }",
        [SCORES, LABELS],
        "expected a top_k of at least 1, found 0",
    ),
    Refusal(
        "DetectionOutput",
        "detection_output_param { num_classes: 21 }",
        [(1, 8)] * 2,
        'expected 3 to 5 bottoms, found "a", "b"',
    ),
    Refusal("DetectionOutput", "", [(1, 8)] * 3, "expected a num_classes of at least 1, found 0"),
]


@pytest.mark.parametrize("case", CASES, ids=label)
def test_facts(case: Case) -> None:
    facts_hold(case)


@pytest.mark.parametrize("refusal", REFUSALS, ids=label)
def test_refusals(refusal: Refusal) -> None:
    refusal_holds(refusal)
