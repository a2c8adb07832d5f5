"""`ranparity bench`: its table, its JSON, its record, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ranparity import cli
from ranparity.benchmarks import growth, run
from ranparity.benchmarks.case import Case
from ranparity.workers import WorkerError
from tests.benchmarks.machine import Machine
from tests.report import schemas

MODEL = "resnet18-cifar"


def found(case: Case, names: Any, rounds: int, say: Any) -> dict[str, Any]:
    key = {"model": case.model, "batch_size": case.batch_size, "device_asked": case.device}
    row = {
        "backend": names[0],
        "implementation": "ranparity",
        "what": "training_step",
        "seconds": 1.2345,
        "ratio_to_native": 0.875,
        "ratio_range": [0.81, 0.93],
        "peak_memory_bytes": 3 << 30,
        "share_of_matmul_rate": 0.512,
        "first_step_seconds_cold": 9.87,
        "first_step_seconds_warm": 1.98,
        "built_after_seconds_warm": 4.44,
    }
    say("is told")
    net = {"rounds": rounds, "matrix_products": {"jax": 4.25e11}}
    return {"results": [key | row], "nets": [key | net]}


@pytest.fixture(autouse=True)
def _measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "bench", found)


def test_the_table_has_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", MODEL, "--backends", "jax", "--rounds", "3"]) == 0
    out, err = capsys.readouterr()
    assert "resnet18-cifar, batch 64, 3 rounds" in out
    assert "GFLOP/s: jax 425" in out
    row = " ".join(out.splitlines()[-1].split())
    assert row == "ranparity on jax 1.234 0.88 0.81 0.93 3,072 51% 9.9 2.0 4.4"
    assert err == "is told\n"


def test_json_is_all_of_it_and_the_record_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "bench.json"
    arguments = ["bench", MODEL, "attention56", "--json", "--out", str(path), "--batch-size", "4"]
    assert cli.main(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [row["model"] for row in printed["results"]] == [MODEL, "attention56"]
    assert json.loads(path.read_text()) == printed
    assert printed["schema"] == 1
    assert cli.main(["bench", MODEL, "--out", str(path)]) == 0
    assert [row["batch_size"] for row in json.loads(path.read_text())["nets"]] == [4, 4, 64]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "unknown model 'nothing'"),
        ([MODEL, "--batch-size", "0"], "--batch-size: expected 1 or more"),
        ([MODEL, "--rounds", "0"], "--rounds: expected 1 or more"),
        ([MODEL, "--backends", "caffe"], "--backends: expected one of torch"),
        (["--growth", "--operations"], "--growth, --operations: expected one of them"),
        (["nothing", "--operations"], "unknown model 'nothing'"),
        ([f"{MODEL}@4", "--operations"], "narrow twin, which has no prototxt"),
        ([MODEL, "--operations", "--batch-size", "0"], "--batch-size: expected 1 or more"),
    ],
)
def test_what_it_cannot_do_is_a_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["bench", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_growth_has_a_table_a_record_and_nets_of_its_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "answering", Machine().answering)
    monkeypatch.setattr(
        growth, "points", lambda: [growth.Point("attention56-cifar@8", width=0.125)]
    )
    path = tmp_path / "growth.json"
    arguments = ["bench", "--growth", "--backends", "torch", "--out", str(path)]
    assert cli.main(arguments) == 0
    out, err = capsys.readouterr()
    assert " ".join(out.splitlines()[-1].split()) == "attention56-cifar@8 16 torch 18.000 0.9 0"
    assert err.startswith("1/1 attention56-cifar@8, batch 16, torch: ")
    assert cli.main([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == json.loads(path.read_text())
    assert schemas.of_text("growth", out) == []
    assert json.loads(out)["schema"] == 1
    assert err == "", "what is there is not done again"
    for given in (["attention56"], ["--batch-size", "0"]):
        assert cli.main(["bench", *given, "--growth"]) == 2
        assert "--growth has nets and batches of its own" in capsys.readouterr().err


def test_growth_that_fails_is_a_row_and_the_exit_status(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> Any:
        raise WorkerError("killed by signal 9")

    monkeypatch.setattr(run, "answering", killed)
    monkeypatch.setattr(growth, "points", lambda: [growth.Point("attention452-cifar", depth=452)])
    assert cli.main(["bench", "--growth", "--backends", "torch"]) == 1
    out, err = capsys.readouterr()
    assert out.split()[-1] == "failed"
    assert "failed: killed by signal 9" in err


def test_operations_have_a_table_a_net_and_a_record(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "answering", Machine().answering)
    path = tmp_path / "operations.json"
    arguments = ["bench", MODEL, "--operations", "--backends", "torch", "--out", str(path)]
    assert cli.main(arguments) == 0
    out, err = capsys.readouterr()
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[1].startswith(f"{MODEL}, batch 64, on torch: convolutions take ")
    assert lines[3].startswith("First layer Layers Bottom Top Kernel / stride Share of the step")
    assert len(lines) == 5 + 11
    assert lines[5].startswith("res2a_branch2a 4 64x64x32x32 64x64x32x32 3x3 / 1x1 ")
    assert lines[5].endswith(" % 1.0 0.5 0.5 2.0")
    assert err.startswith(f"1/1 {MODEL}, batch 64, torch: 9.000 s a step")
    assert cli.main([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == json.loads(path.read_text())
    assert schemas.of_text("operations", out) == []
    assert json.loads(out)["schema"] == 1
    assert err == "", "what is there is not done again"
    path.write_text(path.read_text().replace('"step_seconds": 9.0', '"step_seconds": 0'))
    assert cli.main(arguments) == 2
    (message,) = capsys.readouterr().err.splitlines()
    assert f'{path}: nets 1: expected a number above 0 as "step_seconds": move it away' in message


def test_operations_that_fail_are_told_and_the_exit_status(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> Any:
        raise WorkerError("killed by signal 9")

    monkeypatch.setattr(run, "answering", killed)
    assert cli.main(["bench", "--operations", "--backends", "torch"]) == 1
    out, err = capsys.readouterr()
    assert out.split() == ["attention56,", "batch", "8,", "on", "torch:", "failed"]
    assert "failed: killed by signal 9" in err
