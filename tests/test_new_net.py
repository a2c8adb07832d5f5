"""Adding a net to the zoo is one entry: every command, the report and the tests pick it up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ranparity.cli import main
from ranparity.models import entry as entries
from ranparity.models import zoo
from ranparity.models.entry import Entry, Integers
from ranparity.report import layers, records, structure
from ranparity.training import recipe
from tests.in_process import checks_here  # noqa: F401
from tests.models.cases import TINY
from tests.programs import ROOT
from tests.report import samples

NEW = Entry(
    "new",
    "New-Net",
    "derived",
    TINY,
    (32, 32, 3),
    10,
    Integers(101, 29, 28, 4_854, 5_366, 2_658_624),
    odd_size=25,
    reproduces="nothing: it is a test's",
)
OLD = zoo.entry("resnet18-cifar")  # the one that is built fastest


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Does what CONTRIBUTING.md says: an entry, then `ranparity export`; gives the prototxt."""
    monkeypatch.setattr(zoo, "ENTRIES", {OLD.name: OLD, NEW.name: NEW})
    monkeypatch.setattr(entries, "PROTOTXT_FOLDERS", (tmp_path, *entries.PROTOTXT_FOLDERS))
    path = tmp_path / "New-Net.prototxt"
    assert main(["export", "new", "-o", str(path), "--backend", "torch"]) == 0
    return path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_its_prototxt_says_what_it_is(added: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert added.read_text().startswith("# Written by `ranparity export new` from the Keras model;")
    assert zoo.entry("new").prototxt == added
    out = printed(capsys, "shapes", str(added))
    assert "New-Net, input data 1x3x32x32" in out
    assert "4,854 trainable parameters" in out


@pytest.mark.usefixtures("added")
def test_it_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(printed(capsys, "models", "--json"))
    assert [row["name"] for row in rows] == ["resnet18-cifar", "new"]
    assert rows[1]["origin"] == "derived"
    assert rows[1]["input_shape"] == [32, 32, 3]
    assert (rows[1]["parameters"], rows[1]["macs"]) == (4_854, 2_658_624)
    assert rows[1]["prototxt"] == "prototxt/New-Net.prototxt"
    assert "new" in [row["name"] for row in json.loads(printed(capsys, "models", "new", "--json"))]


@pytest.mark.usefixtures("added", "checks_here")
def test_it_is_checked_where_no_net_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("check", "--backend", "torch", "--json")
    old, new = json.loads(printed(capsys, *command))["results"]
    assert (old["model"], new["model"]) == ("resnet18-cifar", "new")
    assert (new["verdict"], new["sizes"]) == ("pass", ["32x32", "25x25"])
    wrong = replace(NEW, integers=replace(NEW.integers, layers=1))  # type: ignore[type-var]
    monkeypatch.setitem(zoo.ENTRIES, "new", wrong)
    assert main(["check", "new", "--backend", "torch"]) == 1


@pytest.mark.usefixtures("added")
def test_it_has_a_recipe_and_a_narrow_twin() -> None:
    assert recipe.default("new", "digits")[0] == recipe.default(OLD.name, "digits")[0] == "digits"
    assert recipe.default("new", "cifar10")[0] in recipe.NAMES
    assert zoo.entry("new@2").build(input_shape=(12, 12, 3)).output_shape == (None, 10)


@pytest.mark.usefixtures("added")
def test_it_is_in_the_report() -> None:
    found = records.evidence(samples.reports())
    titles = [plain(row[0].text) for row in structure.verdicts(found).rows]
    assert titles == ["ResNet-18-CIFAR", "New-Net", "All nets"]
    before = dict(samples.reports())
    stale = json.loads(before["data/check-torch.json"])
    stale["results"] = stale["results"][:1]  # a record from before the net was there
    before["data/check-torch.json"] = samples.encoded(stale)
    told = [plain(each) for each in structure.problems(records.evidence(before))]
    assert told == ["Structure of new on torch: not run (data/check-torch.json)"]
    paths = [
        block.path
        for block in layers.section(records.evidence({})).blocks
        if hasattr(block, "path")
    ]
    assert paths == ["layers/ResNet-18-CIFAR.md", "layers/New-Net.md"]


def plain(text: Any) -> str:
    return "".join(span.text for span in text)


ADDED = """
import sys
import pytest
from ranparity.models import zoo
from tests.test_new_net import NEW
zoo.ENTRIES["new"] = NEW
sys.exit(pytest.main(["--collect-only", "-q", "-n0", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""
PARAMETRISED = (
    "tests/models/test_zoo.py",
    "tests/models/test_export.py",
    "tests/parity/test_check.py",
    "tests/report/test_layers.py",
    "tests/training/test_recipe.py",
)


def test_the_tests_are_of_it_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ADDED, *PARAMETRISED],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.fspath(ROOT), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    of_it = [line for line in done.stdout.splitlines() if line.endswith("[new]")]
    assert {line.partition("::")[0] for line in of_it} == set(PARAMETRISED)
    assert (
        "tests/parity/test_check.py::test_the_committed_prototxt_is_what_is_exported[new]" in of_it
    )
    others = [line for line in done.stdout.splitlines() if line.endswith("[attention56]")]
    assert [line.replace("[new]", "[attention56]") for line in of_it] == others
