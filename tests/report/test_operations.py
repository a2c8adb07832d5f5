"""Where steps' time goes: the benchmark's own record is shown, and refused where it is damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ranparity.benchmarks import operations as timing
from ranparity.benchmarks import run
from ranparity.benchmarks.case import Case
from ranparity.benchmarks.convolutions import distinct
from ranparity.report import bench, environments, operations, operations_record, records
from ranparity.report.document import Paragraph, Table
from ranparity.report.operations_record import OPERATIONS
from tests.benchmarks.machine import Machine
from tests.report.test_structure import words

CASES = [Case("resnet18-cifar", 4), Case("attention92-cifar", 2)]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The record that the benchmark writes, of workers that always compute as fast."""
    monkeypatch.setattr(run, "answering", Machine().answering)
    book = timing.Book(None, "source")
    assert timing.run(book, CASES, ["torch", "jax"], lambda _: None)
    content: dict[str, Any] = json.loads(json.dumps(book.content))
    return content


def evidence(written: Any) -> records.Evidence:
    return records.evidence({OPERATIONS: json.dumps(written).encode()})


def shown(written: Any) -> tuple[list[str], list[Table]]:
    blocks = list(operations.blocks(evidence(written).operations))
    paragraphs = [words(block.text) for block in blocks if isinstance(block, Paragraph)]
    return paragraphs, [block for block in blocks if isinstance(block, Table)]


def test_a_sentence_says_what_the_convolutions_of_a_step_come_to(written: dict[str, Any]) -> None:
    found = distinct(CASES[0])
    gflops = [each.layers * each.convolution.flops / 1e9 for each in found]
    seconds = 5 * sum(gflops) - 2 * gflops[0]  # 1 forward, 2 for each gradient
    products = (3 * sum(gflops) - gflops[0]) / 2
    written["nets"][0]["step_seconds"] = 2 * seconds
    paragraphs, _ = shown(written)
    assert paragraphs[1] == (
        f"resnet18-cifar, batch 4, on torch: convolutions take {seconds:.1f} s of a step of "
        f"{2 * seconds:.1f} s, 50.0 %; they reach {2 * products / seconds:.0f} GFLOP/s, which is "
        f"{100 * products / seconds:.0f} % of what their matrix products reach there. "
        "Record: data/operations.json."
    )
    assert len(paragraphs) == 1 + 2 * len(CASES)


def test_the_rows_are_the_longest_and_add_up_to_the_step(written: dict[str, Any]) -> None:
    _, tables = shown(written)
    assert len(tables) == 2 * len(CASES)
    for table, case in zip(tables[::2], CASES, strict=True):
        cells = [[words(cell.text) for cell in row] for row in table.rows]
        shares = [float(row[5].removesuffix(" %").replace(",", "")) for row in cells]
        assert sum(shares) == pytest.approx(100, abs=0.05 * len(shares)), "each is rounded"
        found, few = distinct(case), min(len(distinct(case)), operations.MOST)
        assert shares[:few] == sorted(shares[:few], reverse=True)
        assert cells[-1][0] == "everything else"
        assert len(cells) == few + (len(found) > operations.MOST) + 1
        layers = [int(row[1]) for row in cells[:-1]]
        assert sum(layers) == sum(each.layers for each in found)
    row = next(row for row in tables[0].rows if words(row[0].text) == "res3a_branch1")
    assert [words(cell.text) for cell in row][1:5] == [
        "1",
        "4x64x32x32",
        "4x128x16x16",
        "1x1 / 2x2",
    ]
    assert [words(cell.text) for cell in row][6:] == ["1.0", "0.5", "0.5", "2.0"]


def test_groups_and_dilations_are_named_and_a_pass_that_is_not_made_is_none(
    written: dict[str, Any],
) -> None:
    first = written["nets"][0]["convolutions"][0]
    first |= {"group": 3, "dilation": [2, 2], "layers": 1000}
    _, (table, *_) = shown(written)
    cells = [words(cell.text) for cell in table.rows[0]]
    assert cells[4] == "3x3 / 1x1, dilation 2x2, 3 groups"
    assert cells[8] == "—"


def test_it_is_in_the_report_with_where_it_ran(written: dict[str, Any]) -> None:
    everything = list(bench.section(evidence(written)).blocks)
    assert all(block in everything for block in operations.blocks(evidence(written).operations))
    assert not list(bench.problems(evidence(written)))
    assert [place.record for place in environments.places(evidence(written))] == [
        "operations, torch",
        "operations, jax",
    ]


def test_a_net_that_failed_is_a_finding_and_no_gap(written: dict[str, Any]) -> None:
    written["nets"][0] = {
        key: written["nets"][0][key] for key in ("model", "batch_size", "backend")
    } | {"error": "killed by signal 9"}
    (problem,) = bench.problems(evidence(written))
    assert words(problem).startswith("Operations: resnet18-cifar, batch 4, on torch: killed")
    paragraphs, tables = shown(written)
    assert paragraphs[1] == "resnet18-cifar, batch 4, on torch: ✗ FAILED: killed by signal 9"
    assert len(tables) == 2 * len(CASES) - 1


def test_no_record_is_not_run() -> None:
    blocks = [block for block in operations.blocks(None) if isinstance(block, Paragraph)]
    assert words(blocks[-1].text) == "not run: nox -s operations does it."
    assert not list(operations.problems(None))


DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no step": (lambda net: net.pop("step_seconds"), 'as "step_seconds"'),
    "no time at all": (lambda net: net.update(step_seconds=0), "a number above 0"),
    "no convolutions": (lambda net: net.update(convolutions=[]), "no convolutions of resnet18"),
    "no layers": (lambda net: net["convolutions"][0].update(layers=0), "expected 1 or more as"),
    "half a shape": (
        lambda net: net["convolutions"][0].update(top=[1, 2]),
        "4 integers above 0 as",
    ),
    "no gradient": (
        lambda net: net["convolutions"][1]["seconds"].pop("input_gradient"),
        'as "input_gradient"',
    ),
    "no backend": (lambda net: net.update(backend=None), 'as "backend"'),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_record_is_a_finding_and_no_table(name: str, written: dict[str, Any]) -> None:
    damage, message = DAMAGES[name]
    damage(written["nets"][0])
    assert message in operations_record.read(json.dumps(written).encode()).error
    assert not shown(written)[1]
    (problem,) = bench.problems(evidence(written))
    assert words(problem).startswith("Operations: FAILED: ")


def test_a_record_of_no_evidence_says_why() -> None:
    assert operations_record.read(b'{"error": "no memory"}').error == "no memory"
    assert "not JSON" in operations_record.read(b"{").error
    assert 'as "environments"' in operations_record.read(b'{"nets": []}').error
