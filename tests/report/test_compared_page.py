"""The tables of a comparison, for a terminal and for a page."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from ranparity.parity.ladder.case import TWINS
from ranparity.report import compared_page, given, html
from ranparity.report.compared import compare
from ranparity.report.comparison import comparison
from ranparity.report.document import Block, Bullets, Document, Figure, Figures, Paragraph, Table
from tests.report import samples
from tests.report.run_folders import put, put_twin
from tests.report.test_compared import batch_of_step, other_loss
from tests.report.test_html import Reader
from tests.report.test_structure import row, words


def document(*folders: Path, page: Path | None = None) -> Document:
    found = compare(given.read(folders, [], page))
    return compared_page.document(found, drawn=page is not None)


def blocks(page: Document, name: str) -> tuple[Block, ...]:
    (found,) = [section.blocks for section in page.sections if section.name == name]
    return found


def told(page: Document, name: str) -> str:
    return "\n".join(words(b.text) for b in blocks(page, name) if isinstance(b, Paragraph))


def opening(page: Document) -> list[str]:
    found = []
    for block in page.opening:
        lines = block.items if isinstance(block, Bullets) else (block.text,)  # type: ignore[union-attr]
        found += [words(line) for line in lines]
    return found


def cells(page: Document, name: str, place: int = 0) -> list[list[str]]:
    """The rows of a section's table."""
    tables = [block for block in blocks(page, name) if isinstance(block, Table)]
    return [[words(cell.text) for cell in row] for row in tables[place].rows]


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return [put(tmp_path / "a"), put(tmp_path / "b", "jax")]


def test_the_same_recipe_is_said_and_a_difference_is_a_table(
    two: list[Path], tmp_path: Path
) -> None:
    same = (
        "The same: attention56-cifar on digits, recipe digits, seed 0, float32, 60 steps planned."
    )
    assert told(document(*two), "recipe") == same
    other = put(tmp_path / "c", "jax", precision="float64", planned_steps=None)
    page = document(two[0], other)
    assert told(page, "recipe").startswith("Not the same.")
    assert cells(page, "recipe") == [
        ["precision", "float32", "float64"],
        ["planned_steps", "60", "—"],
    ]


def test_other_places_are_a_table_and_a_warning(two: list[Path], tmp_path: Path) -> None:
    page = document(*two)
    assert cells(page, "environment") == [
        ["backend", "torch", "jax"],
        ["framework", "torch 1.0", "jax 1.0"],
    ]
    assert "Warning" not in told(page, "environment")
    place = samples.run("torch")["environment"] | {"threads": 1, "source_digest": "6" * 64}
    elsewhere: dict[str, Any] = {
        "environment": place,
        "parts": [{"first_step": 1, "backend": "torch", "environment": place}],
    }
    page = document(two[0], put(tmp_path / "c", **elsewhere))
    assert cells(page, "environment") == [
        ["source_digest", "555555555555…", "666666666666…"],
        ["threads", "2", "1"],
    ]
    assert "they differ in package source, threads" in told(page, "environment")
    twin = put_twin(tmp_path / "twin", **elsewhere)
    assert told(document(*two, twin), "environment") == (
        "Warning: torch twin 1 did not run where torch did: source_digest and threads differ, "
        "which its distance has in it."
    )
    assert "is the same" in told(document(two[0], put(tmp_path / "d")), "environment")


def test_the_tables_of_the_report_are_there(two: list[Path]) -> None:
    found = compare(given.read(two, []))
    table, apart = blocks(compared_page.document(found, drawn=False), "runs")
    assert table == comparison(found.group)
    assert isinstance(apart, Table)
    assert words(apart.columns[0].title) == "Largest difference of two losses"


def test_runs_of_different_tasks_stand_side_by_side(two: list[Path], tmp_path: Path) -> None:
    data = samples.DATA | {"name": "other", "digest": "e" * 64, "test": 100}
    page = document(two[0], put(tmp_path / "c", data=data))
    (table, _) = blocks(page, "runs")
    assert isinstance(table, Table)
    assert words(row(table, "Data")[-1].text) == "✗ NOT EQUAL"
    assert words(row(table, "Test accuracy")[-1].text) == "—", "of different numbers of images"
    assert words(row(table, "Loss, step 1")[-1].text) == "0 at most"


def test_where_runs_part_is_a_row_for_each_two(two: list[Path], tmp_path: Path) -> None:
    page = document(*two, put(tmp_path / "c", "jax", step=batch_of_step(7)))
    names = [row[0] for row in cells(page, "parting")]
    assert names == ["torch and jax (b)", "torch and jax (c)", "jax (b) and jax (c)"]
    assert cells(page, "parting")[0][1:] == [
        "✓ equal",
        "✓ all 60 equal",
        "first differ at step 1, by 2e-06",
        "not equal",
        "not equal",
    ]
    assert cells(page, "parting")[2][1:] == [
        "✓ equal",
        "✗ first differ at step 7",
        "the same bits at every step",
        "equal",
        "equal",
    ]


def test_unequal_weights_and_fewer_steps_are_told(two: list[Path], tmp_path: Path) -> None:
    other = put(tmp_path / "c", "jax", count=40, initial_weights_digest=samples.sha("others"))
    assert cells(document(two[0], other), "parting")[0][1:3] == [
        "✗ not equal",
        "✓ all 40 that both made equal",
    ]


