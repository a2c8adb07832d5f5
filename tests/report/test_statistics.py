from __future__ import annotations

import json
from typing import Any

import pytest

from ranparity.models import zoo
from ranparity.report import (
    curves,
    environments,
    matrix,
    page,
    records,
    statistics,
    statistics_record,
)
from ranparity.report.document import Bullets, Figures, Paragraph, Table
from ranparity.report.statistics_record import STATISTICS, StatisticsRecord
from tests.report import many_samples, samples
from tests.report.test_structure import words

NET = zoo.ENTRIES["attention56-cifar"]


def evidence(content: dict[str, Any] | None = None) -> records.Evidence:
    return records.evidence(many_samples.reports(content))


def read(content: dict[str, Any]) -> StatisticsRecord:
    return statistics_record.read(json.dumps(content).encode())


def tables(found: records.Evidence) -> list[Table]:
    return [each for each in statistics.section(found).blocks if isinstance(each, Table)]


def shown(table: Table, place: int = 0) -> list[str]:
    return [words(cell.text) for cell in table.rows[place]]


def paragraphs(found: records.Evidence) -> list[str]:
    blocks = statistics.section(found).blocks
    return [words(each.text) for each in blocks if isinstance(each, Paragraph)]


def problems(found: records.Evidence) -> list[str]:
    return [words(each) for each in statistics.problems(found)]


def test_accuracies_and_comparisons_have_a_row_each() -> None:
    accuracies, clean, planted = tables(evidence())
    assert [shown(accuracies, place)[:2] for place in range(4)] == [
        ["torch", "—"],
        ["tensorflow", "—"],
        ["jax", "—"],
        ["torch", "low-rate"],
    ]
    assert shown(accuracies)[4].count(",") == 3
    assert [shown(clean, place)[:2] for place in range(3)] == [
        ["torch and tensorflow", "✓ equivalent"],
        ["torch and jax", "✓ equivalent"],
        ["tensorflow and jax", "✓ equivalent"],
    ]
    assert [shown(planted, place)[:2] for place in range(2)] == [
        ["torch, low-rate and tensorflow", "✗ different"],
        ["torch, low-rate and jax", "✗ different"],
    ]
    assert {row[1].tone for table in (clean, planted) for row in table.rows} == {"pass"}
    assert clean.rows[0][1].text[0].href == STATISTICS


def test_a_row_s_figures_are_those_of_the_record() -> None:
    content = many_samples.statistics()
    content["comparisons"][0] |= {"p_equivalence_adjusted": 0.0004, "power": 0.98765}
    found = content["comparisons"][0]
    low, high = found["interval"]
    assert shown(tables(evidence(content))[1])[2:] == [
        f"{found['mean']:+.2f}",
        f"{found['spread']:.2f}",
        f"{low:+.2f} to {high:+.2f}",
        "4e-04",
        f"{found['p_difference_adjusted']:.3f}",
        "98.8 %",
    ]


def test_margin_rule_and_correction_are_told() -> None:
    told = paragraphs(evidence())
    assert (
        "Margin 2 points of percent, tests at a level of 0.05, fixed 2026-05-04T00:00:00+00:00; "
        "the first run began 2026-05-04T01:00:00+00:00."
    ) in told
    assert any(each.startswith("The rule: both tests are corrected") for each in told)
    assert any("Holm's for 3 comparisons" in each and "over 3" in each for each in told)
    assert any("intervals of 90 %" in each for each in told)
    assert any(
        each.startswith(
            "Planted, and to come out different: low-rate (--backend torch, --learning-rate 0.001):"
        )
        for each in told
    )


def test_all_well_is_no_problem() -> None:
    assert problems(evidence()) == []
    assert statistics.summary(evidence()) == (
        "mean accuracies of 4 seeds, within 2 points of percent: of 3 pairs of backends 3 "
        "equivalent. 2 of 2 comparisons with a recipe that is worse on purpose came out different."
    )


def worse(name: str) -> float:
    """One backend is worse, one wobbles, and what is planted is not."""
    seed = int(name[-1])
    if "tensorflow" in name:
        return 0.8 + (0.04, -0.04, 0.05, -0.05)[seed]
    return 0.6 + 0.0013 * seed if "jax" in name else 0.8 + 0.001 * seed


