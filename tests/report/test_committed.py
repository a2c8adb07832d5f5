"""The committed reports/ is what its records and the prototxts render to, and it passes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from ranparity.report import records, render, store

REPORTS = Path(__file__).parents[2] / "reports"
REMEDY = "run `ranparity report` (`nox -s report` if records are missing) and commit reports/"


@pytest.fixture(scope="module")
def rendered() -> render.Rendered:
    assert (REPORTS / render.README).is_file(), f"reports/README.md is missing: {REMEDY}"
    return render.render(records.load(REPORTS))


def test_every_file_is_there_and_no_other(rendered: render.Rendered) -> None:
    missing = [name for name in rendered.files if not (REPORTS / name).is_file()]
    assert missing == [], REMEDY
    assert store.stale(REPORTS, rendered.files) == [], REMEDY


def test_every_text_and_drawing_is_what_the_records_say(rendered: render.Rendered) -> None:
    stale = [
        name
        for name, content in rendered.files.items()
        if not name.endswith(".png") and (REPORTS / name).read_bytes() != content
    ]
    assert stale == [], REMEDY


def test_every_picture_draws_what_the_records_say(rendered: render.Rendered) -> None:
    """Pixels may differ with a machine's arithmetic; the digest of what is drawn may not."""
    stale = [
        name
        for name, content in rendered.files.items()
        if name.endswith(".png") and drawn((REPORTS / name).read_bytes()) != drawn(content)
    ]
    assert stale == [], REMEDY


def drawn(png: bytes) -> tuple[tuple[int, int], str]:
    """A picture's size in pixels, and the digest of the data that it draws."""
    with Image.open(io.BytesIO(png)) as image:
        return image.size, str(image.info.get("Description"))


def test_the_report_passes(rendered: render.Rendered) -> None:
    assert rendered.problems == ()
