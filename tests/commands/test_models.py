"""The command `ranparity models`: its table, its JSON, its refusals, and what it loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ranparity.cli import main
from ranparity.models import entry as entries
from ranparity.models import zoo

FIELDS = {
    "name",
    "title",
    "origin",
    "input_shape",
    "classes",
    "parameters",
    "macs",
    "prototxt",
    "reproduces",
}


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["models", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["models", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err.removeprefix("ranparity: ").rstrip("\n")


TABLE = """\
name               origin    input (HxWxC)      parameters     MACs  prototxt                     \
reproduces
-----------------  --------  ---------------  ------------  -------  ---------------------------  \
----------------------------------------------
attention56-cifar  derived   32x32x3             1,030,394  0.123 G  Attention-56-CIFAR.prototxt  \
the paper's Tables 1, 3 and 4
resnet18           derived   224x224x3          11,689,512  1.814 G  ResNet-18.prototxt           \
He et al., CVPR 2016, as in PyTorch's model zoo
"""


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    table = shown(capsys, "attention56-cifar", "resnet18")
    assert [line.split() for line in table.splitlines() if "---" not in line] == [
        line.split() for line in TABLE.splitlines() if "---" not in line
    ]


def test_the_json_of_every_net(capsys: pytest.CaptureFixture[str]) -> None:
    """All nets in the zoo's order; counted from the files, and as recorded."""
    rows: list[dict[str, Any]] = json.loads(shown(capsys, "--json"))
    assert [row["name"] for row in rows] == list(zoo.ENTRIES)
    for row, entry in zip(rows, zoo.ENTRIES.values(), strict=True):
        assert set(row) == FIELDS
        assert entry.integers is not None
        assert row["parameters"] == entry.integers.trainable_parameters
        assert row["macs"] == entry.integers.macs
        assert (row["title"], row["origin"]) == (entry.title, entry.origin)
        assert row["input_shape"] == list(entry.input_shape)
        assert row["classes"] == entry.classes
        assert row["prototxt"] == f"prototxt/{entry.title}.prototxt"
        assert row["reproduces"]


def test_only_some_in_the_order_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(shown(capsys, "--json", "resnet18", "attention56"))
    assert [row["name"] for row in rows] == ["resnet18", "attention56"]
    lines = shown(capsys, "dranet", "attention56-cifar").splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["dranet", "attention56-cifar"]


def test_an_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    names = ", ".join(zoo.ENTRIES)
    assert refusal(capsys, "resnet18", "attention57") == (
        f"unknown model 'attention57': expected one of {names}, or NAME@N for one with every "
        "width divided by N"
    )


def test_a_narrow_twin_has_no_prototxt_to_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, "attention56-cifar@8") == (
        "attention56-cifar@8: expected a net of the zoo, found a narrow twin, which has no "
        "prototxt: leave @N out"
    )


def test_a_file_with_another_net_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = zoo.entry("resnet18").prototxt.read_text("utf-8")
    path = tmp_path / "ResNet-18.prototxt"
    path.write_text(text.replace('name: "ResNet-18"', 'name: "ResNet-34"', 1))
    monkeypatch.setattr(entries, "PROTOTXT_FOLDERS", (tmp_path,))
    assert refusal(capsys, "resnet18") == f"{path}: expected the net ResNet-18, found ResNet-34"
    path.write_text("layer {")
    assert refusal(capsys, "resnet18").startswith(str(path))
    path.unlink()
    assert refusal(capsys, "resnet18") == (
        f"resnet18: expected ResNet-18.prototxt in {tmp_path}; write it with: ranparity export "
        "resnet18"
    )


def test_no_framework_is_loaded() -> None:
    program = (
        "import sys; from ranparity.cli import main; main(['models', 'dranet', '--json']); "
        "print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)[0]["name"] == "dranet"
    modules = done.stderr
    assert "'ranparity'" in modules
    for heavy in ("keras", "torch", "tensorflow", "jax", "sklearn", "matplotlib", "h5py"):
        assert f"'{heavy}'" not in modules
