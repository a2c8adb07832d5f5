from __future__ import annotations

import pytest

from ranparity.models import zoo
from ranparity.report import records, structure
from ranparity.report.document import Bullets, Cell, Table, Text
from tests.report import samples

CHECK = "data/check-torch.json"


def words(text: Text) -> str:
    return "".join(span.text for span in text)


def row(table: Table, first: str) -> list[Cell]:
    return next(list(row) for row in table.rows if words(row[0].text) == first)


def read(files: samples.Files) -> records.Evidence:
    return records.evidence(files)


def problems(files: samples.Files) -> list[str]:
    return [words(problem) for problem in structure.problems(read(files))]


def with_result(index: int = 0, **changes: object) -> samples.Files:
    results = samples.check("torch")["results"]
    results[index] |= changes
    return samples.spoilt(samples.reports(), CHECK, results=results)


DIFFERENT = {
    "verdict": "fail",
    "differences": [
        {
            "size": "224x224",
            "layer": f"conv{place}",
            "what": "stride",
            "keras": "1x1",
            "prototxt": "2x2",
        }
        for place in range(12)
    ],
}


def test_all_well_is_a_pass_in_every_cell_and_no_problem() -> None:
    table = structure.verdicts(read(samples.reports()))
    assert [words(column.title) for column in table.columns] == [
        "Net",
        *samples.BACKENDS,
        "Origin",
    ]
    for entry in zoo.ENTRIES.values():
        cells = row(table, entry.title)[1:4]
        assert [words(cell.text) for cell in cells] == ["✓ PASS 1,000 facts, 0 differ"] * 3
        assert {cell.tone for cell in cells} == {"pass"}
    nets = len(zoo.ENTRIES)
    told = words(row(table, "All nets")[1].text)
    assert told == f"{nets} of {nets} pass, {nets},000 facts in 11.2 s"
    assert problems(samples.reports()) == []


def test_every_verdict_leads_to_its_record() -> None:
    table = structure.verdicts(read(samples.reports()))
    for backend, cell in zip(samples.BACKENDS, row(table, "Attention-92")[1:4], strict=True):
        assert cell.text[-1].href == f"data/check-{backend}.json"


def test_origin_and_erratum_are_in_the_row_and_explained() -> None:
    evidence = read(samples.reports())
    table = structure.verdicts(evidence)
    origins = {title: words(row(table, title)[-1].text) for title in ("Attention-56-CIFAR",)}
    assert origins == {"Attention-56-CIFAR": "derived"}
    assert words(row(table, "AttentionNeXt-92")[-1].text) == "original, repaired"
    notes = notes_of(evidence)
    assert any(
        note.startswith("AttentionNeXt-92, erratum classifier-reads-ave_pool: as published")
        for note in notes
    )


def notes_of(evidence: records.Evidence) -> list[str]:
    blocks = structure.section(evidence).blocks
    lists = [block for block in blocks if isinstance(block, Bullets)]
    return [words(item) for block in lists for item in block.items]


def test_an_erratum_of_a_newer_version_is_named_all_the_same() -> None:
    evidence = read(with_result(errata=["from-the-future"]))
    assert "Attention-56, erratum from-the-future." in notes_of(evidence)


def test_an_adaptation_is_named() -> None:
    evidence = read(with_result(adaptations=["ave_pool: kernel 5x5"]))
    assert "Attention-56, adapted at the odd size: ave_pool: kernel 5x5." in notes_of(evidence)


def test_differences_fail_and_are_listed_with_the_first_on_top() -> None:
    files = with_result(**DIFFERENT)
    evidence = read(files)
    cell = row(structure.verdicts(evidence), "Attention-56")[1]
    assert (words(cell.text), cell.tone) == ("✗ FAIL 12 of 1,000 facts differ", "fail")
    assert problems(files) == [
        "Structure of Attention-56 on torch: 12 of 1,000 facts differ (data/check-torch.json)"
    ]
    tables = [block for block in structure.section(evidence).blocks if isinstance(block, Table)]
    listed = next(table for table in tables if words(table.columns[3].title) == "Layer")
    assert [words(row[3].text) for row in listed.rows] == [f"conv{n}" for n in range(10)]


