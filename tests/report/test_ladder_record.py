"""The ladder's records: read whole, and never taken for a pass where they are damaged."""

from __future__ import annotations

import json
import math

import pytest

from ranparity.report import ladder_record, records
from ranparity.report.ladder_record import LADDER, PROOF
from tests.report import ladder_samples, samples


def test_a_record_of_nets_is_read() -> None:
    found = ladder_record.read(ladder_samples.ladder())
    assert not found.error
    first, second, free, other = found.levels
    assert (first.model, first.level, first.size) == ("attention56-cifar", 1, "32x32")
    assert (first.tensors, first.verdict) == (2, "pass")
    assert first.quantiles == pytest.approx((0.6, 0.68, 0.698, 0.7))
    assert (second.level, second.worst) == (2, 2.5)
    assert second.layers == {"layer0": 1.5, "layer1": 2.5, "silent": None}
    assert free.layers == {}
    assert (free.level, free.backend, other.backend) == (5, "torch", "jax")
    (runs,) = found.runs
    assert (runs.model, runs.data, list(runs.twins)) == (
        "attention56-cifar",
        "digits",
        ["torch", "jax"],
    )
    assert runs.pairs[0].backends == ("torch", "jax")
    assert len(runs.twins["jax"]) == 2
    assert found.seconds == {"attention56-cifar, float32": 61.0}
    assert found.peaks == {"attention56-cifar, float32": 3 << 30}


def test_a_rho_that_is_infinite_is_read() -> None:
    found = ladder_record.read(ladder_samples.ladder(ladder_samples.result(1, 1.0, math.inf)))
    assert found.levels[0].worst == math.inf
    assert (found.levels[0].verdict, found.levels[0].first) == ("fail", "layer1")
    assert found.levels[0].quantiles == ()
    assert found.levels[0].layers == {"layer0": 1.0, "layer1": math.inf, "silent": None}


def test_a_proof_is_read() -> None:
    found = ladder_record.read_proof(ladder_samples.proof())
    clean, pair, fault, below = found.trials
    assert (clean.fault, clean.worst, clean.caught) == ("", {1: 0.9, 2: 0.9}, ())
    assert (pair.backend, pair.worst) == ("torch~jax", {5: 3.5})
    assert (fault.fault, fault.caught, fault.right_layer) == ("bn-eps", (2,), True)
    assert below.fault == "bn-eps-barely"
    error = ladder_samples.trial(error="it died")
    assert ladder_record.read_proof(ladder_samples.proof(error)).trials[0].error == "it died"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"verdict": "pass"', b'"verdict": "fine"', 'expected pass or fail as "verdict"'),
        (b'"level": 1', b'"level": 7', "expected a level from 1 to 5, found 7"),
        (b'"worst_rho": 0.7', b'"worst_rho": "much"', 'expected a finite number as "worst_rho"'),
        (b'"layer_rho": [0.5, 0.7, null]', b'"layer_rho": [0.5]', "expected 3 values"),
        (b'"layer_rho": [0.5, ', b'"layer_rho": ["far", ', 'expected a finite number as "layer_rh'),
        (b'"limit"', b'"limits"', 'expected a finite number as "limit"'),
        (b"{", b"", "not JSON"),
    ],
)
def test_damage_is_told_and_gives_nothing(old: bytes, new: bytes, said: str) -> None:
    found = ladder_record.read(ladder_samples.ladder().replace(old, new, 1))
    assert said in found.error
    assert not found.levels


def test_a_damaged_proof_is_told() -> None:
    content = json.loads(ladder_samples.proof())
    content["rows"][0]["levels"] = {"9": {"verdict": "pass"}}
    found = ladder_record.read_proof(json.dumps(content).encode())
    assert found.error == "expected levels from 1 to 5, found 9"
    assert not found.trials


def test_evidence_has_them() -> None:
    files = samples.reports() | {LADDER: ladder_samples.ladder(), PROOF: ladder_samples.proof()}
    found = records.evidence(files)
    assert found.ladder is not None
    assert found.proof is not None
    assert records.evidence(samples.reports()).ladder is None
