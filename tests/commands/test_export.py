"""The command `ranparity export`: where it writes, what it never destroys, what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from ranparity.caffe import prototxt
from ranparity.cli import main
from ranparity.commands import export
from ranparity.models import zoo
from tests.programs import ROOT, ranparity

MODEL = "attention56-cifar"  # builds fastest
COMMITTED = (ROOT / "prototxt" / "Attention-56-CIFAR.prototxt").read_text()
TORCH = ("--backend", "torch")  # what the tests' process has imported


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails a test in which a model is built."""

    def build(*_: object) -> str:
        raise AssertionError("built a model before looking where it goes")

    monkeypatch.setattr(export, "exported", build)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the text as built, where a test asks only where it goes."""
    monkeypatch.setattr(export, "exported", lambda *_: COMMITTED)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["export", *map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err.removeprefix("ranparity: ").rstrip("\n")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", MODEL, "-o", "-", *TORCH]) == 0
    captured = capsys.readouterr()
    assert captured.out == COMMITTED, "nothing but the file"
    assert captured.err == ""


@pytest.mark.usefixtures("quick")
def test_to_a_file_in_a_folder_that_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a" / "b" / "net.prototxt"
    assert main(["export", MODEL, "--output", str(path), *TORCH]) == 0
    assert capsys.readouterr().out == f"Wrote {path}\n"
    assert path.read_text() == COMMITTED
    assert names(path.parent) == ["net.prototxt"]


@pytest.mark.usefixtures("quick")
def test_by_default_to_the_nets_own_file_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", MODEL, *TORCH]) == 0
    assert capsys.readouterr().out == "Wrote prototxt/Attention-56-CIFAR.prototxt\n"
    assert (tmp_path / "prototxt" / "Attention-56-CIFAR.prototxt").read_text() == COMMITTED


def test_another_size_is_in_the_header_and_in_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", MODEL, "-o", "-", "--size", "40x48", *TORCH]) == 0
    text = capsys.readouterr().out
    assert text.startswith(
        "# Written by `ranparity export attention56-cifar --size 40x48` from the Keras model; not "
        "edited.\n# Derived: no prototxt of this net was published.\n"
    )
    assert prototxt.parse(text).inputs[0].shape == (1, 3, 40, 48)


def test_headers_say_what_a_file_is() -> None:
    heads = {
        name: [line for line in zoo.entry(name).prototxt.read_text().splitlines() if line[0] == "#"]
        for name in zoo.ENTRIES
    }
    same = "# Its canonical digest equals that of the authors' file."
    for name, lines in heads.items():
        assert lines[0] == (
            f"# Written by `ranparity export {name}` from the Keras model; not edited."
        )
    assert heads["attention56"][1:] == [same]
    assert heads["attentionnext92"][1:] == [
        same,
        "# Erratum of the authors' file, repaired here: classifier-reads-ave_pool.",
    ]
    assert heads["attention56-cifar"][1:] == ["# Derived: no prototxt of this net was published."]


# What is there is not lost.


@pytest.mark.usefixtures("quick")
def test_an_old_file_is_replaced_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text("old" * 100_000)
    assert main(["export", MODEL, "-o", str(path), *TORCH]) == 0
    assert path.read_text() == COMMITTED
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("size", ["3", "31x31"])
def test_a_failure_leaves_the_old_file(
    size: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text("old")
    if size != "3":  # the disk is full only now

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(export, "exported", lambda *_: "new")
        monkeypatch.setattr(Path, "replace", full)
    message = refusal(capsys, MODEL, "-o", path, "--size", size, *TORCH)
    if size == "3":
        assert message == (
            'layer "AttentionA_1/mask/down_sample/pool2_3x3_s2": a window of 3 pixels is larger '
            "than its map of 1 (padding 0); expected a smaller window or a larger input"
        )
    else:
        assert message == f"{path}: cannot write the prototxt: No space left on device"
    assert path.read_text() == "old"
    assert names(tmp_path) == ["net.prototxt"]


# Refusals, before any work.


@pytest.mark.usefixtures("no_work")
def test_an_unknown_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, "attention57") == (
        f"unknown model 'attention57': expected one of {', '.join(zoo.ENTRIES)}, or NAME@N for one "
        "with every width divided by N"
    )


@pytest.mark.usefixtures("no_work")
def test_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refusal(capsys, MODEL, "-o", tmp_path, *TORCH)
    assert message == f"{tmp_path}: cannot write the prototxt: {tmp_path} is a directory"
    assert names(tmp_path) == []


@pytest.mark.usefixtures("no_work")
def test_a_place_below_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("old")
    path = tmp_path / "file" / "net.prototxt"
    message = refusal(capsys, MODEL, "-o", path, *TORCH)
    assert message == f"{path}: cannot write the prototxt: File exists"
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.usefixtures("no_work")
def test_a_folder_that_may_not_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write everywhere, so the refusal of the system is played."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    path = tmp_path / "net.prototxt"
    message = refusal(capsys, MODEL, "-o", path, *TORCH)
    assert message == f"{path}: cannot write the prototxt: Permission denied"


@pytest.mark.usefixtures("no_work")
def test_an_empty_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, MODEL, "-o", "", *TORCH) == (
        "--output: expected a file name, or - for standard output; found ''"
    )


@pytest.mark.usefixtures("no_work")
def test_another_size_does_not_replace_the_nets_own_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refusal(capsys, MODEL, "--size", "40", *TORCH) == (
        "--size: expected --output FILE with it, because prototxt/Attention-56-CIFAR.prototxt is "
        "of 32x32"
    )
    assert names(tmp_path) == []


@pytest.mark.usefixtures("quick")
def test_the_nets_own_size_is_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", MODEL, "--size", "32", *TORCH]) == 0
    assert capsys.readouterr().out == "Wrote prototxt/Attention-56-CIFAR.prototxt\n"


@pytest.mark.usefixtures("no_work")
def test_an_unknown_backend(capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, MODEL, "-o", "-", "--backend", "mxnet") == (
        "--backend: expected one of torch, tensorflow, jax. Received: 'mxnet'"
    )


# The real program.


def test_the_program_writes_what_it_describes(tmp_path: Path) -> None:
    done = ranparity("export", MODEL, "-o", "net.prototxt", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Wrote net.prototxt\n", "")
    assert (tmp_path / "net.prototxt").read_text() == COMMITTED
    shown = ranparity("shapes", "net.prototxt", cwd=tmp_path)
    assert "1,030,394 trainable parameters" in shown.stdout
    assert "122,825,216 MACs" in shown.stdout


def test_the_programs_refusal_is_one_line(tmp_path: Path) -> None:
    done = ranparity("export", "attention56", "-o", ".", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "ranparity: .: cannot write the prototxt: . is a directory\n"
