"""Mixed precisions on each backend: what is in which type, steps left out, runs gone on with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ranparity.training import backends, directory, precisions
from ranparity.training.scaling import INITIAL, RULE
from tests.programs import ROOT
from tests.training.precision_worker import DIVIDED, HIGH

SECONDS = 400  # of which a worker needs sixty

REFUSED: Mapping[tuple[str, str], str] = {}
"""What a backend cannot do on a CPU, with what is said of it."""


@pytest.fixture(scope="module", params=backends.NAMES)
def reports(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What the worker of a backend says of each precision."""
    folder = tmp_path_factory.mktemp("mixed")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("precision_worker.py")), str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": request.param},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {"backend": request.param} | {each["precision"]: each for each in found}


@pytest.fixture(params=precisions.MIXED)
def report(request: pytest.FixtureRequest, reports: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = reports[request.param]
    said = REFUSED.get((reports["backend"], request.param), "")
    assert ("refused" in found) == bool(said), found
    assert said in found.get("refused", "")
    return found


def test_a_run_that_is_killed_and_gone_on_with_is_the_same_bit_for_bit(
    report: dict[str, Any],
) -> None:
    found = report["run"]
    assert found["differences"] == []
    assert found["run"]["precision"] == report["precision"]
    assert found["run"]["steps"] == 4
    parts = 2 if report["precision"] == DIVIDED else 1
    assert directory.parts_of(found["run"]) == parts


def test_what_is_kept_is_in_float32_and_what_is_computed_is_not(report: dict[str, Any]) -> None:
    assert report["run"]["types"] == ["float32"]
    types = report["types"]
    assert types.pop("InputLayer") == ["float32"]
    assert set(types) >= {"Convolution", "BN", "ReLU", "Eltwise", "CaffePool", "InnerProduct"}
    assert {kind for given in types.values() for kind in given} == {report["precision"]}


def test_the_rule_of_the_scale_is_recorded_where_there_is_one(report: dict[str, Any]) -> None:
    run, steps = report["run"]["run"], report["run"]["steps"]
    if report["precision"] == "bfloat16":
        assert not {"loss_scaling", "skipped_steps"} & set(run)
        assert not any({"loss_scale", "skipped"} & set(step) for step in steps)
        assert report["run"]["state"] is None
        return
    assert run["loss_scaling"] == RULE
    assert run["skipped_steps"] == 0
    assert {step["loss_scale"] for step in steps} == {INITIAL}
    assert report["run"]["state"] == {"scale": INITIAL, "good": 4, "skipped": 0}


def test_a_step_that_is_left_out_changes_nothing(reports: dict[str, Any]) -> None:
    """Weights, statistics and slots: the first and the last step change them, that between not."""
    found = reports["float16"]["left_out"]
    first, second, third = found["digests"]
    assert first == second != third
    assert found["scaling"] == {"scale": 1.0, "good": 1, "skipped": 0}


def test_steps_are_left_out_until_the_scale_is_low_enough_and_again_when_killed_between(
    reports: dict[str, Any],
) -> None:
    found = reports["float16"]["high"]
    skipped = [step["skipped"] for step in found["steps"]]
    first = skipped[: skipped.index(False)]
    assert 0 < len(first) < 4
    scales = [step["loss_scale"] for step in found["steps"][: len(first) + 1]]
    assert scales == [HIGH / 2**n for n in range(len(first) + 1)]
    assert found["run"]["skipped_steps"] == sum(skipped)
    assert found["differences"] == []


def test_precisions_train_differently_and_alike(reports: dict[str, Any]) -> None:
    losses = {
        name: [step["loss"] for step in reports[name]["run"]["steps"]]
        for name in precisions.MIXED
        if "refused" not in reports[name]
    }
    for one in losses.values():
        assert one[0] == pytest.approx(next(iter(losses.values()))[0], rel=0.1)
    assert len({tuple(each) for each in losses.values()}) == len(losses)
