"""The command `ranparity check`: what it prints, and its exit status."""

from __future__ import annotations

import json

import pytest

from ranparity.cli import main
from ranparity.models import entry as entries
from ranparity.models import zoo
from ranparity.parity.alterations import Proof
from ranparity.workers import WorkerError
from tests.in_process import checks_here  # noqa: F401
from tests.report import schemas


def test_a_pass_is_told_with_the_papers_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "attention56", "--backend", "torch", "--size", "224"]) == 0
    out = capsys.readouterr().out
    assert "Backend torch: --backend asks for it." in out
    assert "Attention-56: PASS against prototxt/Attention-56.prototxt (original) at 224x224" in out
    assert "paper, Table 2: 31.9 M trainable parameters; here 31,810,728 (-0.28 %)" in out
    assert "1 of 1 nets pass" in out


@pytest.mark.usefixtures("checks_here")
def test_another_size_names_what_it_adapts(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["check", "attention56-cifar", "--backend", "torch", "--size", "40x48", "--json"]
    assert main(command) == 0
    printed = json.loads(capsys.readouterr().out)
    assert schemas.refusals("check", printed) == []
    assert printed["schema"] == 1
    (result,) = printed["results"]
    assert result["sizes"] == ["40x48"]
    assert result["adaptations"] == [
        "ave_pool: kernel 10x12 at input 40x48, where the file has 8x8: the head pools the "
        "whole map"
    ]
    assert result["verdict"] == "pass"


@pytest.mark.usefixtures("checks_here")
def test_a_difference_is_shown_and_ends_with_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    entry = zoo.entry("attention56-cifar")
    altered = (
        entry.prototxt.read_text().replace("round_mode", "").replace("stride: 2", "stride: 3", 1)
    )
    folder = tmp_path
    (folder / entry.prototxt.name).write_text(altered)  # type: ignore[operator]
    monkeypatch.setattr(entries, "PROTOTXT_FOLDERS", (folder,))
    assert main(["check", "attention56-cifar", "--backend", "torch"]) == 1
    out = capsys.readouterr().out
    assert "Attention-56-CIFAR: FAIL" in out
    assert (
        "32x32 AttentionA_1/mask/down_sample/pool1_3x3_s2: stride: Keras 2x2, prototxt 3x3" in out
    )


@pytest.mark.usefixtures("checks_here")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["attention57"], "unknown model 'attention57': expected one of attention56,"),
        (["--backend", "mxnet"], "--backend: expected one of torch, tensorflow, jax. Received"),
        (["attention56", "--size", "32", "--backend", "torch"], "window of 3 pixels is larger"),
    ],
)
def test_bad_input_is_one_line_and_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_backend_that_dies_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> object:
        raise WorkerError("killed by signal 9: nothing on stderr")

    monkeypatch.setattr("ranparity.parity.check.stream", dies)
    assert main(["check", "attention56-cifar", "--backend", "torch"]) == 2
    assert "backend torch: killed by signal 9: nothing on stderr" in capsys.readouterr().err


@pytest.mark.parametrize(("missed", "status"), [([], 0), (["conv1: stride"], 1)])
def test_alterations_are_counted(
    missed: list[str],
    status: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that is missed is shown, and ends with 1; the proofs themselves are in tests/parity."""
    counts = {"stride": (3, 3 - len(missed)), "eps": (2, 2)}
    for name in ("prove", "prove_live"):
        proof = Proof("attention56", "Attention-56", dict(counts), list(missed))
        monkeypatch.setattr(f"ranparity.parity.alterations.{name}", lambda *_, p=proof: iter([p]))
    command = ["check", "--alter", "attention56", "--backend", "torch"]
    assert main(command) == status
    out = capsys.readouterr().out
    assert "Attention-56: alterations of the live Keras model, one at a time" in out
    assert [row.split() for row in out.splitlines() if row.startswith("all")] == [
        ["all", "5", str(5 - len(missed))]
    ] * 2
    assert ("missed: conv1: stride" in out) == bool(missed)
    assert main([*command, "--json"]) == status
    found = json.loads(capsys.readouterr().out)
    assert schemas.refusals("alterations", found) == []
    assert found["schema"] == 1
    assert found["prototxt"][0]["tried"] == 5
