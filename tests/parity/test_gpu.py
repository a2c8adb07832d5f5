"""The session of checks that need a GPU: what it says without one, and what fails it with one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ranparity.parity import gpu
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.judge import Result
from ranparity.parity.ladder.rounding import Row
from ranparity.parity.ladder.run import Found
from ranparity.training.backends import HIDDEN
from tests.programs import ROOT

WITHOUT = {"kinds": ["cpu"], "device": "cpu"}
WITH = {"kinds": ["gpu", "cpu"], "device": "A100"}
RECORD = {
    "final_weights_digest": "a",
    "final_slots_digest": "b",
    "tape_digest": "c",
    "test_loss": 1.5,
    "environment": {"device": "A100"},
}


def test_without_a_gpu_it_fails_with_a_line_that_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ranparity.parity.gpu", "--backends", "torch"],
        env={**os.environ, **HIDDEN, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "ranparity: gpu: expected a framework that sees a GPU, and nothing has been checked. "
        "Found: torch: cpu\n"
    )


def test_those_that_see_one_are_chosen() -> None:
    assert gpu.chosen({"torch": WITHOUT, "tensorflow": WITH, "jax": WITH}) == ["tensorflow", "jax"]


def result(verdict: str) -> Found:
    case = Case(gpu.NET, (32, 32), 8)
    rows = [Row("blob/conv1", "rounding" if verdict == "pass" else "differs", rho=2.0)]
    return Found(case, [Result(case, "torch", level, rows) for level in (1, 2, 3)])


@pytest.mark.parametrize(
    ("verdict", "changes", "fault"),
    [
        ("pass", {}, ""),
        ("fail", {}, "torch, float32: the ladder fails\n"),
        (
            "pass",
            {"final_slots_digest": "d"},
            "torch, float32: final_slots_digest differs between two equal runs\n",
        ),
        (
            "pass",
            {"environment": {"device": "cpu"}},
            "torch, float32: the record says that the CPU computed\n",
        ),
    ],
)
def test_with_one_the_ladder_must_pass_and_two_runs_must_be_one_on_the_gpu(
    verdict: str,
    changes: dict[str, Any],
    fault: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(gpu, "seen", lambda names: dict.fromkeys(names, WITH))
    monkeypatch.setattr(gpu, "climbed", lambda *_: result(verdict))

    def trained(_: str, __: str, folder: Path) -> dict[str, Any]:
        return RECORD | (changes if folder.name.endswith("1") else {})

    monkeypatch.setattr(gpu, "trained", trained)
    monkeypatch.setattr(gpu.sessions, "say", lambda _: None)
    status = gpu.main(["--backends", "torch", "--work", str(tmp_path)])
    assert (status, capsys.readouterr().err) == (int(bool(fault)), fault)


def test_the_ladder_and_the_runs_are_told_to_compute_on_the_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def started(_: str, __: str, arguments: list[str], ___: Any) -> Any:
        (job,) = json.loads(Path(arguments[0]).read_text())
        given.append(job)
        return iter([{"environment": {}}, {"error": "not run here"}])

    monkeypatch.setattr("ranparity.parity.ladder.run.stream", started)
    found = gpu.climbed("jax", "bfloat16", tmp_path)
    assert found.verdict == "fail"
    assert given[0]["device"] == "gpu"
    assert (given[0]["case"]["precision"], given[0]["case"]["levels"]) == ("bfloat16", [1, 2, 3])

    def ran(command: list[str], **_: Any) -> Any:
        given.append(command)
        return subprocess.CompletedProcess(command, 2, "", "ranparity: no device\n")

    monkeypatch.setattr(subprocess, "run", ran)
    with pytest.raises(gpu.InputError, match=r"^jax: the run failed: ranparity: no device$"):
        gpu.trained("jax", "float32", tmp_path)
    command = given[-1]
    assert command[command.index("--device") + 1] == "gpu"
