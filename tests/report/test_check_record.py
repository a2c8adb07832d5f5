from __future__ import annotations

from typing import Any

import pytest

from ranparity.models import zoo
from ranparity.report import check_record, records
from tests.report import samples

CHECK = "data/check-torch.json"


def check(**changes: Any) -> check_record.CheckRecord:
    files = samples.spoilt(samples.reports(), CHECK, **changes)
    return records.evidence(files).checks["torch"]


def with_first_result(**changes: Any) -> check_record.CheckRecord:
    results = samples.check("torch")["results"]
    results[0] = {k: v for k, v in (results[0] | changes).items() if v is not None}
    return check(results=results)


REQUIRED = sorted(set(samples.net(zoo.entry("attention56"))) - {"paper", "adaptations"})


@pytest.mark.parametrize("key", REQUIRED)
def test_a_result_without_a_key_is_a_fault_of_that_net_only(key: str) -> None:
    record = with_first_result(**{key: None})
    assert len(record.nets) == len(zoo.ENTRIES) - 1
    (fault,) = record.faults.values()
    assert f'"{key}", found no such key' in fault


@pytest.mark.parametrize("key", ["paper", "adaptations"])
def test_what_is_only_beside_a_verdict_may_be_missing(key: str) -> None:
    assert not with_first_result(**{key: None}).faults


DIFFERENCE = {
    "size": "224x224",
    "layer": "conv1",
    "what": "stride",
    "keras": "1x1",
    "prototxt": "2x2",
}


@pytest.mark.parametrize(
    "changes",
    [
        {"differences": [DIFFERENCE]},
        {"verdict": "fail"},
        {"verdict": "probably"},
        {"compared": 0},
    ],
)
def test_a_verdict_that_its_own_evidence_contradicts_is_a_fault(changes: dict[str, Any]) -> None:
    assert "contradicts" in with_first_result(**changes).faults["attention56"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"error": "killed by signal 9: nothing on stderr"}, "killed by signal 9"),
        ({"backend": "jax"}, "the record is of backend jax, in the file of torch"),
        ({"backend": None}, 'expected a string as "backend"'),
        ({"results": None}, 'expected a list as "results", found no such key'),
        ({"results": "none"}, 'expected a list as "results", found "none"'),
        ({"environment": "here"}, 'expected an object as "environment"'),
    ],
)
def test_a_check_without_evidence_is_an_error(changes: dict[str, Any], expected: str) -> None:
    assert check(**changes).error.startswith(expected)


def test_damaged_json_is_an_error_of_that_backend_only() -> None:
    found = records.evidence(samples.reports() | {CHECK: b'{"backend": "torch", "res'})
    assert found.checks["torch"].error.startswith("not JSON: Unterminated string")
    assert not found.checks["jax"].error


def test_what_depends_on_the_moment_is_left_out_of_a_comparison() -> None:
    one, other = samples.check("torch"), samples.check("torch")
    other |= {"seconds": 99.0, "environment": {"keras": "9"}, "keras": "9"}
    assert check_record.timeless(one) == check_record.timeless(other)
    other["results"][0]["errata"] = tuple(other["results"][0]["errata"])
    assert check_record.timeless(one) == check_record.timeless(other)
    other["results"][0]["compared"] += 1
    assert check_record.timeless(one) != check_record.timeless(other)
