from __future__ import annotations

import json
from typing import Any

import pytest

from ranparity.parity import experiments
from ranparity.report import directions, environments, records
from ranparity.report.direction_record import DIRECTIONS, read
from ranparity.report.document import Bullets, Paragraph, Table
from tests.report import samples
from tests.report.test_structure import words

SEEDS = (0, 1, 2, 3)


def runs(model: str, noise: float, error: float) -> list[dict[str, Any]]:
    return [
        {"model": model, "noise": noise, "seed": seed, "accuracy": 1 - (error + seed) / 100}
        for seed in SEEDS
    ]


def experiment(*values: float, **changes: Any) -> dict[str, Any]:
    """One whose record agrees with itself; a key that is set to None is taken out."""
    content = {
        "name": "attention-residual",
        "data": "digits",
        "what": "nets",
        "statistic": "error of naive less error of residual",
        "direction": "above 0: residual is better",
        "rule": "an interval above 0",
        "failed": [],
        "runs": [
            *runs("attention56-cifar@4", 0.0, 10),
            *runs("attention56-cifar-naive@4", 0.0, 12),
        ],
        **experiments.judged(values or (1.0, 1.25, 1.5, 1.25)),
    } | changes
    return {key: value for key, value in content.items() if value is not None}


def evidence(*found: dict[str, Any]) -> records.Evidence:
    content = json.dumps({"experiments": found or [experiment()]}).encode()
    return records.evidence(samples.reports() | {DIRECTIONS: content})


def tables(found: records.Evidence) -> list[Table]:
    return [each for each in directions.section(found).blocks if isinstance(each, Table)]


def shown(table: Table, place: int = 0) -> list[str]:
    return [words(cell.text) for cell in table.rows[place]]


def test_a_direction_that_holds() -> None:
    verdicts, errors = tables(evidence())
    assert shown(verdicts) == [
        "digits",
        "error of naive less error of residual",
        "above 0: residual is better",
        "✓ holds",
        "+1.25",
        "0.20",
        "+0.93 to +1.57",
        "4",
    ]
    assert (verdicts.rows[0][3].tone, verdicts.rows[0][3].text[0].href) == ("pass", DIRECTIONS)
    assert shown(errors, 1) == [
        "digits",
        "attention56-cifar@4",
        "0 %",
        "11.50",
        "1.29",
        "10.00, 11.00, 12.00, 13.00",
    ]
    assert directions.summary(evidence()) == (
        "of 1 directions tried with narrow nets, 1 hold, 0 do not, 0 cannot be told."
    )


@pytest.mark.parametrize(
    ("values", "verdict", "tone"),
    [
        ((-1.0, -1.25, -1.5, -1.25), "does not hold", "warning"),
        ((1.0, -1.0, 2.0, -2.0), "inconclusive", "absent"),
    ],
)
def test_one_that_does_not(values: tuple[float, ...], verdict: str, tone: str) -> None:
    found = evidence(experiment(*values))
    cell = tables(found)[0].rows[0][3]
    assert (words(cell.text), cell.tone) == (verdict, tone)


def test_a_verdict_that_its_interval_does_not_bear_out_is_refused() -> None:
    record = read(json.dumps({"experiments": [experiment(interval=[-0.5, 3.0])]}).encode())
    assert record.experiments == {}
    assert list(record.faults.values()) == ['"yes" contradicts the interval -0.5 to 3']
    record = read(json.dumps({"experiments": [experiment(interval=[3.0, 1.0])]}).encode())
    assert "the two ends" in next(iter(record.faults.values()))


def test_the_rule_is_told_once_for_all() -> None:
    found = evidence(experiment(), experiment(data="cifar10-partial"))
    paragraphs = [
        words(each.text) for each in directions.section(found).blocks if isinstance(each, Paragraph)
    ]
    assert paragraphs.count("The rule: an interval above 0.") == 1
    assert len(tables(found)[0].rows) == 2


def test_what_was_not_trained_is_told() -> None:
    found = evidence(
        experiment(failed=["net: killed by signal 9"]), experiment(name="x", holds=None)
    )
    bullets = next(b for b in directions.section(found).blocks if isinstance(b, Bullets))
    assert [words(item) for item in bullets.items] == [
        '✗ FAILED, x on digits: experiment 2: expected a string as "holds", found no such key',
        "Not trained: net: killed by signal 9",
    ]


def test_no_record_reads_not_run() -> None:
    none = records.evidence(samples.reports())
    assert tables(none) == []
    assert directions.summary(none) == "not run."
    assert "not run." in [
        words(each.text) for each in directions.section(none).blocks if isinstance(each, Paragraph)
    ]


def test_where_it_ran_is_with_the_other_places() -> None:
    content = {"experiments": [experiment()], "backend": "jax", "environment": {"numpy": "2.4.6"}}
    found = records.evidence({DIRECTIONS: json.dumps(content).encode()})
    (place,) = environments.places(found)
    assert (place.record, place.path, place.backend) == ("directions", DIRECTIONS, "jax")
    assert place.values == {"numpy": "2.4.6"}


def test_errors_of_experiments_that_share_runs_are_told_once() -> None:
    found = evidence(experiment(), experiment(name="another"))
    assert len(tables(found)[1].rows) == 2
