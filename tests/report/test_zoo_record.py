from __future__ import annotations

from typing import Any

import pytest

from ranparity.models import zoo
from ranparity.report import records
from ranparity.report.zoo_record import ZooRecord
from tests.report import samples

PATH = "data/zoo-jax.json"
NET, TRAINING = samples.whole_zoo("jax")["nets"][0], samples.whole_zoo("jax")["trainings"][0]


def read(**changes: Any) -> ZooRecord:
    files = {PATH: samples.encoded(samples.whole_zoo("jax"))}
    return records.evidence(samples.spoilt(files, PATH, **changes)).zoo["jax"]


def with_net(**changes: Any) -> ZooRecord:
    row = NET | changes
    return read(nets=[{key: value for key, value in row.items() if value is not None}])


def with_training(**changes: Any) -> ZooRecord:
    row = TRAINING | changes
    return read(trainings=[{key: value for key, value in row.items() if value is not None}])


def test_a_whole_record_is_read() -> None:
    record = read()
    assert (record.backend, record.path, record.error) == ("jax", PATH, "")
    assert list(record.nets) == list(zoo.ENTRIES)
    assert all(row.passed for row in record.nets.values())
    assert [row.accuracy for row in record.trainings.values()] == [0.25, 0.25]
    assert record.environment is not None


def test_it_is_among_the_files(tmp_path: Any) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / PATH).write_text("{}")
    assert list(records.load(tmp_path)) == [PATH]


@pytest.mark.parametrize(
    "key", sorted(set(NET) - {"differences"} | {"parameters"} - {"model", "title"})
)
def test_a_missing_key_of_a_net_is_an_error(key: str) -> None:
    assert f'"{key}", found no such key' in with_net(**{key: None}).error


@pytest.mark.parametrize("key", sorted(TRAINING))
def test_a_missing_key_of_a_training_is_an_error(key: str) -> None:
    assert f'"{key}", found no such key' in with_training(**{key: None}).error


CONTRADICTS = "contradicts its evidence"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"verdict": "fail"}, f'attention56: the verdict "fail" {CONTRADICTS}'),
        ({"differ": 3}, f'attention56: the verdict "pass" {CONTRADICTS}'),
        ({"compared": 0}, f'attention56: the verdict "pass" {CONTRADICTS}'),
        ({"faults": ["no shape"]}, f'attention56: the verdict "pass" {CONTRADICTS}'),
        ({"logits": "1 x"}, 'nets 1: expected numbers as "logits", found 1 x'),
        ({"seconds": {"build": 1}}, '"forward", found no such key'),
    ],
)
def test_a_net_that_contradicts_itself_is_an_error(changes: dict[str, Any], expected: str) -> None:
    assert expected in with_net(**changes).error


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"verdict": "fail"}, CONTRADICTS),
        ({"faults": ["too low"]}, CONTRADICTS),
        ({"test_accuracy": 1.5}, 'expected 0 to 1 as "test_accuracy", found 1.5'),
    ],
)
def test_a_training_that_contradicts_itself_is_an_error(
    changes: dict[str, Any], expected: str
) -> None:
    assert expected in with_training(**changes).error


def test_rows_that_failed_need_no_results() -> None:
    failed = {"model": "attention56", "title": "Attention-56", "error": "died"}
    record = read(nets=[failed], trainings=[failed])
    assert record.error == ""
    assert not record.nets["attention56"].passed
    assert not record.trainings["attention56"].passed


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"error": "no memory"}, "no memory"),
        ({"backend": "torch"}, "the record is of backend torch, in the file of jax"),
        ({"nets": 3}, 'expected a list as "nets", found 3'),
    ],
)
def test_a_record_without_evidence_says_why(changes: dict[str, Any], expected: str) -> None:
    assert read(**changes).error == expected


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_damaged_file_is_an_error(content: bytes) -> None:
    assert records.evidence({PATH: content}).zoo["jax"].error
