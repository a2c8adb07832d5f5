from __future__ import annotations

import pytest

from ranparity.models import zoo
from ranparity.report import features, records, render
from ranparity.report.document import Figures, Heading, Table
from tests.report import picture_samples, samples
from tests.report.picture_samples import FEATURES
from tests.report.test_structure import row, words


@pytest.fixture(autouse=True)
def one_net(monkeypatch: pytest.MonkeyPatch) -> None:
    """A zoo of one net, which is all that a page of these tests needs."""
    name = "attention56-cifar"
    monkeypatch.setattr(zoo, "ENTRIES", {name: zoo.ENTRIES[name]})


def blocks(files: samples.Files) -> tuple[object, ...]:
    return features.section(records.evidence(files)).blocks


def test_nothing_to_show_is_not_run_and_no_problem() -> None:
    (only,) = blocks(samples.reports())
    assert words(only.text) == "not run."  # type: ignore[attr-defined]
    assert list(features.problems(records.evidence(samples.reports()))) == []


def test_each_run_has_a_table_before_and_after_and_two_figures() -> None:
    found = blocks(picture_samples.reports())
    (heading,) = (block for block in found if isinstance(block, Heading))
    assert heading.title == "a-net on digits, trained on torch"
    (table,) = (block for block in found if isinstance(block, Table))
    shown = {
        title: [words(cell.text) for cell in row(table, title)[1:]]
        for title in ("Intra-class compactness", "Inter-class distance", "Test accuracy")
    }
    assert shown == {
        "Intra-class compactness": ["3.2500", "1.2500"],
        "Inter-class distance": ["0.5000", "0.7500"],
        "Test accuracy": ["87.50 %", "—"],
    }
    (figures,) = (block for block in found if isinstance(block, Figures))
    assert [figure.name for figure in figures.figures] == [
        "figures/features-report-torch-before",
        "figures/features-report-torch-after",
    ]


def test_a_damaged_record_is_shown_as_such_and_is_a_problem() -> None:
    files = samples.spoilt(picture_samples.reports(), FEATURES, images=-1)
    failure = f'✗ FAILED: expected an integer of 0 or more as "images", found -1 ({FEATURES})'
    assert words(blocks(files)[-1].text) == failure  # type: ignore[attr-defined]
    (problem,) = features.problems(records.evidence(files))
    assert words(problem) == f"Features of report-torch: {failure}"


def test_the_report_fails_with_a_damaged_record_and_draws_a_whole_one() -> None:
    files = picture_samples.reports()
    whole = render.render(files)
    assert "figures/features-report-torch-after.svg" in whole.files
    damaged = render.render(files | {FEATURES: b"?"})
    assert "figures/features-report-torch-after.svg" not in damaged.files
    assert len(damaged.problems) == len(whole.problems) + 1
