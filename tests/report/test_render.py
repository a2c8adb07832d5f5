from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ranparity.models import zoo
from ranparity.report import render, schema_files
from ranparity.report.markdown import anchor
from tests.report import samples

ROOT = Path(__file__).parents[2]
NETS = {f"layers/{entry.title}.md" for entry in zoo.ENTRIES.values()}
FIGURES = {
    f"figures/attention56-cifar-digits-seed0-{what}.{suffix}"
    for what in ("loss", "distance", "accuracy")
    for suffix in ("svg", "png")
}


SCHEMAS = {f"schemas/{kind}.schema.json" for kind in schema_files.KINDS}


@pytest.fixture(scope="module")
def rendered() -> render.Rendered:
    return render.render(samples.reports())


def test_all_files_are_rendered(rendered: render.Rendered) -> None:
    assert set(rendered.files) == {"README.md", "index.html"} | SCHEMAS | NETS | FIGURES
    assert rendered.problems == ()


def test_schemas_are_published_as_they_are_shipped(rendered: render.Rendered) -> None:
    folder = ROOT / "ranparity" / "report"
    assert all(rendered.files[name] == (folder / name).read_bytes() for name in SCHEMAS)
    page = rendered.files["README.md"].decode()
    assert all(f"]({name})" in page for name in SCHEMAS)


def test_rendering_again_in_any_order_of_the_records_gives_the_same_bytes(
    rendered: render.Rendered,
) -> None:
    assert render.render(dict(reversed(samples.reports().items()))) == rendered


SCRIPT = """
import sys
from ranparity.report import render
from ranparity.report.markdown import anchor
from tests.report import samples
files = render.render(samples.reports()).files
import hashlib
print(hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest())
heavy = {"keras", "torch", "tensorflow", "jax", "sklearn"} & set(sys.modules)
print(*sorted(heavy))
"""


def rendered_elsewhere(folder: Path, **variables: str) -> list[str]:
    """Renders in a process of its own, in another folder; gives the digest and heavy modules."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split("\n")[:2]


def test_another_process_folder_time_zone_and_hash_seed_give_the_same_bytes_without_keras(
    tmp_path: Path,
) -> None:
    one = rendered_elsewhere(tmp_path, PYTHONHASHSEED="1", TZ="Asia/Tokyo", LANG="C")
    other = rendered_elsewhere(ROOT, PYTHONHASHSEED="2", TZ="UTC", LANG="de_DE.UTF-8")
    assert one == other
    assert one[1] == ""


def test_no_text_names_this_machine_or_folder(rendered: render.Rendered) -> None:
    texts = (text for name, text in rendered.files.items() if not name.endswith(".png"))
    text = b"".join(texts)
    assert str(ROOT).encode() not in text
    assert os.uname().nodename.encode() not in text.lower().replace(b"localhost", b"")


def test_problems_are_the_same_on_the_page_and_in_the_result() -> None:
    path = "data/runs/report-jax/run.json"
    rendered = render.render(samples.spoilt(samples.reports(), path, test_accuracy=0.5))
    assert len(rendered.problems) == 1
    readme = rendered.files["README.md"].decode()
    assert "> **✗ FAIL** 1 finding stands against it:" in readme
    assert "- Training on `jax`: 50.00 % of the test images, under 95 %" in readme


def test_a_report_on_nothing_says_that_nothing_was_run() -> None:
    rendered = render.render({})
    assert len(rendered.problems) == 3
    assert set(rendered.files) == {"README.md", "index.html"} | SCHEMAS | NETS
    readme = rendered.files["README.md"].decode()
    assert "- [Endurance](#endurance-runs-that-are-killed-and-resumed): not run." in readme


def test_one_kind_of_evidence_alone_is_rendered() -> None:
    whole = samples.reports()
    for kind in ("data/check-torch", "data/alterations", "data/runs/report-torch/"):
        files = {name: content for name, content in whole.items() if name.startswith(kind)}
        assert render.render(files).problems


def test_links_of_the_readme_lead_to_headings_and_to_files(rendered: render.Rendered) -> None:
    readme = rendered.files["README.md"].decode()
    headings = {anchor(title) for title in re.findall(r"(?m)^#+ (.*)$", readme)}
    links = set(re.findall(r"\]\(([^)]*)\)", readme)) | set(
        re.findall(r'(?:href|src)="(.*?)"', readme)
    )
    assert {link[1:] for link in links if link.startswith("#")} <= headings
    there = set(rendered.files) | set(samples.reports()) | {"data", "../prototxt"}
    assert {link for link in links if not link.startswith("#")} <= there


def test_links_of_the_layer_tables_lead_to_the_prototxts(rendered: render.Rendered) -> None:
    for name in NETS:
        links = re.findall(r"\]\(([^)]*)\)", rendered.files[name].decode())
        assert links
        assert all((ROOT / "reports" / "layers" / link).resolve().is_file() for link in links)
