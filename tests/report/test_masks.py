from __future__ import annotations

import pytest

from ranparity.models import zoo
from ranparity.report import masks, records, render
from ranparity.report.document import Heading, Picture, Table
from tests.report import picture_samples, samples
from tests.report.picture_samples import MASKS
from tests.report.test_html import Reader
from tests.report.test_structure import row, words


@pytest.fixture(autouse=True)
def one_net(monkeypatch: pytest.MonkeyPatch) -> None:
    """A zoo of one net, which is all that a page of these tests needs."""
    name = "attention56-cifar"
    monkeypatch.setattr(zoo, "ENTRIES", {name: zoo.ENTRIES[name]})


def blocks(files: samples.Files) -> tuple[object, ...]:
    return masks.section(records.evidence(files)).blocks


def test_nothing_to_show_is_not_run_and_no_problem() -> None:
    (only,) = blocks(samples.reports())
    assert words(only.text) == "not run."  # type: ignore[attr-defined]
    assert list(masks.problems(records.evidence(samples.reports()))) == []


def test_each_run_has_its_picture_and_a_table() -> None:
    found = blocks(picture_samples.reports())
    (heading,) = (block for block in found if isinstance(block, Heading))
    assert heading.title == "a-net on digits, trained on torch"
    (picture,) = (block for block in found if isinstance(block, Picture))
    assert (picture.name, picture.png) == ("figures/masks-report-torch", picture_samples.png())
    assert picture.alt == (
        "a-net on digits, trained on torch: for 2 images, the map before the mask, the mask and "
        "the map after it, of 2 modules. Means of the masks: AttentionA_1 0.50, AttentionB_1 0.50."
    )
    (table,) = (block for block in found if isinstance(block, Table))
    assert [words(cell.text) for cell in row(table, "AttentionA_1")] == [
        "AttentionA_1",
        "1",
        "32 x 32, 64 channels",
        "0.1250",
        "0.5000",
        "0.8750",
        "0.2500",
        "6.25 %",
    ]
    assert words(row(table, "AttentionB_1")[-1].text) == "—"
    assert words(table.columns[-1].title) == "Within 0.01 of 0 or 1"


def test_a_damaged_record_is_shown_as_such_and_is_a_problem() -> None:
    files = samples.spoilt(picture_samples.reports(), MASKS, modules=[])
    failure = f"✗ FAILED: expected one module or more, and one image or more ({MASKS})"
    assert words(blocks(files)[-1].text) == failure  # type: ignore[attr-defined]
    (problem,) = masks.problems(records.evidence(files))
    assert words(problem) == f"Masks of report-torch: {failure}"


def test_the_picture_is_within_the_page_and_a_file_beside_the_markdown() -> None:
    files = render.render(picture_samples.reports()).files
    reader = Reader(files["index.html"].decode())
    (image,) = (attributes for tag, attributes in reader.tags if tag == "img")
    assert str(image["src"]).startswith("data:image/png;base64,iVBORw0KGgo")
    assert str(image["alt"]).startswith("a-net on digits, trained on torch: for 2 images")
    name = "figures/masks-report-torch.png"
    assert files[name] == picture_samples.png()
    assert f'<a href="{name}"><img src="{name}" alt="a-net on' in files["README.md"].decode()
