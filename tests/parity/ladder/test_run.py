"""Cases on backends, from the worker to the verdict: what agrees, what dies, what began apart."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranparity.errors import InputError
from ranparity.parity.ladder import run
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.run import Found, Ladder
from ranparity.workers import WorkerError

CASE = Case("resnet18-cifar@16", (16, 16), 2, precision="float64", levels=(1, 2, 3))


def nothing(line: str) -> None:
    del line


@pytest.mark.parametrize(("backend", "devices"), [("torch", 1), ("tensorflow", 1), ("jax", 2)])
def test_float64_is_float64_in_every_tensor(backend: str, devices: int, tmp_path: Path) -> None:
    """One float32 among them has a rho of 1e6 and more, and is named.

    On JAX two devices take the step of level 3: were its process not told of them it would refuse.
    """
    ladder = Ladder([backend], tmp_path / "work", tmp_path / "cache", nothing)
    found = ladder.run(dataclasses.replace(CASE, devices=devices))
    assert not found.failures
    assert found.environments[backend]["switches"].get("devices", 1) == devices
    content = json.loads(json.dumps(found.to_json(rows=True), allow_nan=False))
    assert [result["level"] for result in content["results"]] == [1, 2, 3]
    for result in content["results"]:
        assert (result["verdict"], result["first_difference"]) == ("pass", None)
        assert result["tensors"] == len(result["rows"]) > 60
        assert 0 < result["worst_rho"] < 10
        largest = dict(zip(content["layers"], result["layer_rho"], strict=True))
        assert max(filter(None, largest.values())) == pytest.approx(result["worst_rho"], rel=0.01)
        assert (largest["conv1"] is None, largest["conv1_relu"] is None) == (
            False,
            result["level"] == 3,
        )
    for row in content["results"][1]["rows"]:
        size = max(abs(row["expected"] or 0), 1e-3)
        assert row["largest_error"] <= 1e-11 * size, row
    assert found.verdict == "pass"
    assert content["peak_memory"][backend] > 1 << 27
    assert not list((tmp_path / "work").iterdir()), "tensors are removed"


def dead(*_: Any) -> Iterator[dict[str, Any]]:
    yield {"environment": {}}
    raise WorkerError("killed by signal 9: out of memory")


def test_a_worker_that_dies_is_a_failure_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "stream", dead)
    ladder = Ladder(["torch", "jax"], tmp_path / "work", tmp_path / "cache", nothing)
    found = ladder.run(dataclasses.replace(CASE, levels=(1, 5)))
    assert found.failures == dict.fromkeys(("torch", "jax"), "killed by signal 9: out of memory")
    assert found.verdict == "fail"


def test_a_case_that_fails_in_its_worker_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [{"environment": {}}, {"folder": "x", "error": "ValueError: it is so", "seconds": 1}]
    monkeypatch.setattr(run, "stream", lambda *_: iter(lines))
    ladder = Ladder(["torch"], tmp_path / "work", tmp_path / "cache", nothing, opencv=True)
    found = ladder.run(CASE)
    assert found.failures["torch"] == "ValueError: it is so"
    assert found.failures["opencv"].startswith("no backend has written the weights")


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (32, {"torch": [0], "tensorflow": [10], "jax": [0]}),  # JAX where torch has been
        (224, {name: [0] for name in ("torch", "tensorflow", "jax")}),  # one after the other
    ],
)
def test_backends_that_run_at_once_divide_the_processors(
    side: int, expected: dict[str, list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {}

    def started(backend: str, _: str, __: list[str], parts: list[int]) -> Iterator[dict[str, Any]]:
        given[backend] = parts
        return iter([{"environment": {}}, {"error": "not run here"}])

    monkeypatch.setattr(run, "stream", started)
    monkeypatch.setattr(run, "shares", lambda count: [[10 * n] for n in range(count)])
    ladder = Ladder(list(expected), tmp_path / "work", tmp_path / "cache", nothing)
    ladder.run(dataclasses.replace(CASE, size=(side, side), levels=(1,)))
    assert given == expected


def test_backends_that_began_with_other_numbers_do_not_pass() -> None:
    same = {"weights": "a", "slots": "b", "batch": "c"}
    found = Found(CASE, digests={"torch": same, "jax": dict(same)})
    assert (found.began_apart, found.verdict) == ([], "pass")
    found.digests["jax"]["batch"] = "d"
    assert (found.began_apart, found.verdict) == (["batch"], "fail")


def test_a_free_run_that_parts_does_not_pass() -> None:
    found = Found(CASE, runs={"pairs": [], "verdicts": {"torch": "pass", "jax": "fail"}})
    assert found.verdict == "fail"
    assert [result["verdict"] for result in found.to_json()["results"]] == ["pass", "fail"]
    assert np.isfinite(len(found.to_json()["results"]))


def refusing(*_: Any) -> Iterator[dict[str, Any]]:
    yield {"environment": {}}
    raise InputError("mine:build: expected a Keras model. Received: int")


def test_a_model_of_ones_own_that_cannot_be_run_is_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the first backend, which all others follow; a net of the zoo has only failed there."""
    monkeypatch.setattr(run, "stream", refusing)
    ladder = Ladder(["torch", "jax"], tmp_path / "work", tmp_path / "cache", nothing)
    with pytest.raises(InputError, match=r"^mine:build: expected a Keras model"):
        ladder.run(Case("mine:build", (), 2))
    assert not list((tmp_path / "work").iterdir()), "tensors are removed"
    assert set(ladder.run(dataclasses.replace(CASE, levels=(1,))).failures) == {"torch", "jax"}
