"""The command `ranparity shapes`: its table, its JSON, its options, and its refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ranparity.cli import main
from ranparity.models import zoo
from tests.caffe.nets import EVERY_TYPE, ROOT, layer, with_input
from tests.caffe.test_published import faulty
from tests.programs import ranparity

PUBLISHED = ROOT / "prototxt"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "net.prototxt"
    path.write_text(EVERY_TYPE)
    return path


def shown(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["shapes", *map(str, arguments)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def as_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shown(capsys, "--json", *arguments))
    return found


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["shapes", *map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err.removeprefix("ranparity: ").rstrip("\n")


TABLE = """\
every-type, input data 2x4x9x11

layer    type          inputs      output      parameters    MACs
-------  ------------  ----------  --------  ------------  ------
conv     Convolution   data        2x6x5x6            108   3,240
bn       BN            conv        2x6x5x6             12
relu     ReLU          bn          2x6x5x6
pool     Pooling       relu        2x6x2x3
interp   Interp        pool, relu  2x6x5x6
mask     Sigmoid       interp      2x6x5x6
sum      Eltwise       relu, mask  2x6x5x6
fc       InnerProduct  sum         2x7              1,267   1,260
prob     Softmax       fc          2x7

9 layers, 10 blobs (inputs and in-place results counted)
1,387 trainable parameters, 1,399 with statistics
4,500 MACs for one image (convolutions, deconvolutions and inner products)
"""


def test_the_table(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = "\n".join(line.rstrip() for line in shown(capsys, small).splitlines()) + "\n"
    assert table == TABLE


def test_the_json(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, small)
    assert found["name"] == "every-type"
    assert found["file"] == str(small)
    assert found["inputs"] == [{"name": "data", "shape": [2, 4, 9, 11]}]
    assert found["errata"] == []
    assert found["published"] is None
    assert found["layers"][0] == {
        "name": "conv",
        "type": "Convolution",
        "bottoms": ["data"],
        "tops": ["conv"],
        "shapes": [[2, 6, 5, 6]],
        "parameters": 108,
        "macs": 3240,
    }
    assert found["layers"][2] == {
        "name": "relu",
        "type": "ReLU",
        "bottoms": ["bn"],
        "tops": ["bn"],
        "shapes": [[2, 6, 5, 6]],
        "parameters": 0,
        "macs": 0,
    }
    assert found["totals"] == {
        "layers": 9,
        "blobs": 10,
        "trainable_parameters": 1387,
        "parameters_with_statistics": 1399,
        "macs": 4500,
    }


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("*.prototxt")), ids=lambda path: path.stem)
def test_the_json_of_every_net_adds_up(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, path)
    layers, totals = found["layers"], found["totals"]
    keys = {"name", "type", "bottoms", "tops", "shapes", "parameters", "macs"}
    assert all(set(row) == keys for row in layers)
    assert all(len(row["shapes"]) == len(row["tops"]) for row in layers)
    assert totals["layers"] == len(layers)
    assert totals["blobs"] == 1 + sum(len(row["tops"]) for row in layers)
    assert totals["trainable_parameters"] == sum(row["parameters"] for row in layers)
    assert totals["macs"] == sum(row["macs"] for row in layers)
    assert totals["parameters_with_statistics"] > totals["trainable_parameters"]


# --size


@pytest.mark.parametrize(
    ("text", "shape"),
    [("17", [2, 4, 17, 17]), ("17x13", [2, 4, 17, 13]), ("017x0013", [2, 4, 17, 13])],
)
def test_another_size(
    text: str, shape: list[int], small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = as_json(capsys, small, "--size", text)
    assert found["inputs"] == [{"name": "data", "shape": shape}]
    assert found["layers"][0]["shapes"] == [[2, 6, (shape[2] + 1) // 2, (shape[3] + 1) // 2]]


def test_attention_92_at_224_and_320(capsys: pytest.CaptureFixture[str]) -> None:
    path = PUBLISHED / "Attention-92.prototxt"
    assert as_json(capsys, path, "--size", "224") == as_json(capsys, path)
    bigger = as_json(capsys, path, "--size", "320")
    (pool,) = (row for row in bigger["layers"] if row["name"] == "ave_pool")
    assert pool["shapes"] == [[1, 2048, 4, 4]], "the file's own 7x7 window"
    assert bigger["published"]["file"] == "Attention-92-deploy.prototxt"


@pytest.mark.parametrize(
    "text", ["0", "0x5", "-3", "x", "9x", "x9", "9x9x9", "1.5", "٣", "", " 9", "1" * 10, "224X224"]
)
def test_what_is_no_size(text: str, small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(["shapes", str(small), f"--size={text}"])
    assert error.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == (
        "ranparity shapes: error: argument --size: expected N or HxW in pixels, each from 1 to "
        f"999999999; found {text!r}"
    )


def test_a_size_that_is_too_small(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, small, "--size", "3") == (
        f'{small}: layer "pool" (Pooling): a window of 3 pixels is larger than its map of 2 '
        "(padding 0); expected a smaller window or a larger input"
    )


def test_a_size_for_a_net_without_a_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(with_input(layer("ReLU"), shape="1 10"))
    assert refusal(capsys, path, "--size", "3") == (
        f"{path}: a size can be given to a net with one input of four axes (NCHW); found: "
        "data (1, 10)"
    )


# --erratum


@pytest.fixture
def published_fault(tmp_path: Path) -> Path:
    """A net with the fault of the published AttentionNeXt-92."""
    path = tmp_path / "deploy.prototxt"
    net = faulty()
    path.write_text(
        f'name: "{net.name}" ' + with_input(*(f"layer {{ {row} }}" for row in net.layers))
    )
    return path


def test_a_known_fault_is_refused_with_its_repair(
    published_fault: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refusal(capsys, published_fault) == (
        f'{published_fault}: layer "classifier": as published the classifier reads '
        '"ave_pool_gather", which no layer makes; in the three other nets it reads the average '
        "pool; repair it, visibly, with --erratum classifier-reads-ave_pool (reads "
        '"ave_pool")'
    )


def test_a_repair_is_visible(published_fault: Path, capsys: pytest.CaptureFixture[str]) -> None:
    option = ("--erratum", "classifier-reads-ave_pool")
    table = shown(capsys, published_fault, *option)
    assert table.splitlines()[1] == "Repaired after reading: classifier-reads-ave_pool"
    found = as_json(capsys, published_fault, *option)
    assert found["errata"] == ["classifier-reads-ave_pool"]
    assert found["layers"][-1]["bottoms"] == ["ave_pool"]


def test_a_repair_of_a_sound_file_is_refused(
    small: Path, published_fault: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    option = ("--erratum", "classifier-reads-ave_pool")
    assert "this file has no such layer: leave --erratum out" in refusal(capsys, small, *option)
    twice = refusal(capsys, published_fault, *option, *option)
    assert "this file has no such layer: leave --erratum out" in twice


def test_an_unknown_erratum(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, small, "--erratum", "all") == (
        "--erratum: expected one of classifier-reads-ave_pool; found all"
    )


def test_our_files_say_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    heads = {path.stem: shown(capsys, path).splitlines()[:2] for path in PUBLISHED.iterdir()}
    same = "Says the same as the authors' {}-deploy.prototxt{} (canonical digest)"
    originals = {
        "Attention-56": same.format("Attention-56", ""),
        "Attention-92": same.format("Attention-92", ""),
        "AttentionNeXt-56": same.format("AttentionNeXt-56", ""),
        "AttentionNeXt-92": same.format("AttentionNeXt-92", ", with classifier-reads-ave_pool"),
    }
    assert set(heads) > set(originals)
    assert heads == {
        entry.title: [
            f"{entry.release.net_name or entry.title}, input data 1x3x{entry.input_shape[0]}x"
            f"{entry.input_shape[1]}",
            originals.get(entry.title, ""),
        ]
        for entry in zoo.ENTRIES.values()
    }


# Odd nets.


def test_a_net_without_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(with_input('layer { type: "ReLU" bottom: "data" top: "x" }'))
    assert shown(capsys, path).startswith("(a net without a name), input data 1x3x8x8\n")
    assert as_json(capsys, path)["layers"][0]["name"] == ""


def test_a_name_cannot_command_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.prototxt"
    evil = r"a\033[2Jb\nc\000"
    path.write_text(f'name: "{evil}" ' + with_input(layer("ReLU", name=evil)))
    table = shown(capsys, path)
    assert r"a\x1b[2Jb\nc\x00, input data" in table
    assert "\x1b" not in table
    assert as_json(capsys, path)["name"] == "a\x1b[2Jb\nc\0", "JSON has escapes of its own"
    path.write_text(with_input(layer("Nonsense", name=evil)))
    assert refusal(capsys, path).startswith(rf'{path}: layer "a\x1b[2Jb c\x00" (Nonsense): ')


# The real program.

BAD = {
    "a directory": lambda folder: folder,
    "no such file": lambda folder: folder / "missing",
    "a binary file": lambda folder: _written(folder, b"\x0a\x07\0\xff"),
    "an empty file": lambda folder: _written(folder, b""),
    "not a prototxt": lambda folder: _written(folder, b"Dear reader,\n"),
    "a cut-off file": lambda folder: _written(folder, EVERY_TYPE[:300].encode()),
    "an unknown field": lambda folder: _written(folder, b'layer { name: "a" colour: 1 }'),
    "an unknown type": lambda folder: _written(folder, with_input(layer("Warp")).encode()),
    "a missing blob": lambda folder: _written(folder, layer("ReLU", bottom="x").encode()),
    "a blob made twice": lambda folder: _written(folder, with_input(layer("BN") * 2).encode()),
}


def _written(folder: Path, data: bytes) -> Path:
    path = folder / "net.prototxt"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_line_and_status_2(kind: str, tmp_path: Path) -> None:
    path = BAD[kind](tmp_path)
    done = ranparity("shapes", str(path))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"ranparity: {path}")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_a_net_from_a_pipe() -> None:
    path = PUBLISHED / "Attention-56.prototxt"
    piped = ranparity("shapes", "/dev/stdin", "--json", input_=path.read_text())
    direct = ranparity("shapes", str(path), "--json")
    assert piped.returncode == direct.returncode == 0
    assert json.loads(piped.stdout)["layers"] == json.loads(direct.stdout)["layers"]
