from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree

import pytest
from PIL import Image

from ranparity.report import charts, curves
from ranparity.report.document import Figure, Figures
from ranparity.report.run_record import read_run
from ranparity.report.runs import FinishedRun
from tests.report import samples


def run(backend: str, **files: bytes) -> FinishedRun:
    found = read_run(backend, samples.run_files(backend) | files)
    assert isinstance(found, FinishedRun)
    return found


def runs() -> dict[str, FinishedRun]:
    return {backend: run(backend) for backend in samples.BACKENDS}


@pytest.fixture(scope="module")
def drawn() -> Figures:
    return curves.draw("figures/x", runs(), 0.95)


def loss(figures: Figures) -> Figure:
    return figures.figures[0]


def test_loss_distance_and_accuracy_are_drawn(drawn: Figures) -> None:
    names = [figure.name for figure in drawn.figures]
    assert names == ["figures/x-loss", "figures/x-distance", "figures/x-accuracy"]


def test_one_run_alone_has_no_distance() -> None:
    drawn = curves.draw("figures/x", {"torch": run("torch")}, None)
    assert [figure.name for figure in drawn.figures] == ["figures/x-loss", "figures/x-accuracy"]


def test_drawing_twice_gives_the_same_bytes(drawn: Figures) -> None:
    assert curves.draw("figures/x", runs(), 0.95) == drawn


def test_another_loss_gives_another_drawing_and_another_fingerprint(drawn: Figures) -> None:
    rows = samples.steps("jax")
    rows[3]["loss"] += 0.5
    changed = runs() | {"jax": run("jax", **{"steps.jsonl": samples.lines(rows)})}
    other = loss(curves.draw("figures/x", changed, 0.95))
    assert other.svg != loss(drawn).svg
    assert other.png != loss(drawn).png
    assert note(other) != note(loss(drawn))


def note(figure: Figure) -> str:
    with Image.open(io.BytesIO(figure.png)) as image:
        return str(image.info["Description"])


def test_the_png_names_what_it_draws_and_no_program_or_date(drawn: Figures) -> None:
    assert charts.fingerprint(charts.loss(runs())) in note(loss(drawn))
    with Image.open(io.BytesIO(loss(drawn).png)) as image:
        assert set(image.info) == {"Description", "dpi"}


def test_the_svg_holds_no_date_and_no_name_of_a_program(drawn: Figures) -> None:
    for figure in drawn.figures:
        assert not re.search(r"matplotlib|<dc:date|<metadata|\d{4}-\d\d-\d\d", figure.svg, re.I)


def test_lines_differ_in_colour_dashes_and_markers(drawn: Figures) -> None:
    svg = loss(drawn).svg
    for colour in curves.LINES[:3]:
        assert colour in svg
    dashes = set(re.findall(r"stroke-dasharray: [\d.,\s]+; stroke-dashoffset: 0; stroke: #", svg))
    assert len(dashes) == 2  # the third line is whole
    assert len(set(curves.MARKERS)) == len(set(map(str, curves.DASHES))) == len(curves.LINES)


def test_the_inline_drawing_takes_all_colours_and_its_font_from_the_page(drawn: Figures) -> None:
    for figure in drawn.figures:
        colours = set(re.findall(r"#[0-9a-f]{6}\b", figure.inline)) - {"#000000"}
        assert colours == set()
        assert "DejaVu" not in figure.inline
        assert "var(--sans)" in figure.inline
        assert "script" not in tags(figure.inline)


def tags(svg: str) -> set[str]:
    root = ElementTree.fromstring(svg)  # noqa: S314  (drawn a moment ago)
    return {element.tag.rpartition("}")[2] for element in root.iter()}


def test_a_hostile_label_is_text_and_not_markup() -> None:
    figures = curves.draw(
        "figures/x", {samples.HOSTILE: run("torch"), "日本 $\\frac$": run("jax")}, None
    )
    for figure in figures.figures:
        for svg in (figure.svg, figure.inline):
            assert "script" not in tags(svg)
    assert "<script>" not in loss(figures).svg
    assert "&lt;script" in loss(figures).svg


@pytest.mark.parametrize("value", [0.0, 1e-30])
def test_equal_or_vanishing_losses_can_be_drawn(value: float) -> None:
    rows = [step | {"loss": value} for step in samples.steps("torch")]
    same = {name: run(name, **{"steps.jsonl": samples.lines(rows)}) for name in samples.BACKENDS}
    assert len(curves.draw("figures/x", same, None).figures) == 3


def test_more_runs_than_colours_can_be_drawn() -> None:
    many = {f"run {place}": run("torch") for place in range(6)}
    assert len(curves.draw("figures/x", many, None).figures) == 3


def test_a_new_stage_is_a_line_down() -> None:
    one = charts.Curve("torch", (1, 2, 3), (3.0, 2.0, 1.0))
    plain, broken = (charts.Chart("t", "step", (one,), breaks=breaks) for breaks in ((), (3,)))
    lines = [curves.figure("figures/x", chart).svg.count("<path") for chart in (plain, broken)]
    assert lines[1] == lines[0] + 1
