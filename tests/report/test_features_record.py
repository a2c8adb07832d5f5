from __future__ import annotations

from typing import Any

import pytest

from ranparity.report import records
from ranparity.report.features_record import FeaturesRecord
from tests.report import picture_samples, samples
from tests.report.picture_samples import FEATURES


def read(**changes: Any) -> FeaturesRecord:
    files = samples.spoilt(picture_samples.reports(), FEATURES, **changes)
    (record,) = records.evidence(files).features
    return record


def test_a_whole_record_is_read() -> None:
    record = read()
    assert (record.of.path, record.of.error, record.images) == (FEATURES, "", 360)
    before, after = record.sides["before"], record.sides["after"]
    assert (before.compactness, before.distance, before.accuracy) == (3.25, 0.5, 0.875)
    assert (after.compactness, after.distance, after.accuracy) == (1.25, 0.75, None)
    assert after.points[1] == (4.0, -1.0)
    assert (record.labels, record.class_names) == ((0, 1, 0, 1), ("cat", "dog"))
    assert (record.seed, record.perplexity) == (123, 1.0)


def test_a_run_without_features_has_no_record() -> None:
    assert records.evidence(samples.reports()).features == ()


def tsne(**changes: Any) -> dict[str, Any]:
    return {"tsne": picture_samples.features()["tsne"] | changes}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (tsne(labels=[]), "tsne: expected the label of a class for each image that is drawn"),
        (tsne(labels=[0, 1, 0, 2]), "tsne: expected the label of a class for each image"),
        (tsne(before=[[0, 0]]), "tsne: 1 places before, and 4 labels"),
        (tsne(after=[[0, 0, 0]] * 4), "tsne: expected two numbers as a place, found 3"),
        (tsne(after=[["x", 0]] * 4), 'tsne: expected a list of finite numbers as "point"'),
        (tsne(after=[3] * 4), 'tsne: expected a list of finite numbers as "point"'),
        ({"before": {}}, 'before: expected a finite number as "intra_class_compactness"'),
        ({"class_names": None}, 'expected a list of strings as "class_names"'),
        ({"weights_digest": "f" * 64}, "it is of weights of digest ffffffffffff, and the run's"),
    ],
)
def test_a_damaged_record_is_an_error_that_says_why(changes: dict[str, Any], expected: str) -> None:
    record = read(**changes)
    assert expected in record.of.error
    assert record.sides == {}


def test_a_run_whose_own_record_is_damaged_keeps_its_features() -> None:
    files = picture_samples.reports() | {f"{picture_samples.RUN}/run.json": b"{"}
    (record,) = records.evidence(files).features
    assert record.of.error == ""
