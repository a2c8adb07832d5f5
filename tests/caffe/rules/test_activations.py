"""Tables of the rules of activations."""

from __future__ import annotations

import pytest

from tests.caffe.rules.tables import MAP, Case, Refusal, facts_hold, label, refusal_holds

CURVES = {"base": -1.0, "scale": 1.0, "shift": 0.0}
CASES = [
    Case("AbsVal", "", [MAP], MAP),
    Case("BNLL", "", [(3,)], (3,)),
    Case("ReLU6", "", [MAP], MAP),
    Case("TanH", "tanh_param { engine: CAFFE }", [MAP], MAP),
    Case("Clip", "clip_param { min: -1 max: 6.1 }", [MAP], MAP, attributes={"min": -1, "max": 6.1}),
    Case("ELU", "", [MAP], MAP, attributes={"alpha": 1.0}),
    Case("ELU", "elu_param { alpha: 0.3 }", [MAP], MAP, attributes={"alpha": 0.3}),
    Case("Exp", "", [MAP], MAP, attributes=CURVES),
    Case(
        "Exp",
        "exp_param { base: 2 shift: 0.1 }",
        [MAP],
        MAP,
        attributes=CURVES | {"base": 2.0, "shift": 0.1},
    ),
    Case("Log", "", [MAP], MAP, attributes=CURVES),
    Case("Log", "log_param { scale: 0.7 }", [MAP], MAP, attributes=CURVES | {"scale": 0.7}),
    Case("Swish", "swish_param { beta: 1.1 }", [MAP], MAP, attributes={"beta": 1.1}),
    Case("Threshold", "", [MAP], MAP, attributes={"threshold": 0.0}),
    Case(
        "Threshold",
        "threshold_param { threshold: 0.4 }",
        [(2, 2)],
        (2, 2),
        attributes={"threshold": 0.4},
    ),
    Case("PReLU", "", [MAP], MAP, {"slope": (4,)}, attributes={"channel_shared": False}),
    Case("PReLU", "", [(5, 7)], (5, 7), {"slope": (7,)}, attributes={"channel_shared": False}),
    Case(
        "PReLU",
        "prelu_param { channel_shared: true }",
        [MAP],
        MAP,
        {"slope": ()},
        attributes={"channel_shared": True},
    ),
    Case("Dropout", "", [MAP], MAP, attributes={"dropout_ratio": 0.5}),
    Case(
        "Dropout",
        "dropout_param { dropout_ratio: 0.2 }",
        [(2, 3)],
        (2, 3),
        attributes={"dropout_ratio": 0.2},
    ),
]
TWO = 'expected 1 bottom, found "a", "b"'
REFUSALS = [
    *(
        Refusal(type_, "", [MAP, MAP], TWO)
        for type_ in ("AbsVal", "BNLL", "Clip", "ELU", "Exp", "Log", "ReLU6", "Swish", "TanH")
    ),
    Refusal("Threshold", "", [], "expected 1 bottom, found none"),
    Refusal("PReLU", "", [MAP, MAP], TWO),
    Refusal("PReLU", "", [(5,)], "expected a bottom with a channel axis, found [5]"),
    Refusal("Dropout", "", [MAP, MAP], TWO),
    Refusal(
        "Dropout",
        "dropout_param { dropout_ratio: 1 }",
        [MAP],
        "expected a dropout_ratio between 0 and 1, found 1.0",
    ),
    Refusal(
        "Dropout",
        "dropout_param { dropout_ratio: 0 }",
        [MAP],
        "expected a dropout_ratio between 0 and 1, found 0.0",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=label)
def test_facts(case: Case) -> None:
    facts_hold(case)


@pytest.mark.parametrize("refusal", REFUSALS, ids=label)
def test_refusals(refusal: Refusal) -> None:
    refusal_holds(refusal)
