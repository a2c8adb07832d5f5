"""Levels 1 to 3 in mixed precisions: each backend passes, and what is wrong does not.

They are judged by the one constant for all, in terms of the roundings of that precision.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from ranparity.parity.ladder import rounding
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.rounding import LIMIT
from ranparity.parity.ladder.run import Found, Ladder

CASE = Case("resnet18-cifar@8", (16, 16), 4)
ON = (("torch", "float16"), ("tensorflow", "bfloat16"), ("jax", "float16"))
"""Each backend and each precision; what is compiled takes long, and what differs is the noise."""
FAULT = "bn-momentum"  # of what is kept in float32: 100 roundings of 16 bits hide smaller ones


def climbed(backend: str, case: Case, folder: Path) -> Found:
    return Ladder([backend], folder / "work", folder / "cache", lambda _: None).run(case)


@pytest.mark.parametrize(("backend", "precision"), ON)
def test_roundings_explain_a_clean_net_and_nothing_else(
    backend: str, precision: str, tmp_path: Path
) -> None:
    case = dataclasses.replace(CASE, precision=precision)
    found = climbed(backend, case, tmp_path)
    assert not found.failures
    assert found.verdict == "pass"
    content = json.loads(json.dumps(found.to_json(rows=True), allow_nan=False))
    for result in content["results"]:
        assert result["tensors"] > 60
        assert 0.1 < result["worst_rho"] < LIMIT
    errors = {row["tensor"]: row["largest_error"] for row in content["results"][0]["rows"]}
    assert errors["blob/conv1"] > 2.0**-12, "it is rounded to few bits"
    altered = climbed(backend, dataclasses.replace(case, fault=FAULT, levels=(3,)), tmp_path)
    assert not altered.failures
    assert altered.verdict == "fail"
    (result,) = altered.results
    assert result.first
    assert "/bn" in result.first.tensor


def test_what_is_kept_is_judged_by_the_wider_type() -> None:
    """In terms of bfloat16's own roundoff a weight could be a 256th off, more than a step is."""

    def row(tensor: str) -> rounding.Row:
        import numpy as np

        one = np.ones(8)
        return rounding.compare(tensor, one * (1 + 2.0**-12), one, 0.0, "bfloat16")

    verdicts: dict[str, Any] = {}
    for kind in ("blob/a", "gradient/a", "weight/a", "kept/a/velocity", "statistic/a", "loss"):
        verdicts[kind] = row(kind).verdict
    assert verdicts == {
        "blob/a": "rounding",
        "gradient/a": "rounding",
        "weight/a": "differs",
        "kept/a/velocity": "differs",
        "statistic/a": "differs",
        "loss": "differs",
    }
