from __future__ import annotations

from typing import Any

import pytest

from ranparity.report import records
from ranparity.report.alteration_record import ALTERATIONS
from tests.report import samples


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"error": "no such backend"}, "no such backend"),
        ({"prototxt": []}, 'no alteration was tried of the "prototxt"'),
        ({"live Keras model": None}, 'no alteration was tried of the "live Keras model"'),
        (
            {"prototxt": [{"title": "A", "counts": {"pad": [3, 2]}, "missed": []}]},
            "A: 3 tried, 2 found and 0 missed do not add up",
        ),
        (
            {"prototxt": [{"title": "A", "counts": {"pad": [2, 3]}, "missed": []}]},
            'counts: more found than tried as "pad"',
        ),
        (
            {"prototxt": [{"title": "A", "counts": {"pad": 3}, "missed": []}]},
            'counts: expected [tried, found] as "pad"',
        ),
    ],
)
def test_a_proof_without_evidence_is_an_error(changes: dict[str, Any], expected: str) -> None:
    files = samples.spoilt(samples.reports(), ALTERATIONS, **changes)
    found = records.evidence(files).alterations
    assert found is not None
    assert found.error.startswith(expected)
