from __future__ import annotations

from typing import Any

import pytest

from ranparity.parity.findings import digest
from ranparity.report import environments, findings, records, render
from ranparity.report.document import Folded, Listing, Paragraph, Table
from tests.report import finding_samples, samples
from tests.report.finding_samples import finding, gone, silent
from tests.report.test_structure import words

RECORD = "(data/findings.json)"


def read(*rows: dict[str, Any]) -> records.Evidence:
    return records.evidence(finding_samples.reports(*rows))


def table(evidence: records.Evidence) -> Table:
    (found,) = [block for block in findings.section(evidence).blocks if isinstance(block, Table)]
    return found


def shown(evidence: records.Evidence) -> list[list[str]]:
    return [[words(cell.text) for cell in row] for row in table(evidence).rows]


def folded(evidence: records.Evidence) -> list[Folded]:
    return [block for block in findings.section(evidence).blocks if isinstance(block, Folded)]


def problems(evidence: records.Evidence) -> list[str]:
    return [words(problem) for problem in findings.problems(evidence)]


def test_what_is_still_there_and_what_is_gone_is_told_in_words_and_colour() -> None:
    evidence = read()
    assert shown(evidence) == [
        ["Keras computes keras_jax_tanh in float32", "Keras 3.15.1 and JAX 0.10.2", "still there"],
        [
            "Keras computes tensorflow_thing in float32",
            "TensorFlow 2.99",
            "✓ gone with TensorFlow 2.99",
        ],
    ]
    assert [row[2].tone for row in table(evidence).rows] == ["warning", "pass"]


def test_a_title_leads_to_its_script_and_has_its_code_where_that_is_shown() -> None:
    (title,) = table(read()).rows[0][0].text
    assert title.href == "findings/keras_jax_tanh.py"
    summary = folded(read())[0].summary
    assert [span.text for span in summary if span.code] == ["keras_jax_tanh"]


def test_a_lone_backtick_is_shown() -> None:
    (first,) = folded(read(finding("a", title="What ` is")))
    assert [(span.text, span.code) for span in first.summary] == [("What ` is", False)]


def test_what_is_behind_a_defect_is_folded() -> None:
    first, second = folded(read())
    assert words(first.summary) == "Keras computes keras_jax_tanh in float32"
    told = [words(block.text) for block in first.blocks if isinstance(block, Paragraph)]
    assert told[:2] == ["Expected: 0.1 to 16 digits.", "Found: to 8, by tanh."]
    printed, script = [block for block in first.blocks if isinstance(block, Listing)]
    assert printed.lines == ("versions: keras 3.15.1, jax 0.10.2", "still there")
    assert (script.lines, script.language) == (("print('still there')",), "python")
    assert second.blocks != first.blocks


@pytest.mark.parametrize("lines", [["def (:", ""], ["x = 1", "x"], ["f()", "g()"], [""]])
def test_a_script_without_a_docstring_is_shown_whole(lines: list[str]) -> None:
    (first,) = folded(read(finding("a", script=lines, digest=digest(lines))))
    assert isinstance(first.blocks[-1], Listing)
    assert "\n".join(first.blocks[-1].lines).strip() == "\n".join(lines).strip()


def test_a_defect_is_no_problem_whether_it_is_there_or_gone() -> None:
    assert problems(read()) == []
    assert render.render(finding_samples.reports()).problems == ()


def test_a_program_that_gave_no_answer_is_a_problem_and_never_gone() -> None:
    evidence = read(finding("a"), silent("b", error="killed by signal 11 (SIGSEGV): nothing"))
    assert shown(evidence)[1] == ["Keras computes b in float32", "—", "✗ FAILED why"]
    assert table(evidence).rows[1][2].tone == "fail"
    reason = "✗ FAILED: killed by signal 11 (SIGSEGV): nothing"
    assert problems(evidence) == [f"Found in frameworks: b: {reason} {RECORD}"]
    assert reason in [words(b.text) for b in folded(evidence)[1].blocks if isinstance(b, Paragraph)]
    assert findings.summary(evidence).endswith("1 still there, 0 gone; of one it is not known.")


def test_a_program_that_lacks_something_reads_not_run_and_is_a_problem() -> None:
    evidence = read(finding("a"), silent("b", missing="cv2"))
    assert shown(evidence)[1][1:] == ["—", "not run why"]
    assert table(evidence).rows[1][2].tone == "absent"
    assert problems(evidence) == [f"Found in frameworks: b: not run: cv2 is not installed {RECORD}"]


def test_a_damaged_record_is_shown_and_a_problem() -> None:
    evidence = records.evidence(samples.reports() | {finding_samples.FINDINGS: b"{"})
    blocks = findings.section(evidence).blocks
    assert isinstance(blocks[-1], Paragraph)
    assert words(blocks[-1].text).startswith("✗ FAILED: not JSON: ")
    assert blocks[-1].tone == "fail"
    (problem,) = problems(evidence)
    assert problem.startswith("Found in frameworks: ✗ FAILED: not JSON: ")
    assert findings.summary(evidence) == "not run."


def test_no_record_at_all_reads_not_run_and_is_no_problem() -> None:
    evidence = records.evidence(samples.reports())
    blocks = findings.section(evidence).blocks
    assert isinstance(blocks[-1], Paragraph)
    assert words(blocks[-1].text) == "not run: nox -s findings does it."
    assert findings.summary(evidence) == "not run."
    assert problems(evidence) == []


def test_the_first_page_has_the_numbers() -> None:
    assert findings.summary(read()) == (
        "2 defects of frameworks, each with a program that shows it: 1 still there, 1 gone."
    )
    readme = render.render(finding_samples.reports()).files["README.md"].decode()
    assert "- [Found in frameworks](#found-in-frameworks): 2 defects of frameworks, " in readme
    assert (
        "| [Keras computes keras\\_jax\\_tanh in float32](findings/keras_jax_tanh.py) |" in readme
    )


def test_where_frameworks_were_asked_is_told_once_for_each() -> None:
    other = finding("b", environment=samples.ENVIRONMENT | {"processor": "Another"})
    evidence = read(finding("a"), other, finding("c"), gone("d"), silent("e", missing="cv2"))
    found = [place for place in environments.places(evidence) if "findings" in place.record]
    assert [(place.record, place.path) for place in found] == [
        ("findings, jax", "data/findings.json"),
        ("findings, jax", "data/findings.json"),
        ("findings, tensorflow", "data/findings.json"),
    ]
    processors = [place.values["processor"] for place in found]
    assert processors == ["A Processor", "Another", "A Processor"]
    assert found[2].values["framework"] == "tensorflow 2.99"
    assert found[2].backend == "tensorflow"
