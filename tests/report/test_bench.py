"""The section on speed: what the benchmark writes is shown, and refused where it is damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ranparity.benchmarks import run
from ranparity.benchmarks.case import Case
from ranparity.report import bench, bench_record, records
from ranparity.report.bench_record import BENCH
from ranparity.report.document import Bullets, Figures, Paragraph, Table
from tests.benchmarks.machine import Machine
from tests.report.test_structure import words


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The record that the benchmark writes, of workers that always take as long."""
    monkeypatch.setattr(run, "answering", Machine().answering)
    return run.bench(Case("resnet18-cifar", 2), ["torch", "jax"], 3, lambda _: None)


def evidence(written: Any) -> records.Evidence:
    return records.evidence({BENCH: json.dumps(written).encode()})


def test_every_way_is_a_row_with_what_it_took(written: dict[str, Any]) -> None:
    blocks = bench.section(evidence(written)).blocks
    steps, passes = (block for block in blocks if isinstance(block, Table))
    rows = {words(row[0].text): [words(cell.text) for cell in row[1:]] for row in steps.rows}
    ways = ["native on torch", "ranparity on torch", "keras on torch"]
    assert list(rows) == [*ways, "ranparity on jax", "keras on jax"]
    assert rows["ranparity on jax"][1:4] == ["0.50", "0.50", "0.50"]
    assert rows["keras on jax"][1] == "2.00"
    assert rows["native on torch"][1] == "1.00"
    assert len(steps.columns) == len(rows["native on torch"]) + 1
    assert len(passes.columns) == len(steps.columns) - 4, "a pass has no first step"


def test_the_figures_say_in_words_what_they_show(written: dict[str, Any]) -> None:
    blocks = bench.section(evidence(written)).blocks
    (drawn,) = (block for block in blocks if isinstance(block, Figures))
    assert [figure.name for figure in drawn.figures] == [
        "figures/bench-resnet18-cifar-2-training-step",
        "figures/bench-resnet18-cifar-2-forward",
    ]
    assert "ranparity on jax 0.50; keras on jax 2.00" in drawn.figures[0].alt
    assert drawn.figures[0].png.startswith(b"\x89PNG")


def test_the_first_page_has_our_steps_ratios(written: dict[str, Any]) -> None:
    assert bench.summary(evidence(written)) == (
        "a training step as a multiple of native PyTorch's: resnet18-cifar, batch 2: torch 0.50, "
        "jax 0.50."
    )
    assert not list(bench.problems(evidence(written)))


def test_where_it_ran_is_told_of_each_way(written: dict[str, Any]) -> None:
    (net,) = evidence(written).bench.nets  # type: ignore[union-attr]
    assert net.environments["ranparity on jax"] == {"framework": "jax"}


def test_no_record_is_not_run() -> None:
    empty = records.evidence({})
    shown = [b for b in bench.section(empty).blocks if isinstance(b, Paragraph)]
    assert "not run: nox -s bench does it." in [words(block.text) for block in shown]
    assert bench.summary(empty) == "not run."
    assert not list(bench.problems(empty))


DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no results": (lambda r: r.update(results=[]), "no results of resnet18-cifar, batch 2"),
    "no ratio": (lambda r: r["results"][0].pop("ratio_to_native"), 'as "ratio_to_native"'),
    "one ratio": (lambda r: r["results"][0].update(ratio_range=[1]), "two ratios above 0"),
    "a time of 0": (lambda r: r["results"][0].update(seconds=0), "two ratios above 0"),
    "seconds as text": (lambda r: r["results"][0].update(seconds="1"), "a finite number"),
    "products as text": (lambda r: r["nets"][0].update(matrix_products="x"), "an object"),
    "its own error": (lambda r: r.update(error="no memory"), "no memory"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_record_is_a_finding_and_no_table(name: str, written: dict[str, Any]) -> None:
    damage, message = DAMAGES[name]
    damage(written)
    found = evidence(written)
    assert message in bench_record.read(json.dumps(written).encode()).error
    blocks = bench.section(found).blocks
    assert not [block for block in blocks if isinstance(block, Table | Figures | Bullets)]
    (problem,) = bench.problems(found)
    assert words(problem).startswith("Speed: FAILED: ")
