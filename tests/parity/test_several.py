"""Runs that share a compiled step are bit for bit the ordinary ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ranparity import run
from ranparity.models import zoo
from ranparity.parity import several
from ranparity.parity.several import Work
from ranparity.training import directory
from ranparity.training.backends.torch import TorchTrainer
from tests.narrow_run import NARROW

MODEL = "narrow"
CHANGES = {"steps": 2, "batch_size": 120, "schedule": [[1, 0.5]], "label_noise": 0.5}
DIGESTS = ("tape_digest", "final_weights_digest", "final_slots_digest", "test_loss", "recipe")


def trained(folder: Path, **changes: Any) -> list[dict[str, Any]]:
    runs = {str(seed): str(folder / f"seed{seed}") for seed in (0, 1)}
    work = Work("torch", MODEL, "digits", False, "digits", CHANGES | changes, runs)
    assert several.main(work.to_json()) == 0
    return [directory.read_run(Path(each)) for each in runs.values()]


@pytest.fixture(scope="module", autouse=True)
def _narrow() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(zoo.ENTRIES, MODEL, NARROW)
        yield


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Seed 1 by `ranparity run`."""
    folder = tmp_path_factory.mktemp("ordinary") / "run"
    options = ["--model", MODEL, "--data=digits", "--backend=torch", "--seed=1", "--quiet"]
    changes = ["--steps=2", "--batch-size=120", "--schedule=1:0.5", "--label-noise=0.5"]
    assert run.main([*options, *changes, "--out", str(folder)]) == 0
    return directory.read_run(folder)


def test_each_run_is_the_ordinary_one(tmp_path: Path, ordinary: dict[str, Any]) -> None:
    first, second = trained(tmp_path)
    for key in DIGESTS:
        assert second[key] == ordinary[key], key
    assert first["tape_digest"] != second["tape_digest"]
    assert (tmp_path / "seed0" / "steps.jsonl").read_text().count("\n") == 2


def test_what_is_left_of_the_run_before_would_be_seen(
    tmp_path: Path, ordinary: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before: Callable[..., None] = TorchTrainer.restore
    monkeypatch.setattr(
        TorchTrainer, "restore", lambda self, weights, _: before(self, weights, self.slots())
    )
    _, second = trained(tmp_path)
    assert second["final_weights_digest"] != ordinary["final_weights_digest"]


def test_a_run_that_fails_does_not_end_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other").touch()
    runs = {"0": str(tmp_path / "full" / "other"), "1": str(tmp_path / "seed1")}
    work = Work("torch", MODEL, "digits", False, "digits", {**CHANGES, "steps": 1}, runs)
    assert several.main(work.to_json()) == 1
    assert "seed 0: " in capsys.readouterr().err
    assert directory.read_run(tmp_path / "seed1")["status"] == "finished"


def test_work_is_read_back_as_it_was(tmp_path: Path) -> None:
    work = Work("jax", MODEL, "digits", True, "digits", CHANGES, {"3": str(tmp_path)})
    assert Work(**json.loads(work.to_json())) == work
    (stage,) = work.trained_by().stages
    assert (stage.steps, stage.schedule, stage.label_noise) == (2, ((1, 0.5),), 0.5)
