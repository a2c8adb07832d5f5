from __future__ import annotations

from typing import Any

import pytest

from ranparity.report import records
from ranparity.report.masks_record import MasksRecord
from tests.report import picture_samples, samples
from tests.report.picture_samples import MASKS, RUN


def only(files: samples.Files) -> MasksRecord:
    (record,) = records.evidence(files).masks
    return record


def read(**changes: Any) -> MasksRecord:
    return only(samples.spoilt(picture_samples.reports(), MASKS, **changes))


def test_a_whole_record_is_read() -> None:
    record = read()
    assert (record.of.run, record.of.path, record.of.error) == ("report-torch", MASKS, "")
    assert record.of.title == "a-net on digits, trained on torch"
    assert (record.of.trained_on, record.of.backend) == ("torch", "jax")
    assert record.images == ("held-out image 4 of class 7", "a.png")
    assert [mask.module for mask in record.masks] == ["AttentionA_1", "AttentionB_1"]
    assert record.masks[0].shape == (32, 32, 64)
    assert [mask.saturated for mask in record.masks] == [0.0625, None]
    assert record.png == picture_samples.png()


def test_a_run_without_masks_has_no_record() -> None:
    assert records.evidence(samples.reports()).masks == ()


def module(**changes: Any) -> list[dict[str, Any]]:
    return [picture_samples.masks()["modules"][0] | changes]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"images": []}, "expected one module or more, and one image or more"),
        ({"modules": []}, "expected one module or more, and one image or more"),
        ({"images": [{}]}, 'images 1: expected an integer of 0 or more as "held_out"'),
        ({"modules": module(shape=[3, 3])}, "modules 1: expected height, width and channels"),
        ({"modules": module(shape=[3, 3, "3"])}, "modules 1: expected height, width and channels"),
        ({"modules": module(mask={"min": 0})}, 'expected a finite number as "mean", found no'),
        ({"picture": {"digest": "0"}}, "masks.png: it is not of the digest that masks.json has"),
        ({"weights_digest": "f" * 64}, "it is of weights of digest ffffffffffff, and the run's"),
        ({"model": None}, 'expected a string as "model", found no such key'),
        ({"environment": 3}, 'expected an object as "environment", found 3'),
    ],
)
def test_a_damaged_record_is_an_error_that_says_why(changes: dict[str, Any], expected: str) -> None:
    record = read(**changes)
    assert expected in record.of.error
    assert (record.masks, record.png) == ((), b"")
    assert record.of.title == "report-torch"


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, "masks.png: no such file in the record"), (b"GIF", "masks.png: it is not of the dig")],
)
def test_a_picture_that_is_missing_or_another_is_an_error(
    content: bytes | None, expected: str
) -> None:
    files = picture_samples.reports()
    del files[f"{RUN}/masks.png"]
    if content is not None:
        files[f"{RUN}/masks.png"] = content
    assert expected in only(files).of.error


def test_a_picture_that_is_no_png_is_an_error() -> None:
    digest = "3cd16b8d4cba23ba68fdb3eeb4a9bb9d5a4cf7e7d3a8d4e0c4dbb3d3e3f8a9b0"
    files = samples.spoilt(picture_samples.reports(), MASKS, picture={"digest": digest})
    assert "digest" in only(files).of.error
    import hashlib

    stated = {"digest": hashlib.sha256(b"GIF").hexdigest()}
    files = samples.spoilt(files, MASKS, picture=stated) | {f"{RUN}/masks.png": b"GIF"}
    assert only(files).of.error == "masks.png: it is no PNG file"


def test_a_record_that_is_no_json_is_an_error() -> None:
    record = only(picture_samples.reports() | {MASKS: b"{"})
    assert record.of.error.startswith("not JSON: ")