def test_what_does_not_come_out_as_it_must_is_a_problem() -> None:
    found = evidence(many_samples.statistics(worse))
    assert problems(found) == [
        "Statistics, torch and tensorflow: inconclusive (data/statistics.json)",
        "Statistics, torch and jax: different (data/statistics.json)",
        "Statistics, tensorflow and jax: different (data/statistics.json)",
        "Statistics, torch, low-rate and tensorflow: inconclusive (data/statistics.json)",
    ]
    _, clean, planted = tables(found)
    assert [row[1].tone for row in clean.rows] == ["warning", "fail", "fail"]
    assert [row[1].tone for row in planted.rows] == ["warning", "pass"]


def test_runs_that_failed_are_told_and_leave_no_verdict() -> None:
    name = "resnet18-cifar@8-digits-low-rate-torch-seed0"
    found = evidence(many_samples.statistics(many_samples.reached, name))
    assert len(tables(found)) == 2
    assert "low-rate (--backend torch, --learning-rate 0.001): not run." in paragraphs(found)[-1]
    (bullets,) = (b for b in statistics.section(found).blocks if isinstance(b, Bullets))
    assert [words(item) for item in bullets.items] == [
        f"Not trained: {name}: killed by signal 9 (SIGKILL)"
    ]
    assert problems(found) == ["Statistics: 1 run not trained (data/statistics.json)"]


def test_what_is_only_asked_is_no_evidence() -> None:
    content = many_samples.statistics() | {"runs": [], "comparisons": []}
    found = evidence(content)
    assert problems(found) == ["Statistics: begun, and not done (data/statistics.json)"]
    assert statistics.summary(found) == "not run."
    assert tables(found) == []


def test_no_record_reads_not_run_and_is_no_problem() -> None:
    none = records.evidence(samples.reports())
    assert "not run." in paragraphs(none)
    assert problems(none) == []
    assert statistics.summary(none) == "not run."


def test_a_damaged_record_says_why() -> None:
    found = records.evidence(samples.reports() | {STATISTICS: b"{"})
    assert any(each.startswith("✗ FAILED: not JSON") for each in paragraphs(found))
    assert problems(found)[0].startswith("Statistics: FAILED: not JSON")


@pytest.mark.parametrize(
    ("place", "key", "value", "message"),
    [
        ("comparisons", "verdict", "different", 'torch and tensorflow: "different" contradicts'),
        ("comparisons", "mean", 1.5, "torch and tensorflow: the mean 1.5 contradicts the seeds'"),
        ("comparisons", "differences", [9.0, 0.0, 0.0, 0.0], "the differences contradict the runs"),
        ("comparisons", "differences", [0.0], "expected a difference for each of several seeds"),
        ("comparisons", "one", "caffe", "expected the runs that they were taken from"),
        ("runs", "accuracy", 0.5, "the differences contradict the runs"),
        (
            "runs",
            "started",
            "2026-05-03T00:00:00+00:00",
            "seed 0 on torch began 2026-05-03T00:00:00+00:00, and what is asked was fixed "
            "2026-05-04T00:00:00+00:00, after it",
        ),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(
    place: str, key: str, value: Any, message: str
) -> None:
    content = many_samples.statistics()
    assert read(content).error == ""
    content[place][0][key] = value
    assert message in read(content).error


def test_the_first_page_has_level_6(monkeypatch: pytest.MonkeyPatch) -> None:
    found = evidence()
    monkeypatch.setattr(zoo, "ENTRIES", {NET.name: NET})
    monkeypatch.setattr(curves, "draw", lambda *_: Figures(()))
    told = [words(b.text) for b in matrix.blocks(found) if isinstance(b, Paragraph)]
    assert told[-1] == (
        "Level 6, statistics, compares backends by the accuracies of many trainings: "
        f"{statistics.summary(found)}"
    )
    names = [section.name for section in page.document(found, []).sections]
    assert names.index("statistics") < names.index("many") < names.index("endurance")


def test_where_it_ran_is_with_the_other_places() -> None:
    found = {place.record: place for place in environments.places(evidence())}
    assert found["statistics, jax"].path == STATISTICS
    assert found["statistics, jax"].values["framework"] == "jax 1.0"
    assert found["many runs, plan, torch"].path == "data/matrix-plan.json"
