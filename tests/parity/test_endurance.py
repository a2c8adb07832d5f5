"""Runs of a narrow net, killed and resumed, on each backend; and that a difference is found."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ranparity.data.tape import Tape
from ranparity.errors import InputError
from ranparity.parity import endurance
from ranparity.parity.endurance import KINDS, Endurance, Trial
from ranparity.training import directory
from tests.narrow_run import RECIPE
from tests.programs import ROOT
from tests.report import schemas

KILLS = {"torch": KINDS, "tensorflow": ("step",), "jax": ("step",)}
"""Which kinds of kill each backend's run is given. What they leave is files that no backend writes
by itself, so all of them come on one; on each, what goes on from a checkpoint has the same bits.
"""
PROGRAM = (sys.executable, str(ROOT / "tests" / "narrow_run.py"))
SEED = 38  # of the moments: a step's kill comes when there is a checkpoint to go on from
OPTIONS = (*RECIPE, "--checkpoint-every=2")


def trial(backend: str) -> Trial:
    return Trial(backend, OPTIONS, PROGRAM)


@pytest.fixture(scope="module", params=["torch", "tensorflow", "jax"])
def endured(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Endurance, Path]:
    folder = tmp_path_factory.mktemp("endurance")
    told: list[str] = []
    kinds = KILLS[request.param]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(endurance, "KINDS", kinds)
        result = endurance.endure(trial(request.param), len(kinds), Tape(SEED), folder, told.append)
    assert len(told) == len(kinds) + 1
    return result, folder


def test_a_killed_run_ends_as_an_undisturbed_one(endured: tuple[Endurance, Path]) -> None:
    result, folder = endured
    assert result.differences == []
    assert sum(result.kills.values()) == len(KILLS[result.backend]) == len(result.steps)
    record = endurance.described(result, OPTIONS, SEED)
    assert schemas.refusals("endurance", json.loads(json.dumps(record))) == []
    assert next(iter(record.items())) == ("schema", 1)
    for place in (folder / "calm", folder / "killed-1"):
        assert schemas.of_text("run", (place / directory.RUN).read_text()) == []
    parts = directory.read_run(folder / "killed-1")["parts"]
    assert len(parts) > 1
    assert parts[0]["first_step"] == 1


def test_kills_are_of_every_kind(endured: tuple[Endurance, Path]) -> None:
    """Each is a SIGKILL that the process did not survive."""
    result, _ = endured
    assert set(result.kills) == set(KILLS[result.backend])


def test_what_differs_is_found(endured: tuple[Endurance, Path], tmp_path: Path) -> None:
    _, folder = endured
    calm, other = folder / "calm", tmp_path / "other"
    assert endurance.differences(calm, folder / "again") == []

    def altered(name: str, alter: Callable[[str], str]) -> list[str]:
        shutil.rmtree(other, ignore_errors=True)
        shutil.copytree(calm, other)
        path = other / name
        path.write_text(alter(path.read_text()))
        return endurance.differences(calm, other)

    run = directory.read_run(calm)
    for digest in ("tape_digest", "final_weights_digest", "final_slots_digest"):
        (found,) = altered("run.json", lambda text, d=digest: text.replace(run[d], "0" * 64))
        assert found == f"{digest}: {run[digest]} and {'0' * 64}"
    lines = (calm / "steps.jsonl").read_text().splitlines()
    loss = json.dumps(json.loads(lines[6])["loss"])
    assert altered("steps.jsonl", lambda text: text.replace(loss, "0.5")) == [
        "steps.jsonl: from line 7 on"
    ]
    assert altered("steps.jsonl", lambda text: text[: text.rindex('{"step"')]) == [
        "steps.jsonl: from line 36 on"
    ]
    (rows,) = altered("epochs.csv", lambda text: text.replace("train,2,", "train,9,"))
    assert rows == "epochs.csv: from line 2 on"
    seconds = altered("steps.jsonl", lambda text: text.replace('"seconds": ', '"seconds": 9'))
    assert seconds == [], "times are no difference"


def test_a_run_that_fails_by_itself_is_no_kill(tmp_path: Path) -> None:
    broken = Trial("torch", (*OPTIONS, "--momentum=2"), PROGRAM)
    with pytest.raises(InputError) as caught:
        endurance.endure(broken, 1, Tape(0), tmp_path, print)
    assert str(caught.value) == (
        "torch: the run ended with 2: ranparity: --momentum: expected 0 or more and below 1. "
        "Received: 2.0"
    )


class Quick(Trial):
    """Runs that end sooner than the undisturbed one did, as where something is kept from before."""

    def finish(self, folder: Path) -> float:
        folder.mkdir(exist_ok=True)
        return 10.0


def test_a_kill_that_comes_after_the_end_comes_sooner_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, float]] = []

    def killed(_trial: Trial, _folder: Path, kind: str, moment: float, *_: object) -> bool:
        asked.append((kind, moment))
        return kind != "moment" or moment < 1

    monkeypatch.setattr(endurance, "_killed", killed)
    monkeypatch.setattr(endurance, "differences", lambda *_: [])
    monkeypatch.setattr(endurance.directory, "read_run", lambda _: {"environment": {}})
    result = endurance.endure(Quick("torch", (), PROGRAM), 3, Tape(2), tmp_path, print)
    moments = [moment for kind, moment in asked if kind == "moment"]
    assert moments[0] > 1
    assert moments == sorted(moments, reverse=True)
    assert moments[-1] < 1 <= moments[-2]
    assert result.rounds == len(moments)
