from __future__ import annotations

from typing import Any

import pytest

from ranparity.report import records
from ranparity.report.findings_record import FindingsRecord
from tests.report import finding_samples, samples
from tests.report.finding_samples import finding, gone, silent


def read(*rows: dict[str, Any]) -> FindingsRecord:
    record = records.evidence(finding_samples.reports(*rows)).findings
    assert record is not None
    return record


def test_a_whole_record_is_read() -> None:
    record = read()
    assert record.error == ""
    there, mended = record.findings
    assert (there.id, there.path) == ("keras_jax_tanh", "findings/keras_jax_tanh.py")
    assert (there.has, there.answered, mended.has, mended.answered) == (True, True, False, True)
    assert there.versions == {"keras": "3.15.1", "jax": "0.10.2"}
    assert there.script == tuple(finding_samples.SCRIPT)
    assert there.printed[-1] == "still there"


def test_a_script_without_an_answer_says_why() -> None:
    rows = (silent("a", error="killed by signal 11"), silent("b", missing="cv2"))
    broken, lacking = read(*rows).findings
    assert (broken.error, broken.answered) == ("killed by signal 11", False)
    assert (lacking.missing, lacking.answered) == ("cv2", False)


def test_no_record_is_no_evidence() -> None:
    assert records.evidence(samples.reports()).findings is None


REQUIRED = ("id", "title", "description", "digest", "printed", "versions", "script")


@pytest.mark.parametrize("key", REQUIRED)
def test_a_missing_key_is_an_error_that_says_so(key: str) -> None:
    record = read(finding("a"), finding("b", **{key: None}))
    assert record.findings == ()
    assert record.error.startswith("findings 2: expected ")
    assert record.error.endswith(f'"{key}", found no such key')


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (finding("a", has="yes"), 'findings 1: expected true or false as "has", found "yes"'),
        (
            finding("a", has=None),
            'findings 1: expected one of "has", "missing", "error", found 0',
        ),
        (
            finding("a", error="killed"),
            'findings 1: expected one of "has", "missing", "error", found 2',
        ),
        (silent("a", error=""), "findings 1: expected a reason, found an empty text"),
        (finding("a", has=False), 'findings 1: its script has printed "still there" at the end'),
        (gone("a", printed=[]), 'findings 1: its script has printed "nothing" at the end'),
        (finding("a", versions={}), "findings 1: expected the version of a framework, found none"),
        (
            finding("a", versions={"jax": 1}),
            'findings 1: versions: expected a string as "jax", found 1',
        ),
        (
            finding("../../etc/a"),
            'findings 1: expected the name of a script as "id", found ../../etc/a',
        ),
        (finding("a", digest="0" * 64), "findings 1: the script is not the one of the digest"),
        (finding("a", script=["other"]), "findings 1: the script is not the one of the digest"),
        (
            finding("a", environment="here"),
            'findings 1: expected an object as "environment", found "here"',
        ),
    ],
)
def test_a_record_that_does_not_agree_with_itself_is_an_error(
    row: dict[str, Any], expected: str
) -> None:
    assert read(row).error == expected


def test_one_finding_twice_is_an_error() -> None:
    assert read(finding("a"), gone("a")).error == "the finding a is there twice"


@pytest.mark.parametrize("content", [b"{", b"[]", b"", b"\xff", b"{}", b'{"findings": [3]}'])
def test_a_damaged_file_is_an_error(content: bytes) -> None:
    files = samples.reports() | {finding_samples.FINDINGS: content}
    record = records.evidence(files).findings
    assert record is not None
    assert record.error
    assert record.findings == ()


def test_an_error_of_the_whole_record_is_read() -> None:
    files = samples.reports() | {finding_samples.FINDINGS: b'{"error": "no disk"}'}
    assert records.evidence(files).findings == FindingsRecord(error="no disk")
