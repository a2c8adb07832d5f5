from __future__ import annotations

import json
from typing import Any

import pytest

from ranparity.report import records
from ranparity.report.direction_record import DIRECTIONS, DirectionRecord, read
from tests.report import samples

KEY = ("attention-residual", "digits")


def experiment(**changes: Any) -> dict[str, Any]:
    """One that holds; a key set to None is taken out."""
    content = {
        "name": "attention-residual",
        "data": "digits",
        "what": "attention56-cifar@8 against attention56-cifar-naive@8, 4 epochs",
        "statistic": "error of naive less error of residual, points",
        "direction": "above 0 if residual is better",
        "per_seed": [1.5, 0.5, 1.0],
        "mean": 1.0,
        "spread": 0.5,
        "holds": "yes",
        "runs": [{"id": "a", "test_accuracy": 0.9}],
    } | changes
    return {key: value for key, value in content.items() if value is not None}


def record(*experiments: dict[str, Any]) -> DirectionRecord:
    return read(json.dumps({"experiments": experiments or [experiment()]}).encode())


def test_an_experiment_is_read() -> None:
    found = record().experiments[KEY]
    assert (found.per_seed, found.mean, found.spread, found.holds) == (
        (1.5, 0.5, 1.0),
        1,
        0.5,
        "yes",
    )
    assert record().error == ""


def test_it_is_among_the_records() -> None:
    files = {DIRECTIONS: json.dumps({"experiments": [experiment()]}).encode()}
    found = records.evidence(samples.reports() | files).directions
    assert found is not None
    assert list(found.experiments) == [KEY]
    assert records.evidence(samples.reports()).directions is None


def test_it_is_loaded_with_the_others(tmp_path: Any) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / DIRECTIONS).write_text("{}")
    assert list(records.load(tmp_path)) == [DIRECTIONS]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"holds": "maybe"}, 'expected yes, no, inconclusive as "holds", found "maybe"'),
        ({"mean": 3.0}, "the mean 3 contradicts the seeds', 1"),
        ({"runs": []}, "expected several seeds, and the runs that they were taken from"),
        (
            {"per_seed": [1.0], "mean": 1.0},
            "expected several seeds, and the runs that they were taken from",
        ),
        (
            {"per_seed": ["a"]},
            'experiment 1: expected a list of finite numbers as "per_seed", found ["a"]',
        ),
        ({"spread": None}, 'experiment 1: expected a finite number as "spread", found no such key'),
    ],
)
def test_an_experiment_that_contradicts_itself_is_no_evidence(
    changes: dict[str, Any], fault: str
) -> None:
    found = record(experiment(**changes))
    assert not found.experiments
    assert found.faults == {KEY: fault}


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "not JSON: Expecting value at line 1, column 1"),
        (b'{"error": "stopped"}', "stopped"),
        (b"{}", 'expected a list as "experiments", found no such key'),
        (b'{"experiments": [1]}', "experiment 1: expected an object, found 1"),
    ],
)
def test_a_record_that_cannot_be_read_is_an_error(content: bytes, error: str) -> None:
    assert read(content) == DirectionRecord({}, {}, error)