@pytest.mark.parametrize(
    "content",
    [b"{", samples.encoded({"backend": "torch", "error": "killed by signal 9: it is gone"})],
    ids=["damaged", "died"],
)
def test_a_backend_without_evidence_is_a_failed_column(content: bytes) -> None:
    files = samples.reports() | {CHECK: content}
    evidence = read(files)
    reason = evidence.checks["torch"].error
    for entry in zoo.ENTRIES.values():
        cell, *others = row(structure.verdicts(evidence), entry.title)[1:4]
        assert (words(cell.text), cell.tone) == ("✗ FAILED why", "fail")
        assert {other.tone for other in others} == {"pass"}
    assert problems(files) == [f"Structure on torch: FAILED: {reason} (data/check-torch.json)"]
    assert f"✗ FAILED on torch: {reason}" in notes_of(evidence)


def test_a_damaged_result_is_a_failed_cell() -> None:
    files = with_result(macs="many")
    cell = row(structure.verdicts(read(files)), "Attention-56")[1]
    assert (words(cell.text), cell.tone) == ("✗ FAILED why", "fail")
    (problem,) = problems(files)
    assert problem.startswith("Structure of attention56 on torch: FAILED: attention56: expected an")


def test_a_net_or_a_backend_that_was_not_checked_reads_not_run() -> None:
    files = samples.reports(("torch", "jax"))
    results = samples.check("torch")["results"][1:]
    files = samples.spoilt(files, CHECK, results=results)
    table = structure.verdicts(read(files))
    cells = row(table, "Attention-56")[1:4]
    assert [words(cell.text) for cell in cells][:2] == ["not run", "not run"]
    assert [cell.tone for cell in cells] == ["absent", "absent", "pass"]
    assert problems(files) == ["Structure of attention56 on torch: not run (data/check-torch.json)"]


def test_a_backend_that_trained_but_was_not_checked_is_a_problem() -> None:
    files = {k: v for k, v in samples.reports().items() if k != CHECK}
    assert problems(files) == ["Structure on torch: not run."]


def test_nothing_at_all_is_a_problem() -> None:
    assert problems({}) == ["Structure: not run on any backend."]


def test_a_net_that_is_not_in_the_zoo_has_a_row_of_its_own() -> None:
    results = samples.check("torch")["results"]
    results.append(results[0] | {"model": "attention1000", "title": "Attention-1000"})
    evidence = read(samples.spoilt(samples.reports(), CHECK, results=results))
    tones = [cell.tone for cell in row(structure.verdicts(evidence), "Attention-1000")[1:4]]
    assert tones == ["pass", "absent", "absent"]


def test_counts_that_backends_do_not_agree_on_are_shown_apart() -> None:
    blocks = structure.section(read(with_result(layers=384))).blocks
    tables = [block for block in blocks if isinstance(block, Table)]
    counts = next(table for table in tables if words(table.columns[1].title) == "Layers")
    cell = row(counts, "Attention-56")[1]
    assert (words(cell.text), cell.tone) == ("torch 384, tensorflow 385, jax 385", "fail")
    assert words(row(counts, "Attention-92")[1].text) == "631"


@pytest.mark.parametrize(
    ("here", "printed", "expected"),
    [
        (31_810_728, "31.9 M", "no"),
        (31_883_432, "31.9 M", "yes"),
        (6_270_836_736, "6.3 G", "yes"),
        (6_270_836_736, "6.2 G", "no"),
        (6_270_836_736, "6 G", "yes"),
        (6_270_836_736, "about 6", "—"),
    ],
)
def test_a_count_is_rounded_as_the_paper_rounds(here: int, printed: str, expected: str) -> None:
    figure = {
        "what": "macs",
        "where": "Table 2",
        "paper": printed,
        "here": here,
        "difference_percent": 1.0,
    }
    blocks = structure.section(read(with_result(paper=[figure]))).blocks
    tables = [block for block in blocks if isinstance(block, Table)]
    paper = next(table for table in tables if words(table.columns[-1].title) == "Rounds to it")
    cells = [words(cell.text).replace("\xa0", " ") for cell in row(paper, "Attention-56")]
    assert cells == ["Attention-56", "MACs", "Table 2", printed, f"{here:,}", "+1.00 %", expected]
