from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ranparity.report import collect, curves, records, render
from ranparity.report.alteration_record import ALTERATIONS
from ranparity.report.document import Figures
from ranparity.report.ladder_record import QUICK
from tests.report import samples

pytest_plugins = ["tests.report.stand_in"]
Workers = Callable[[str], Callable[[], list[list[str]]]]


def collected(names: tuple[str, ...] = samples.BACKENDS) -> tuple[dict[str, bytes], list[str]]:
    said: list[str] = []
    return collect.collect(names, said.append), said


def data(files: dict[str, bytes], path: str) -> dict[str, Any]:
    return dict(json.loads(files[path]))


def test_all_evidence_is_collected_one_process_a_backend_one_after_the_other(
    workers: Workers, tmp_path: Path
) -> None:
    started = workers("")
    files, said = collected()
    assert [(line[0], line[1]) for line in started()] == [
        *((name, "ranparity.parity.evidence") for name in samples.BACKENDS),
        ("torch", "ranparity.parity.evidence"),
        ("torch", "ranparity.parity.live"),
        ("torch", "ranparity.parity.ladder.nets"),
        *((name, "ranparity.run") for name in samples.BACKENDS),
        ("torch", "ranparity.run"),
        ("torch", "ranparity"),
    ]
    assert [line[-3:] for line in started() if "--twin" in line] == [
        ["1", "--out", "runs/report-torch-twin1"]
    ]
    (twin,) = [run for run in records.evidence(files).finished if run.twin]
    assert (twin.id, twin.twin) == ("report-torch-twin1", 1)
    (masks,) = records.evidence(files).masks
    assert (masks.of.run, masks.of.error) == ("report-torch", "")
    rendered = render.render(files)
    assert rendered.problems == ()
    assert not any(name.endswith(".h5") for name in files)
    assert (tmp_path / "runs/report-jax/final.weights.h5").is_file()
    assert "  jax: epoch 1: train loss 1.0" in said


def test_records_say_where_they_were_made_and_how_long_it_took(workers: Workers) -> None:
    workers("")
    files, _ = collected(("torch",))
    for path in ("data/check-torch.json", ALTERATIONS):
        record = data(files, path)
        assert record["environment"]["framework"].startswith("torch ")
        assert len(record["environment"]["source_digest"]) == 64
        assert record["seconds"] > 0


