from __future__ import annotations

from typing import Any

from ranparity.report import alterations, records
from ranparity.report.alteration_record import ALTERATIONS
from ranparity.report.document import Bullets, Folded, Paragraph, Table
from tests.report import samples
from tests.report.test_structure import words

MISSED: dict[str, Any] = {
    "prototxt": [
        {"title": "Attention-56", "counts": {"pad": [3, 2]}, "missed": ["conv1: pad"]},
    ]
}


def read(**changes: Any) -> records.Evidence:
    files = samples.reports()
    return records.evidence(samples.spoilt(files, ALTERATIONS, **changes))


def problems(evidence: records.Evidence) -> list[str]:
    return [words(problem) for problem in alterations.problems(evidence)]


def table(evidence: records.Evidence) -> list[list[str]]:
    blocks = alterations.section(evidence).blocks
    found = next(block for block in blocks if isinstance(block, Table))
    return [[words(cell.text) for cell in row] for row in found.rows]


def test_all_found_is_a_pass() -> None:
    evidence = read()
    assert table(evidence) == [
        ["prototxt", "Attention-56", "125", "125", "✓ PASS all found"],
        ["live Keras model", "Attention-56", "1", "1", "✓ PASS all found"],
    ]
    assert problems(evidence) == []


def test_the_counts_by_attribute_are_folded_away() -> None:
    blocks = alterations.section(read()).blocks
    folded = [block for block in blocks if isinstance(block, Folded)]
    assert [words(block.summary) for block in folded] == [
        "By attribute: prototxt",
        "By attribute: live Keras model",
    ]
    (inner,) = folded[0].blocks
    assert isinstance(inner, Table)
    assert [[words(cell.text) for cell in row] for row in inner.rows] == [
        ["pad", "118 of 118"],
        ["stride", "7 of 7"],
    ]


def test_a_missed_alteration_fails_and_is_named() -> None:
    evidence = read(**MISSED)
    assert table(evidence)[0] == ["prototxt", "Attention-56", "3", "2", "✗ FAIL 1 missed"]
    lists = [block for block in alterations.section(evidence).blocks if isinstance(block, Bullets)]
    assert [words(item) for item in lists[0].items] == ["Attention-56, prototxt: conv1: pad"]
    assert problems(evidence) == ["Alterations: 1 not found."]


def test_a_proof_that_failed_says_why() -> None:
    evidence = read(error="killed by signal 9: nothing on stderr")
    last = alterations.section(evidence).blocks[-1]
    assert isinstance(last, Paragraph)
    assert (
        words(last.text)
        == "✗ FAILED: killed by signal 9: nothing on stderr (data/alterations.json)"
    )
    assert problems(evidence) == [
        "Alterations: FAILED: killed by signal 9: nothing on stderr (data/alterations.json)"
    ]


def test_no_proof_reads_not_run() -> None:
    evidence = records.evidence({})
    last = alterations.section(evidence).blocks[-1]
    assert isinstance(last, Paragraph)
    assert words(last.text) == "not run."
    assert problems(evidence) == ["Alterations, which show that the check can fail: not run."]
