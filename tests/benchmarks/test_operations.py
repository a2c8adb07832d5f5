"""Each net's convolutions are timed on each backend, kept, and taken up where that was left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ranparity.benchmarks import operations, run
from ranparity.benchmarks.case import Case
from ranparity.benchmarks.convolutions import distinct
from ranparity.benchmarks.operations import Book
from ranparity.benchmarks.worker import CONVOLUTION
from ranparity.errors import InputError
from ranparity.workers import WorkerError
from tests.benchmarks.machine import Machine

CASES = [Case("resnet18-cifar", 4), Case("attention56-cifar", 2)]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(run, "answering", machine.answering)
    return machine


def rows(path: Path) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = json.loads(path.read_text())["nets"]
    return found


def test_a_row_is_a_net_on_a_backend_with_its_step_and_each_convolution(
    machine: Machine, tmp_path: Path
) -> None:
    path, said = tmp_path / "operations.json", []  # type: ignore[var-annotated]
    assert operations.run(Book(path, "a"), CASES, ["torch", "jax"], said.append)
    assert [(row["model"], row["backend"]) for row in rows(path)] == [
        (case.model, name) for case in CASES for name in ("torch", "jax")
    ]
    row, wanted = rows(path)[0], distinct(CASES[0])
    assert row["step_seconds"] == 3.0 * 0.5 * (1 + operations.WARM_UP + operations.STEPS)
    assert [each["layer"] for each in row["convolutions"]] == [each.layer for each in wanted]
    second = row["convolutions"][1]
    assert (second["layers"], second["bottom"], second["kernel"]) == (4, [4, 64, 32, 32], [3, 3])
    assert second["flops"] == 2 * 4 * 32 * 32 * 9 * 64 * 64
    assert second["seconds"] == {
        "forward": second["flops"] / 1e9,
        "weight_gradient": second["flops"] / 0.5e9,
        "input_gradient": second["flops"] / 0.5e9,
        "matrix_product": second["flops"] / 2e9,
    }
    assert "input_gradient" not in row["convolutions"][0]["seconds"]
    assert said[0] == "1/4 resnet18-cifar, batch 4, torch: 9.000 s a step"
    assert said[1] == "1/4 resnet18-cifar, batch 4, torch: convolution 1/11, as in conv1"
    asked = [what for way, what in machine.turns if way.backend == "torch"]
    assert asked.count(CONVOLUTION) == sum(len(distinct(case)) for case in CASES)


@pytest.mark.usefixtures("machine")
def test_what_is_there_is_passed_over_unless_the_source_or_batch_is_another(
    tmp_path: Path,
) -> None:
    path, said = tmp_path / "operations.json", []  # type: ignore[var-annotated]

    def steps(source: str, cases: list[Case], names: list[str]) -> int:
        said.clear()
        assert operations.run(Book(path, source), cases, names, said.append)
        return sum("s a step" in line for line in said)

    assert steps("a", CASES[:1], ["torch"]) == 1
    assert steps("a", CASES[:1], ["torch", "jax"]) == 1
    assert steps("a", [Case("resnet18-cifar", 8)], ["torch"]) == 1
    assert steps("b", CASES[:1], ["torch"]) == 1
    assert sorted(row["source_digest"] for row in rows(path)) == ["a", "a", "b"]
    assert set(json.loads(path.read_text())["environments"]) == {"torch", "jax"}


@pytest.mark.usefixtures("machine")
def test_a_net_that_cannot_be_run_is_told_kept_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> Any:
        raise WorkerError("killed by signal 9: nothing on stderr")

    path, said = tmp_path / "operations.json", []  # type: ignore[var-annotated]
    with monkeypatch.context() as patch:
        patch.setattr(run, "answering", killed)
        assert not operations.run(Book(path, "a"), CASES, ["torch"], said.append)
    assert [row["error"] for row in rows(path)] == ["killed by signal 9: nothing on stderr"] * 2
    assert said[1] == "2/2 attention56-cifar, batch 2, torch: failed: " + rows(path)[0]["error"]
    assert operations.run(Book(path, "a"), CASES, ["torch"], said.append)
    assert all("error" not in row for row in rows(path))


def test_another_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"points": []}')
    with pytest.raises(InputError, match=r"other\.json"):
        Book(tmp_path / "other.json", "a")
    assert (tmp_path / "other.json").read_text() == '{"points": []}'
