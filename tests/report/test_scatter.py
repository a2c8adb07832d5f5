from __future__ import annotations

import dataclasses
import io
import re

import pytest
from PIL import Image

from ranparity.report import records, scatter
from ranparity.report.document import Figure
from ranparity.report.features_record import FeaturesRecord, Side
from tests.report import picture_samples, samples
from tests.report.test_curves import tags


@pytest.fixture(scope="module")
def record() -> FeaturesRecord:
    (found,) = records.evidence(picture_samples.reports()).features
    return found


def note(figure: Figure) -> str:
    with Image.open(io.BytesIO(figure.png)) as image:
        return str(image.info["Description"])


def test_drawing_twice_gives_the_same_bytes(record: FeaturesRecord) -> None:
    assert scatter.draw("figures/x", record) == scatter.draw("figures/x", record)


def test_other_places_give_another_drawing(record: FeaturesRecord) -> None:
    drawn = [scatter.draw("figures/x", record, (side,)) for side in ("before", "after")]
    assert drawn[0].svg != drawn[1].svg
    assert note(drawn[0]) != note(drawn[1])
    assert scatter.fingerprint(record, ("after",)) in note(drawn[1])


def test_both_panels_are_twice_as_wide(record: FeaturesRecord) -> None:
    one, two = (
        Image.open(io.BytesIO(scatter.draw("figures/x", record, sides).png)).size
        for sides in (("before",), ("before", "after"))
    )
    assert (two[0], two[1]) == (2 * one[0], one[1])


def test_what_is_drawn_is_told_in_words(record: FeaturesRecord) -> None:
    assert scatter.draw("figures/x", record, ("after",)).alt == (
        "t-SNE of 4 of 360 held-out images, 2 classes: the features z, after aggregation "
        "(inter-class distance 0.75)."
    )


def test_classes_are_named_and_differ_in_colour(record: FeaturesRecord) -> None:
    svg = scatter.draw("figures/x", record, ("before",)).svg
    for word in (">cat<", ">dog<", scatter.COLOURS[0], scatter.COLOURS[1]):
        assert word in svg
    assert scatter.COLOURS[2] not in svg
    assert len(set(scatter.COLOURS)) == len(set(scatter.MARKERS)) == 10


def test_too_many_classes_to_be_told_apart_are_not_named(record: FeaturesRecord) -> None:
    labels = tuple(range(30))
    points = tuple((float(label), 0.0) for label in labels)
    many = dataclasses.replace(
        record,
        labels=labels,
        class_names=tuple(f"kind{label}" for label in labels),
        sides={side: Side(1, 1, None, points) for side in ("before", "after")},
    )
    assert "kind" not in scatter.draw("figures/x", many).svg


def test_a_hostile_name_is_text_and_not_markup(record: FeaturesRecord) -> None:
    hostile = dataclasses.replace(record, class_names=(samples.HOSTILE, "日本"))
    figure = scatter.draw("figures/x", hostile)
    for svg in (figure.svg, figure.inline):
        assert "script" not in tags(svg)
        assert not re.search(r"<script>", svg)


def test_within_a_page_frame_and_text_take_the_pages_colours(record: FeaturesRecord) -> None:
    inline = scatter.draw("figures/x", record).inline
    colours = set(re.findall(r"#[0-9a-f]{6}\b", inline)) - {"#000000"}
    assert colours <= set(scatter.COLOURS)
