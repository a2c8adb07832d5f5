"""A prototxt of anyone's on the ladder, and the session that asks for opinions about such files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from ranparity import files as hashing
from ranparity.caffe import prototxt
from ranparity.cli import main
from ranparity.data.tape import Tape
from ranparity.errors import InputError
from ranparity.parity.ladder import files, opinions
from ranparity.parity.ladder.case import Case
from tests.report import schemas

NET = """
name: "small" input: "data" input_shape { dim: 4 dim: 3 dim: 12 dim: 10 }
layer { name: "conv/a.b" type: "Convolution" bottom: "data" top: "a"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "norm" type: "BatchNorm" bottom: "a" top: "a" }
layer { name: "scale" type: "Scale" bottom: "a" top: "a" scale_param { bias_term: true } }
layer { name: "prelu" type: "PReLU" bottom: "a" top: "p" }
layer { name: "drop" type: "Dropout" bottom: "p" top: "p" }
layer { name: "up" type: "Deconvolution" bottom: "p" top: "up"
  convolution_param { num_output: 2 kernel_size: 4 stride: 2 } }
layer { name: "LRN" type: "LRN" bottom: "p" top: "n" lrn_param { %s } }
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "small.prototxt"
    path.write_text(NET % "local_size: 3")
    return path


def test_a_file_is_read_for_a_size_and_a_batch_and_written_again(net: Path) -> None:
    sized = files.sized(net, (20, 16), 2)
    assert sized.inputs[0].shape == (2, 3, 20, 16)
    again = prototxt.parse(files.written(sized), "again")
    assert (again.inputs, again.layers) == (sized.inputs, sized.layers)
    subject = files.FileNet(Case(str(net), (20, 16), 2, levels=(1,)))
    images, _ = subject.batch(Tape(0))
    assert images.shape == (2, 20, 16, 3)
    np.testing.assert_array_equal(subject.arranged(images), images)
    with pytest.raises(InputError, match="run at level 1"):
        subject.feed()


def test_a_net_without_one_map_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "n.prototxt"
    path.write_text(
        'input: "a" input_shape { dim: 1 dim: 5 } '
        'layer { name: "r" type: "ReLU" bottom: "a" top: "r" }'
    )
    with pytest.raises(InputError, match=r'expected one input of four axes \(NCHW\), found "a" \['):
        files.sized(path)


def test_the_ladder_takes_a_file(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANPARITY_DATA", str(tmp_path / "data"))
    work = ("--work", str(tmp_path / "work"), "--backends", "torch", "--json")
    assert main(["ladder", str(net), "--against", "opencv", "--size", "20x16", *work]) == 0
    content = json.loads(capsys.readouterr().out)
    results = content["results"]
    assert [(r["backend"], r["level"], r["tensors"], r["verdict"]) for r in results] == [
        ("torch", 1, 7, "pass"),
        ("opencv", 1, 7, "pass"),
    ]
    assert {row["tensor"] for row in results[0]["rows"]} >= {"blob/a", "blob/norm", "blob/up"}
    assert content["cases"][0]["case"]["size"] == [20, 16]
    assert main(["ladder", str(net), "--levels", "1-3"]) == 2
    assert "--levels: expected 1 of" in capsys.readouterr().err


@pytest.mark.usefixtures("net")
def test_opinions_are_counted_recorded_and_not_asked_for_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANPARITY_DATA", str(tmp_path / "data"))
    (tmp_path / "other.prototxt").write_text(NET % "local_size: 3 k: 2")
    (tmp_path / "none.prototxt").write_text('layer { name: "d" type: "Data" top: "data" }')
    out = tmp_path / "out"
    arguments = [str(tmp_path), "--backends", "torch", "--out", str(out), "--most", "8"]
    assert opinions.main([*arguments, "--work", str(tmp_path / "work")]) == 0
    told = capsys.readouterr()
    assert re.search(r"small +opencv +7 blobs, 0 mismatches, worst rho \d", told.out)
    assert re.search(r"other +opencv +not asked: .*\"LRN\" \(LRN\): OpenCV takes 1", told.out)
    assert re.search(r"none +not run: .*expected one input of four axes \(NCHW\), found", told.out)
    assert (
        "2 files, 1 of them by OpenCV too; blobs compared: torch 14, opencv 7; no with mismatches; "
        "1 not run" in told.out
    )
    record = (out / opinions.OPINIONS_RECORD).read_text()
    assert str(tmp_path) not in record
    assert schemas.of_text("ladder", record) == []
    cases = json.loads(record)["cases"].values()
    assert {case["prototxt"] for case in cases} == {"small.prototxt", "other.prototxt"}
    assert {case["prototxt_digest"] for case in cases} == {
        hashing.digest(tmp_path / name) for name in ("small.prototxt", "other.prototxt")
    }
    assert [c["case"]["size"] for c in json.loads(record)["cases"].values()] == [[8, 8]] * 2
    assert opinions.main([*arguments, "--work", str(tmp_path / "work")]) == 0
    assert "running on" not in capsys.readouterr().err


def test_a_file_that_is_asked_for_by_name_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.prototxt: .*no such file"):
        opinions.main([str(tmp_path / "none.prototxt"), "--out", str(tmp_path / "out")])
    with pytest.raises(InputError, match=r"expected files \*\.prototxt in this folder"):
        opinions.main([str(tmp_path), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_the_published_files_and_other_peoples_are_asked_about(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(opinions.ORIGINALS, raising=False)
    own = opinions.files([])
    assert [path.suffix for path in own] == [".prototxt"] * 4
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "x.prototxt").write_text(net.read_text())
    monkeypatch.setenv(opinions.ORIGINALS, str(tmp_path))
    assert opinions.files([]) == [*own, tmp_path / "public" / "x.prototxt"]
    assert opinions.case_of(net, 8).size == (8, 8)
    assert opinions.case_of(net, 2).size == (12, 10), "no window fits into so little"