@pytest.fixture(autouse=True)
def quick_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests look at records and problems, not at curves."""
    monkeypatch.setattr(curves, "draw", lambda *_: Figures(()))


def test_backends_that_fail_cost_the_others_nothing(workers: Workers) -> None:
    workers("tensorflow=kill,jax=rubbish")
    files, said = collected()
    found = records.evidence(files)
    assert [(run.backend, run.twin) for run in found.finished] == [("torch", 0), ("torch", 1)]
    assert [(run.backend, run.reason) for run in found.failed] == [
        ("tensorflow", "killed by signal 9 (SIGKILL): about to be killed"),
        ("jax", RUBBISH_RUN),
    ]
    assert found.checks["tensorflow"].error == "killed by signal 9: about to be killed"
    assert found.checks["jax"].error.startswith("unreadable record: ")
    assert not found.checks["torch"].error
    assert len([line for line in said if ": FAILED: " in line]) == 4
    assert "torch: training twin 1 of attention56-cifar on digits, " in "\n".join(said)
    assert len(render.render(files).problems) == 4
    assert data(files, "data/runs/report-jax/run.json")["status"] == "failed"


RUBBISH_RUN = (
    "unreadable record: run.json: not JSON: Expecting property name enclosed in double quotes "
    "at line 1, column 2"
)


def test_the_ladder_is_collected_or_says_why_not(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers("")
    said: list[str] = []
    files = collect.ladder(["jax", "torch"], Path("runs/report-ladder"), said.append)
    found = records.evidence(files).quick
    assert found is not None
    assert (found.error, len(found.levels)) == ("", 4)
    assert "jax, torch: levels 1 to 3 of the ladder on attention56-cifar" in said
    monkeypatch.setenv("RANPARITY_TEST", "jax/nets=fail")
    files = collect.ladder(["jax", "torch"], Path("runs/report-ladder"), said.append)
    reason = "ended with status 3: no memory"
    assert data(files, QUICK) == {"schema": 1, "error": reason}
    assert f"ladder: FAILED: {reason}" in said
    assert collect.ladder([], Path("none"), said.append)[QUICK] == collect._json(
        {"error": "no backend is installed"}
    )


@pytest.mark.parametrize(
    ("behaviour", "check", "training"),
    [
        ("fail", "ended with status 3: no memory", "ended with status 3: no memory"),
        ("refuse", "no memory", "ended with status 2: no memory"),
    ],
)
def test_the_reason_is_the_end_of_what_a_process_said(
    workers: Workers, behaviour: str, check: str, training: str
) -> None:
    workers(f"jax={behaviour}")
    files, _ = collected(("jax",))
    failed = {"schema": 1, "backend": "jax", "error": check}
    assert data(files, "data/check-jax.json") == failed
    assert data(files, "data/runs/report-jax/run.json")["error"] == training


def test_a_backend_that_is_not_installed_fails_before_anything_is_started(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = workers("jax/run=refuse")
    installed = collect._missing
    reason = "jax is not installed: python -m pip install 'ranparity[jax]'"
    monkeypatch.setattr(
        collect, "_missing", lambda name: reason if name == "jax" else installed(name)
    )
    files, _ = collected(("jax", "torch"))
    assert data(files, "data/check-jax.json")["error"] == reason
    assert next(line[:2] for line in started() if line[0] == "jax") == ["jax", "ranparity.run"]
    assert data(files, ALTERATIONS)["backend"] == "torch"


def test_why_a_backend_is_missing_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    reason = "jax is not installed: python -m pip install 'ranparity[jax]'"
    assert collect._missing("jax") == reason


def test_masks_that_cannot_be_drawn_are_a_record_with_the_reason(workers: Workers) -> None:
    workers("torch/ranparity=refuse")
    files, said = collected(("torch",))
    assert data(files, "data/runs/report-torch/masks.json") == {
        "schema": 1,
        "error": "ended with status 2: no memory",
    }
    assert said[-1] == "torch: FAILED: ended with status 2: no memory"
    (masks,) = records.evidence(files).masks
    assert masks.of.error == "ended with status 2: no memory"
    assert len(render.render(files).problems) == 1


def test_a_twin_that_failed_is_a_record_that_says_which(workers: Workers, tmp_path: Path) -> None:
    workers("torch/run=kill")
    folder = tmp_path / "report-torch-twin1"
    files = collect.train("torch", folder, lambda _: None, twin=1)
    record = data(files, "data/runs/report-torch-twin1/run.json")
    assert (record["status"], record["twin"]) == ("failed", 1)
    (run,) = records.evidence(files).failed
    assert run.twin == 1
    assert records.evidence(files).trained == set()


def test_no_masks_are_drawn_of_a_training_that_failed(workers: Workers) -> None:
    started = workers("torch/run=kill")
    files, _ = collected(("torch",))
    assert started()[-1][1] == "ranparity.run"
    assert "data/runs/report-torch/masks.json" not in files


def test_alterations_that_fail_are_a_record_with_the_reason(workers: Workers) -> None:
    workers("torch/live=kill")
    files, _ = collected(("torch",))
    record = data(files, ALTERATIONS)
    reason = "killed by signal 9: about to be killed"
    assert record == {"schema": 1, "backend": "torch", "error": reason}


def test_what_an_earlier_run_left_is_not_taken_for_one_that_failed(
    workers: Workers, tmp_path: Path
) -> None:
    workers("torch/run=refuse")
    folder = tmp_path / "runs/report-torch"
    folder.mkdir(parents=True)
    for name, content in samples.run_files("torch").items():
        (folder / name).write_bytes(content)
    files = collect.train("torch", folder, lambda _: None)
    assert list(files) == ["data/runs/report-torch/run.json"]
    assert data(files, "data/runs/report-torch/run.json") == {
        "schema": 1,
        "model": "attention56-cifar",
        "backend": "torch",
        "data": {"name": "digits"},
        "status": "failed",
        "error": "ended with status 2: no memory",
    }


def test_what_a_killed_run_had_written_is_kept_with_the_reason(
    workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers("")
    monkeypatch.setattr(collect, "_train", lambda *_: written_and_killed(tmp_path))
    files = collect.train("torch", tmp_path / "report-torch", lambda _: None)
    run = data(files, "data/runs/report-torch/run.json")
    assert (run["status"], run["error"], run["seed"]) == ("failed", "killed by signal 9", 0)
    assert files["data/runs/report-torch/steps.jsonl"] == samples.lines(samples.steps("torch", 3))


def written_and_killed(folder: Path) -> str:
    run = folder / "report-torch"
    run.mkdir()
    (run / "run.json").write_bytes(samples.encoded(samples.run("torch") | {"status": "running"}))
    (run / "steps.jsonl").write_bytes(samples.lines(samples.steps("torch", 3)))
    return "killed by signal 9"
