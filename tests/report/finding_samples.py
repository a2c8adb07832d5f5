"""A record of defects of frameworks: one still there, one gone."""

from __future__ import annotations

from typing import Any

from ranparity.parity.findings import digest
from tests.report import samples

FINDINGS = "data/findings.json"
SCRIPT = ['"""Keras computes `tanh` in float32.', "", 'Found."""', "", "print('still there')", ""]


def finding(name: str, **changes: Any) -> dict[str, Any]:
    """A defect that is still there; a key set to None is taken out."""
    there = {
        "id": name,
        "title": f"Keras computes `{name}` in float32",
        "description": ["Expected: 0.1 to 16 digits.", "Found: to 8, by `tanh`."],
        "digest": digest(SCRIPT),
        "printed": ["versions: keras 3.15.1, jax 0.10.2", "still there"],
        "has": True,
        "versions": {"keras": "3.15.1", "jax": "0.10.2"},
        "script": SCRIPT,
        "seconds": 3.1,
        "environment": samples.ENVIRONMENT,
    }
    return {key: value for key, value in (there | changes).items() if value is not None}


def gone(name: str, **changes: Any) -> dict[str, Any]:
    """A defect of TensorFlow that is not there."""
    printed = ["versions: tensorflow 2.99", "gone"]
    mended = {"has": False, "printed": printed, "versions": {"tensorflow": "2.99"}}
    return finding(name, **mended | changes)


def silent(name: str, **why: str) -> dict[str, Any]:
    """A script that has said nothing, and why."""
    return finding(name, **{"has": None, "versions": None, "printed": []} | why)


def reports(*rows: dict[str, Any]) -> samples.Files:
    """All records of a reports folder, with these findings, or one still there and one gone."""
    found = list(rows) or [finding("keras_jax_tanh"), gone("tensorflow_thing")]
    return samples.reports() | {FINDINGS: samples.encoded({"findings": found})}
