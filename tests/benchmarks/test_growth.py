"""What grows is timed point by point, kept as it goes, and taken up where it was left."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ranparity.benchmarks import growth, run
from ranparity.benchmarks.growth import Book, Point
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.workers import WorkerError
from tests.benchmarks.machine import Machine

FEW = [Point("attention56-cifar", batch_size=4), Point("attention92-cifar", depth=92)]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(run, "answering", machine.answering)
    monkeypatch.setattr(growth, "points", lambda: FEW)
    return machine


def rows(path: Path) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = json.loads(path.read_text())["points"]
    return found


def test_points_are_nets_of_the_zoo_that_differ_in_one_thing_from_the_first() -> None:
    every = growth.points()
    assert len(set(every)) == len(every) == 17
    for point in every:
        assert zoo.entry(point.model).input_shape == (32, 32, 3)
        apart = [point.batch_size != growth.BATCH, point.depth != 56, point.width != 1]
        assert sum(apart) <= 1
        assert not point.remat or dataclasses.replace(point, remat=False) in every
    assert {point.depth for point in every} == {56, 92, 128, 164, 236, 452}
    assert {point.width for point in every} == {0.125, 0.25, 0.5, 1}


def test_a_point_is_a_step_of_our_net_after_a_warm_up(machine: Machine, tmp_path: Path) -> None:
    book, said = Book(tmp_path / "growth.json", "a"), []  # type: ignore[var-annotated]
    assert growth.run(book, ["torch", "jax"], "cpu", said.append)
    assert [(row["model"], row["backend"]) for row in rows(tmp_path / "growth.json")] == [
        (point.model, name) for point in FEW for name in ("torch", "jax")
    ]
    row = rows(tmp_path / "growth.json")[0]
    seconds = 3.0 * 0.5 * (1 + growth.WARM_UP + growth.STEPS)
    assert row["seconds"] == seconds
    assert row["images_per_second"] == 4 / seconds
    assert row["peak_memory_bytes"] == 100 * growth.STEPS, "the warm-up's memory is forgotten"
    assert said[0] == f"1/4 attention56-cifar, batch 4, torch: {seconds:.3f} s a step"
    assert {way.implementation for way, _ in machine.turns} == {"ranparity"}


def test_parts_are_computed_twice_where_it_is_asked_for(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice = dataclasses.replace(FEW[0], remat=True)
    monkeypatch.setattr(growth, "points", lambda: [FEW[0], twice])
    said: list[str] = []
    book = Book(None, "a")
    assert growth.run(book, ["torch"], "cpu", said.append)
    assert [case.remat for case in machine.cases] == [False, True]
    assert [row["remat"] for row in book.content["points"]] == [False, True]
    assert said[1].startswith("2/2 attention56-cifar, batch 4, remat, torch: ")


@pytest.mark.usefixtures("machine")
def test_what_is_there_is_passed_over_unless_the_source_is_another(tmp_path: Path) -> None:
    path, said = tmp_path / "growth.json", []  # type: ignore[var-annotated]
    growth.run(Book(path, "a"), ["torch"], "cpu", said.append)
    growth.run(Book(path, "a"), ["torch", "jax"], "cpu", said.append)
    assert len(said) == 4
    assert growth.run(Book(path, "b"), ["torch"], "cpu", said.append)
    assert len(said) == 6
    assert sorted(row["source_digest"] for row in rows(path)) == ["a", "a", "b", "b"]


def test_a_point_that_cannot_be_run_is_told_kept_and_tried_again(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> Any:
        raise WorkerError("killed by signal 9: nothing on stderr")

    path, said = tmp_path / "growth.json", []  # type: ignore[var-annotated]
    with monkeypatch.context() as patch:
        patch.setattr(run, "answering", killed)
        assert not growth.run(Book(path, "a"), ["torch"], "cpu", said.append)
    assert [row["error"] for row in rows(path)] == ["killed by signal 9: nothing on stderr"] * 2
    assert said[1] == "2/2 attention92-cifar, batch 16, torch: failed: " + rows(path)[0]["error"]
    assert growth.run(Book(path, "a"), ["torch"], "cpu", said.append)
    assert all("error" not in row for row in rows(path))
    assert machine.turns


def test_another_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"results": []}')
    with pytest.raises(InputError, match=r"other\.json"):
        Book(tmp_path / "other.json", "a")
    assert (tmp_path / "other.json").read_text() == '{"results": []}'