def test_without_twins_it_says_how_to_make_one(two: list[Path]) -> None:
    page = document(*two)
    assert told(page, "parting").endswith(
        "\nNo twins given: `ranparity run --twin 1 ...` makes one."
    )
    assert opening(page) == [
        "✓ PASS The recipe, the data, the initial weights and the batches of all 60 steps are the "
        "same; whether the losses part beyond twins is not known, no twins given: "
        "`ranparity run --twin 1 ...` makes one."
    ]
    assert "30 times" in told(page, "parting")


def test_equal_losses_need_no_twins(two: list[Path], tmp_path: Path) -> None:
    page = document(two[0], put(tmp_path / "again"))
    assert opening(page)[0].endswith("are the same; so is every bit of the losses.")


def test_twins_that_hold_are_a_pass_and_few_of_them_are_told_of(
    two: list[Path], tmp_path: Path
) -> None:
    twin = put_twin(tmp_path / "t", off=1e-6)
    page = document(*two, twin)
    assert opening(page)[0].endswith("the losses part no further than the twins allow.")
    largest = max(
        abs(a["loss"] - b["loss"]) / (1e-6 * a["step"])
        for a, b in zip(samples.steps("torch"), samples.steps("jax"), strict=True)
    )
    assert cells(page, "parting", 1) == [
        ["torch and jax", "1 + 0", "✓ PASS in none of 60 steps", f"{largest:.3g} x", "30 x"]
    ]
    assert f"The ladder makes {TWINS} of each run" in told(page, "parting")
    assert "Twins: torch twin 1." in told(page, "parting")


def test_as_many_twins_as_the_ladder_makes_are_enough(two: list[Path], tmp_path: Path) -> None:
    twins = [
        put_twin(tmp_path / f"{name}{number}", number, name)
        for name in ("torch", "jax")
        for number in range(1, TWINS + 1)
    ]
    assert "The ladder makes" not in told(document(*two, *twins), "parting")
    assert "The ladder makes" in told(document(*two, *twins[1:]), "parting")


def test_a_pair_without_twins_beside_one_with_is_told_of(two: list[Path], tmp_path: Path) -> None:
    more = put(tmp_path / "c", "tensorflow")
    page = document(*two, more, put_twin(tmp_path / "t", 1, "jax", off=1e-6))
    assert opening(page)[0].endswith("allow, where there are twins (2 of 3 pairs).")
    assert cells(page, "parting", 1)[1] == [
        "torch and tensorflow",
        "0 + 0",
        "no twins given",
        "—",
        "—",
    ]


def test_losses_beyond_the_twins_are_a_failure_at_their_step(
    two: list[Path], tmp_path: Path
) -> None:
    far = put(tmp_path / "c", "tensorflow", step=other_loss(0.5))
    page = document(two[0], far, put_twin(tmp_path / "t", off=1e-4))
    assert opening(page) == [
        "✗ FAIL Not the same:",
        "torch and tensorflow: the losses first part beyond the twins at step 5",
    ]
    verdict = cells(page, "parting", 1)[0][2]
    assert verdict == "✗ FAIL first at step 5: 0.5 apart, 0.015 allowed"


def test_steps_that_not_all_made_are_told_of(two: list[Path], tmp_path: Path) -> None:
    page = document(two[0], put(tmp_path / "c", "jax", count=40))
    assert "the batches of the 40 steps that all made alike are the same" in opening(page)[0]


# The page.


def test_the_page_needs_nothing_else_and_its_links_lead_to_the_records(
    two: list[Path], tmp_path: Path
) -> None:
    place = tmp_path / "deep" / "er" / "page.html"
    page = document(*two, put_twin(tmp_path / "t"), page=place)
    source = html.write(page)
    reader = Reader(source)
    assert reader.open == []
    assert not re.search(r"url\((?!#)|@import|src=", source)
    links = [href for href in reader.attributes("href") if not href.startswith(("#", "data:"))]
    assert [os.path.normpath(place.parent / href) for href in links] == [
        str(folder / "run.json") for folder in two
    ]


def test_without_a_page_nothing_leads_anywhere_and_nothing_is_drawn(two: list[Path]) -> None:
    page = document(*two)
    assert [section.name for section in page.sections] == [
        "recipe",
        "environment",
        "runs",
        "parting",
    ]
    assert re.findall(r'href="(?!#|data:)', html.write(page)) == []


def test_the_curves_are_drawn_with_a_band_for_each_pair_that_has_twins(
    two: list[Path], tmp_path: Path
) -> None:
    more = put(tmp_path / "c", "tensorflow")
    page = document(*two, more, put_twin(tmp_path / "t", 1, "jax"), page=tmp_path / "p.html")
    drawn, *bands = blocks(page, "curves")
    assert isinstance(drawn, Figures)
    assert [figure.name for figure in drawn.figures] == [
        "compared-loss",
        "compared-distance",
        "compared-accuracy",
    ]
    assert [band.name for band in bands if isinstance(band, Figure)] == [
        "compared-twins-1",
        "compared-twins-2",
    ]
    reader = Reader(html.write(page))
    assert sum(tag == "figure" for tag, _ in reader.tags) == 5
    ids = reader.attributes("id")
    assert len(ids) == len(set(ids))
