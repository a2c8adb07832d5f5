"""How steps grow: the benchmark's own record is shown, and refused where it is damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ranparity.benchmarks import growth as timing
from ranparity.benchmarks import run
from ranparity.report import bench, environments, growth, growth_record, records
from ranparity.report.document import Figures, Paragraph, Table
from ranparity.report.growth_record import GROWTH
from tests.benchmarks.machine import Machine
from tests.report.test_structure import words


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The record that the benchmark writes, of workers that always take as long."""
    monkeypatch.setattr(run, "answering", Machine().answering)
    book = timing.Book(None, "source")
    assert timing.run(book, ["torch", "jax"], "auto", lambda _: None)
    content: dict[str, Any] = book.content
    return content


def evidence(written: Any) -> records.Evidence:
    return records.evidence({GROWTH: json.dumps(written).encode()})


def test_every_point_is_a_row_and_in_the_figures_of_what_it_differs_in(
    written: dict[str, Any],
) -> None:
    blocks = list(growth.blocks(evidence(written).growth))
    (table,) = (block for block in blocks if isinstance(block, Table))
    assert len(table.rows) == 2 * len(timing.points())
    figures = [f for block in blocks if isinstance(block, Figures) for f in block.figures]
    assert [figure.name for figure in figures] == [
        f"figures/growth-{axis}-{what}"
        for axis in ("batch", "depth", "width")
        for what in ("images", "memory")
    ]
    points = evidence(written).growth.points  # type: ignore[union-attr]
    for axis, xs in zip(
        growth.AXES,
        (timing.BATCHES, timing.DEPTHS, [12.5, 25, 50, 100]),
        strict=True,
    ):
        curves = list(growth._curves(axis, points, lambda point: point.images))
        assert [curve.label for curve in curves if "remat" not in curve.label] == ["torch", "jax"]
        assert all(list(c.x) == list(xs) for c in curves if "remat" not in c.label)
        twice = [curve for curve in curves if "remat" in curve.label]
        assert len(twice) == (2 if axis.name == "batch" else 0)
        assert all(list(curve.x) == list(timing.RECOMPUTED) for curve in twice)
    said = " ".join(words(block.text) for block in blocks if isinstance(block, Paragraph))
    assert f"Record: data/growth.json, medians of {timing.STEPS} steps." in said
    assert not list(bench.problems(evidence(written)))
    assert [place.record for place in environments.places(evidence(written))] == [
        "growth, torch",
        "growth, jax",
    ]


def test_a_point_that_failed_is_a_finding_and_no_gap(written: dict[str, Any]) -> None:
    row = written["points"][0]
    written["points"][0] = {k: v for k, v in row.items() if "seconds" not in k and "per" not in k}
    written["points"][0]["error"] = "killed by signal 9"
    (problem,) = bench.problems(evidence(written))
    assert words(problem).startswith("Growth: attention56-cifar, batch 4, on torch: killed")
    blocks = growth.blocks(evidence(written).growth)
    (table,) = (block for block in blocks if isinstance(block, Table))
    assert words(table.rows[0][3].text) == "✗ FAILED"


def test_no_record_is_not_run() -> None:
    shown = [block for block in growth.blocks(None) if isinstance(block, Paragraph)]
    assert words(shown[-1].text) == "not run: nox -s growth does it."
    assert not list(growth.problems(None))


def test_what_is_computed_twice_is_held_against_what_is_not(written: dict[str, Any]) -> None:
    for row in written["points"]:
        if row["remat"] and row["backend"] == "jax":
            row["images_per_second"] /= 1.25
            row["peak_memory_bytes"] //= 2
    said = [words(line) for line in growth._price(evidence(written).growth.points)]  # type: ignore[union-attr]
    assert said == [
        f"With --remat a step on {backend} takes "
        + ", ".join(f"{share} x the time at batch {batch}" for batch in timing.RECOMPUTED)
        + "."
        for backend, share in (
            ("torch", "100% of the memory and 1.00"),
            ("jax", "50% of the memory and 1.25"),
        )
    ]


DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no depth": (lambda r: r["points"][0].pop("depth"), 'as "depth"'),
    "no images": (lambda r: r["points"][0].update(images_per_second=0), "a number above 0"),
    "memory as text": (lambda r: r["points"][0].update(peak_memory_bytes="1"), "peak_memory"),
    "no word of remat": (lambda r: r["points"][0].pop("remat"), 'as "remat"'),
    "no places": (lambda r: r.pop("environments"), 'as "environments"'),
    "its own error": (lambda r: r.update(error="no memory"), "no memory"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_record_is_a_finding_and_no_table(name: str, written: dict[str, Any]) -> None:
    damage, message = DAMAGES[name]
    damage(written)
    assert message in growth_record.read(json.dumps(written).encode()).error
    blocks = list(growth.blocks(evidence(written).growth))
    assert not [block for block in blocks if isinstance(block, Table | Figures)]
    (problem,) = bench.problems(evidence(written))
    assert words(problem).startswith("Growth: FAILED: ")
