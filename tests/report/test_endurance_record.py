from __future__ import annotations

from typing import Any

import pytest

from ranparity.parity import endurance
from ranparity.report import records
from ranparity.report.endurance_record import EnduranceRecord
from tests.report import samples

PATH = "data/endurance-torch.json"


def read(**changes: Any) -> EnduranceRecord:
    return records.evidence(samples.spoilt(samples.reports(), PATH, **changes)).endurance["torch"]


def test_a_whole_record_is_read() -> None:
    record = read()
    assert (record.backend, record.path, record.error) == ("torch", PATH, "")
    assert record.kills == {"checkpoint": 4, "step": 3, "moment": 2}
    assert (record.rounds, len(record.steps), record.differences) == (2, 9, ())


def test_what_the_trial_writes_down_is_what_is_read() -> None:
    result = endurance.Endurance("torch", steps=[3], rounds=1)
    result.kills["moment"] += 1
    written = endurance.described(result, ["--steps", "9"], 4)
    assert set(written) == {"schema", *samples.endurance("torch")}
    record = read(**written)
    assert record.error == ""
    assert (record.steps, record.options, record.seed) == ((3,), ("--steps", "9"), 4)


REQUIRED = sorted(set(samples.endurance("torch")) - {"environment"})


@pytest.mark.parametrize("key", REQUIRED)
def test_a_missing_key_is_an_error_that_says_so(key: str) -> None:
    assert f'"{key}", found no such key' in read(**{key: None}).error


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"error": "the run ended with 3: no memory"}, "the run ended with 3: no memory"),
        ({"backend": "jax"}, "the record is of backend jax, in the file of torch"),
        ({"verdict": "differs"}, 'the verdict "differs" contradicts 0 differences'),
        ({"differences": ["steps: 1 and 2"]}, 'the verdict "same" contradicts 1 differences'),
        ({"kills": {"step": 8}}, "8 kills by kind, and the steps at 9 kills"),
        ({"kills": {}, "steps_at_kills": []}, "no run was killed"),
        ({"kills": {"step": "9"}}, 'expected an integer of 0 or more in "step"'),
        ({"steps_at_kills": [-1]}, 'expected an integer of 0 or more in "steps_at_kills"'),
        ({"differences": [3]}, 'expected a list of strings as "differences", found [3]'),
        ({"environment": "here"}, 'expected an object as "environment", found "here"'),
    ],
)
def test_a_record_that_shows_nothing_is_an_error(changes: dict[str, Any], expected: str) -> None:
    assert read(**changes).error == expected


@pytest.mark.parametrize("content", [b"{", b"[]", b"", b"\xff"])
def test_a_damaged_file_is_an_error_of_that_backend_only(content: bytes) -> None:
    found = records.evidence(samples.reports() | {PATH: content}).endurance
    assert found["torch"].error
    assert not found["jax"].error
