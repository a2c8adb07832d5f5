from __future__ import annotations

from typing import Any

import pytest

from ranparity.matrix import book
from ranparity.report import many, matrix_record, records
from ranparity.report.document import Bullets, Paragraph, Table
from tests.report import many_samples, samples
from tests.report.test_structure import words

PATH = "data/matrix-plan.json"


def evidence(content: dict[str, Any] | None = None) -> records.Evidence:
    return records.evidence(many_samples.reports(matrix_=content))


def table(found: records.Evidence) -> Table:
    (only,) = (each for each in many.section(found).blocks if isinstance(each, Table))
    return only


def problems(found: records.Evidence) -> list[str]:
    return [words(each) for each in many.problems(found)]


def test_a_row_sums_runs_up_that_differ_in_their_seeds() -> None:
    rows = [[words(cell.text) for cell in row] for row in table(evidence()).rows]
    assert [row[0] for row in rows] == ["torch", "tensorflow", "jax"]
    assert [row[1] for row in rows] == ["4 of 4", "3 of 4", "3 of 4"]
    names = [f"resnet18-cifar@8-digits-torch-seed{seed}" for seed in range(4)]
    assert rows[0][2] == f"{100 * sum(map(many_samples.reached, names)) / 4:.2f} %"
    assert rows[0][4:] == ["0.2500", "2.5 s", "4", "0"]
    assert rows[1][6:] == ["4", "1"], "one has failed, which had a process too"
    assert rows[2][6:] == ["3", "0"], "one waits"


def test_what_is_varied_tells_rows_apart() -> None:
    content = many_samples.matrix()
    for place, row in enumerate(content["runs"]):
        row["settings"]["label-noise"] = 0.1 * (place % 2)
    rows = [words(row[0].text) for row in table(evidence(content)).rows]
    assert len(rows) == 6
    assert {row.partition(", ")[2] for row in rows} == {"label-noise 0.0", "label-noise 0.1"}


def test_runs_that_failed_or_wait_are_problems() -> None:
    found = evidence()
    assert problems(found) == [
        f"Many runs, plan: 1 run failed ({PATH})",
        f"Many runs, plan: 1 run not finished ({PATH})",
    ]
    (bullets,) = (each for each in many.section(found).blocks if isinstance(each, Bullets))
    assert [words(item) for item in bullets.items] == [
        "✗ FAILED, resnet18-cifar@8-digits-tensorflow-seed0: killed by signal 9 (SIGKILL): nothing "
        "on stderr"
    ]
    assert many.summary(found) == "10 of 12 runs of 1 plan finished."


def test_no_record_reads_not_run_and_is_no_problem() -> None:
    none = records.evidence(samples.reports())
    told = [words(b.text) for b in many.section(none).blocks if isinstance(b, Paragraph)]
    assert told[-1] == "not run."
    assert problems(none) == []
    assert many.summary(none) == "not run."


def test_a_damaged_record_says_why() -> None:
    found = records.evidence(samples.reports() | {PATH: b"[]"})
    assert problems(found) == [f"Many runs, plan: FAILED: expected an object, found [] ({PATH})"]
    told = [words(b.text) for b in many.section(found).blocks if isinstance(b, Paragraph)]
    assert told[-1] == "plan: ✗ FAILED: expected an object, found []"


def test_statuses_are_those_of_the_writer() -> None:
    assert set(matrix_record.STATUSES) == set(book.STATUSES)
    assert matrix_record.FILE == book.FILE


@pytest.mark.parametrize(
    ("place", "key", "value", "message"),
    [
        (
            0,
            "status",
            "done",
            'expected waiting, running, interrupted, finished, failed as "status"',
        ),
        (1, "error", None, 'expected a string as "error"'),
        (0, "test_accuracy", 2, 'expected 0 to 1 as "test_accuracy", found 2'),
        (0, "test_loss", None, 'expected a finite number as "test_loss"'),
    ],
)
def test_a_record_that_lacks_what_it_must_have_is_refused(
    place: int, key: str, value: Any, message: str
) -> None:
    content = many_samples.matrix()
    content["runs"][place][key] = value
    (record,) = matrix_record.read({PATH: samples.encoded(content)})
    assert message in record.error
