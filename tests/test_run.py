from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranparity import cli, data, run
from ranparity.data import digest
from ranparity.data.cifar import CIFAR10
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.training import session
from ranparity.training.directory import NEEDED
from ranparity.training.logs import read_step, timeless
from ranparity.training.plan import Plan
from tests.data.test_cifar import make
from tests.narrow_run import RECIPE
from tests.report import schemas

ROOT = Path(__file__).parent.parent
LIMIT = 300  # seconds
MODEL_AND_DATA = ("attention56-cifar", "digits")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ranparity.run", *arguments]


def narrow(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "tests" / "narrow_run.py"), *arguments]


def environment(**variables: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


def output(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


def started(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return output(command(*arguments), folder, **variables)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A run of the real net on the real data, two steps long, in the default folder."""
    folder = tmp_path_factory.mktemp("run")
    return folder, started(folder, "--steps", "2", "--batch-size", "16", KERAS_BACKEND="torch")


DEFAULT = "runs/attention56-cifar-digits-torch-seed0"


def read(folder: Path) -> Any:
    return json.loads((folder / "run.json").read_text())


def test_a_run_says_what_it_does_and_ends_with_its_results(finished: tuple[Path, Any]) -> None:
    _, done = finished
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[:4] == [
        "attention56-cifar on digits: 2 steps of 16 images, seed 0",
        "recipe digits (the data is digits)",
        "backend torch (KERAS_BACKEND asks for it)",
        f"record in {DEFAULT}",
    ]
    assert done.stderr.splitlines()[4].startswith("epoch 1: train loss 2.")
    assert len(done.stderr.splitlines()) == 5
    assert "test accuracy" in done.stdout
    assert DEFAULT in done.stdout


def test_the_record_is_whole(finished: tuple[Path, Any]) -> None:
    folder, _ = finished
    record = folder / DEFAULT
    assert {path.name for path in record.iterdir()} == {
        *("run.json", "steps.jsonl", "epochs.csv", "normalisation.npz", "final.weights.h5"),
        *("checkpoints", "place.json", ".lock"),
    }
    content = read(record)
    assert next(iter(content.items())) == ("schema", 1)
    assert schemas.refusals("run", content) == []
    lines = (record / "steps.jsonl").read_text().splitlines()
    assert [schemas.of_text("step", line) for line in lines] == [[], []]
    assert content["status"] == "finished"
    assert (content["model"], content["data"]["name"]) == MODEL_AND_DATA
    assert (content["data"]["train"], content["data"]["test"]) == (1437, 360)
    assert content["data"]["normalisation"]["kind"] == "range"
    assert (content["backend"], content["seed"], content["steps"]) == ("torch", 0, 2)
    assert content["precision"] == "float32"
    assert content["recipe"]["stages"][0]["batch_size"] == 16
    assert 0 <= content["test_accuracy"] <= content["test_top5_accuracy"] <= 1
    assert content["seconds"] > content["seconds_per_step"] > 0
    assert content["seconds"] > content["seconds_waiting_for_batches"] >= 0
    assert content["peak_memory_bytes"] > 1e8
    digests = ("initial_weights", "tape", "final_weights", "final_slots")
    assert all(len(content[f"{name}_digest"]) == 64 for name in digests)
    for name in ("python", "keras", "framework", "numpy", "platform", "device", "source_digest"):
        assert content["environment"][name]
    assert content["environment"]["switches"]["use_deterministic_algorithms"] is True
    (part,) = content["parts"]
    assert (part["first_step"], part["backend"]) == (1, "torch")
    assert part["environment"] == content["environment"]


def test_what_is_of_this_machine_alone_is_in_a_file_of_its_own(
    finished: tuple[Path, Any],
) -> None:
    folder = finished[0] / DEFAULT
    assert json.loads((folder / "place.json").read_text()) == {
        "data": "digits",
        "checkpoint_every": None,
    }
    assert str(ROOT) not in (folder / "run.json").read_text()


def test_the_digest_of_the_tape_is_of_the_start_and_of_every_batch(
    finished: tuple[Path, Any],
) -> None:
    record = finished[0] / DEFAULT
    content = read(record)
    steps = [json.loads(line) for line in (record / "steps.jsonl").read_text().splitlines()]
    assert [step["step"] for step in steps] == [1, 2]
    drawn = [content["initial_weights_digest"], *(step["batch_digest"] for step in steps)]
    assert content["tape_digest"] == digest.of_texts(drawn)


def test_the_table_of_epochs_ends_with_the_result(finished: tuple[Path, Any]) -> None:
    record = finished[0] / DEFAULT
    content = read(record)
    (row,) = csv.DictReader((record / "epochs.csv").read_text().splitlines())
    assert float(row["test_accuracy"]) == content["test_accuracy"]
    assert float(row["test_top5_accuracy"]) == content["test_top5_accuracy"]
    assert float(row["test_loss"]) == content["test_loss"]


def test_another_process_draws_the_same_and_another_seed_does_not(tmp_path: Path) -> None:
    options = ("--steps", "1", "--batch-size", "16", "--backend", "torch", "--json", "--quiet")
    records = []
    for place, seed in (("one", "0"), ("again", "0"), ("other", "1")):
        done = output(narrow(*options, "--out", place, "--seed", seed), tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        records.append(json.loads(done.stdout))
    one, again, other = records
    assert again["data"] == one["data"]
    for name in ("initial_weights_digest", "tape_digest", "final_weights_digest"):
        assert other[name] != again[name] == one[name]
    steps = [
        timeless(read_step((tmp_path / place / "steps.jsonl").read_text().splitlines()[0], ""))
        for place in ("one", "again", "other")
    ]
    assert steps[0] == steps[1] != steps[2]


def test_a_run_is_not_replaced_unless_told(finished: tuple[Path, Any]) -> None:
    folder, _ = finished
    before = (folder / DEFAULT / "run.json").read_bytes()
    done = started(folder, "--steps", "1", "--backend", "torch")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"ranparity: --out {DEFAULT}: there is a run already: give another folder with --out, "
        "--resume to go on with that run, or --overwrite to replace it\n"
    )
    assert (folder / DEFAULT / "run.json").read_bytes() == before


def test_a_finished_run_has_nothing_to_go_on_with(finished: tuple[Path, Any]) -> None:
    folder, first = finished
    before = (folder / DEFAULT / "run.json").read_bytes()
    again = started(folder, "--resume", DEFAULT)
    assert again.returncode == 0
    assert again.stderr == f"{DEFAULT}: the run is finished: nothing to do\n"
    assert again.stdout == first.stdout
    assert (folder / DEFAULT / "run.json").read_bytes() == before


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_signal_ends_a_run_after_the_step_and_it_goes_on(
    number: signal.Signals, status: int, word: str, tmp_path: Path
) -> None:
    """As on the command line: stopped, and gone on with to its end by the line that it printed."""
    process = subprocess.Popen(
        narrow(*RECIPE, "--backend", "torch", "--out", "stopped"),
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    steps = tmp_path / "stopped" / "steps.jsonl"
    deadline = time.monotonic() + LIMIT
    while not (steps.exists() and steps.read_text()) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == status
    assert errors.splitlines()[-3:] == [
        "ending after this step (again: at once)",
        "go on with: ranparity run --resume stopped",
        f"ranparity: {word}",
    ]
    assert "Traceback" not in errors
    content = read(tmp_path / "stopped")
    assert content["status"] == word
    assert 36 > content["steps"] == len(steps.read_text().splitlines()) >= 1
    if number == signal.SIGINT:
        done = output(narrow("--resume", "stopped"), tmp_path, KERAS_BACKEND="jax")
        assert done.returncode == 0, done.stderr
        finished = read(tmp_path / "stopped")
        assert (finished["status"], finished["steps"]) == ("finished", 36)
        assert [part["backend"] for part in finished["parts"]] == ["torch", "jax"]
        assert finished["parts"][1]["first_step"] == content["steps"] + 1
        assert finished["backend"] == "jax"
        assert finished["parts"][0]["environment"]["framework"].startswith("torch")
        assert finished["environment"]["framework"].startswith("jax")
        assert "backend jax (KERAS_BACKEND asks for it; until now torch)" in done.stderr


def test_a_users_keras_json_changes_nothing(tmp_path: Path) -> None:
    """The record would say float32 of a run in float64."""
    settings = {"floatx": "float64", "epsilon": 0.1, "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    options = ("--steps", "1", "--batch-size", "16", "--backend", "torch")
    for out, home in (("run", tmp_path), ("without", tmp_path / "nothing")):
        command = narrow(*options, "--out", out)
        done = output(command, tmp_path, KERAS_HOME=str(home))
        assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "run" / "checkpoints" / "step-00000001.npz") as saved:
        assert {saved[name].dtype for name in saved.files if "/" in name} == {np.dtype(np.float32)}
    losses = [
        json.loads((folder / "steps.jsonl").read_text().splitlines()[0])["loss"]
        for folder in (tmp_path / "run", tmp_path / "without")
    ]
    assert losses[0] == losses[1]


def test_the_place_of_the_data_is_kept_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("images", "im:gs"):
        (tmp_path / name).mkdir()
    for spec, folder in (("folder:~/images", "images"), ("folder:im:gs", "im:gs")):
        assert data.located(spec) == f"folder:{tmp_path / folder}"
        assert data.label(spec) == folder
    assert (data.located("digits"), data.label("digits")) == ("digits", "digits")


def test_a_loss_that_is_no_number_ends_the_run_with_a_line(tmp_path: Path) -> None:
    wild = ("--batch-size", "4", "--learning-rate", "1e30", "--out", "x")
    done = output(narrow("--backend", "torch", *wild), tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(": lower --learning-rate")
    assert "Traceback" not in done.stderr
    content = read(tmp_path / "x")
    assert content["status"] == "failed"
    assert content["reason"].endswith("lower --learning-rate")


def test_a_disk_that_cannot_be_written_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere" / "deep")
    done = started(tmp_path, "--backend", "torch", "--out", "gone", "--quiet")
    assert done.returncode == 2
    assert done.stderr == "ranparity: gone: cannot be written: File exists\n"


@pytest.fixture
def stopped(finished: tuple[Path, Any], tmp_path: Path) -> Path:
    """The finished run as if it had been killed after its last step."""
    folder = tmp_path / "stopped"
    shutil.copytree(finished[0] / DEFAULT, folder)
    content = read(folder)
    content["status"] = "running"
    (folder / "run.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--seed", "1"],
            "--seed: expected 0, which the run in {stopped} began with. Received: 1",
        ),
        (
            ["--model", "attention92"],
            "--model: expected attention56-cifar, which the run in {stopped} began with. "
            "Received: attention92",
        ),
        (
            ["--recipe", "rescon"],
            "--recipe: expected digits, which the run in {stopped} began with. Received: rescon",
        ),
        (
            ["--momentum", "0.8"],
            "--resume {stopped}: a run goes on with the numbers that it began with: leave the "
            "options out that change its recipe",
        ),
        (
            ["--weights", "{stopped}"],
            "--weights: the run in {stopped} began with weights from the tape: leave it out",
        ),
        (["--remat"], "--remat: the run in {stopped} began without it: leave it out"),
        (["--tf32"], "--tf32: the run in {stopped} began without it: leave it out"),
        (
            ["--precision", "bfloat16"],
            "--precision: expected float32, which the run in {stopped} began with. "
            "Received: bfloat16",
        ),
        (
            ["--accumulate", "4"],
            "--accumulate: expected 1, which the run in {stopped} began with. Received: 4",
        ),
        (["--twin", "1"], "--twin: the run in {stopped} began as no twin: leave it out"),
        (["--out", "elsewhere"], "--resume RUN goes on in that folder: leave --out out"),
        (
            ["--overwrite"],
            "--resume and --overwrite: expected one of them: go on, or start again",
        ),
        (
            ["--backend", "mxnet"],
            "--backend: expected one of torch, tensorflow, jax. Received: 'mxnet'",
        ),
    ],
)
def test_a_run_goes_on_as_it_began(
    arguments: list[str],
    message: str,
    stopped: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KERAS_BACKEND")
    before = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()}
    given = [argument.format(stopped=stopped) for argument in arguments]
    assert run.main(["--resume", str(stopped), *given]) == 2
    assert capsys.readouterr() == ("", f"ranparity: {message.format(stopped=stopped)}\n")
    assert {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()} == before


def damaged(stopped: Path, **changes: Any) -> None:
    (stopped / "run.json").write_text(json.dumps({**read(stopped), **changes}))


@pytest.mark.parametrize("given", [[], ["--remat"]])
def test_a_run_goes_on_with_parts_computed_twice_if_it_began_so(
    given: list[str], stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[Plan] = []

    def enough(plan: Plan, **_: Any) -> None:
        plans.append(plan)
        raise InputError("enough")

    monkeypatch.setattr(session, "train", enough)
    assert run.main(["--resume", str(stopped), "--backend", "torch"]) == 2
    damaged(stopped, remat=True)
    assert run.main(["--resume", str(stopped), "--backend", "torch", *given]) == 2
    assert [plan.remat for plan in plans] == [False, True]


@pytest.mark.parametrize("given", [[], ["--accumulate", "4"]])
def test_a_run_goes_on_in_parts_if_it_began_so(
    given: list[str], stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[Plan] = []
    monkeypatch.setattr(session, "train", lambda plan, **_: plans.append(plan) or 1 / 0)
    damaged(stopped, accumulate={"parts": 4, "batch_statistics": "of each part"})
    with pytest.raises(ZeroDivisionError):
        run.main(["--resume", str(stopped), "--backend", "torch", *given])
    assert [plan.accumulate for plan in plans] == [4]


def test_a_run_goes_on_where_it_was_told_to_compute(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device is of this machine, and what a GPU may round is of the run."""
    plans: list[Plan] = []
    monkeypatch.setattr(session, "train", lambda plan, **_: plans.append(plan) or 1 / 0)

    def planned(*arguments: str) -> Plan:
        with pytest.raises(ZeroDivisionError):
            run.main(["--backend", "torch", *arguments])
        return plans[-1]

    new = planned("--out", str(tmp_path / "new"), "--device", "gpu", "--tf32")
    assert (new.device, new.tf32, new.place["device"]) == ("gpu", True, "gpu")
    plain = planned("--resume", str(stopped))
    assert (plain.device, plain.tf32, "device" in plain.place) == ("auto", False, False)
    place = json.loads((stopped / "place.json").read_text())
    (stopped / "place.json").write_text(json.dumps(place | {"device": "cpu"}))
    damaged(stopped, tf32=True)
    again = planned("--resume", str(stopped))
    assert (again.device, again.tf32, again.place["device"]) == ("cpu", True, "cpu")
    other = planned("--resume", str(stopped), "--device", "tpu")
    assert (other.device, other.place["device"]) == ("tpu", "tpu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--device", "gpu"],
            "--device gpu: torch sees none here. There is cpu: ask for cpu, or leave --device out",
        ),
        (["--tf32"], "--tf32: expected a GPU, and torch computes on cpu: leave it out"),
    ],
)
def test_a_device_that_is_not_there_is_a_line_and_leaves_no_folder(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    out = tmp_path / "run"
    assert run.main(["--backend", "torch", "--quiet", "--out", str(out), *arguments]) == 2
    assert capsys.readouterr() == ("", f"ranparity: {message}\n")
    assert not out.exists()


@pytest.mark.parametrize("given", [[], ["--twin", "3"]])
def test_a_twin_goes_on_as_the_twin_that_it_is(
    given: list[str],
    stopped: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plans: list[Plan] = []

    def enough(plan: Plan, **_: Any) -> None:
        plans.append(plan)
        raise InputError("enough")

    monkeypatch.setattr(session, "train", enough)
    damaged(stopped, twin=3)
    assert run.main(["--resume", str(stopped), "--backend", "torch", *given]) == 2
    assert [plan.twin for plan in plans] == [3]
    capsys.readouterr()
    assert run.main(["--resume", str(stopped), "--twin", "1"]) == 2
    assert capsys.readouterr().err == (
        f"ranparity: --twin: the run in {stopped} began as twin 3: leave it out\n"
    )


def test_a_twin_says_what_it_is_and_has_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plans: list[Plan] = []
    monkeypatch.setattr(session, "train", lambda plan, **_: plans.append(plan) or 1 / 0)
    monkeypatch.chdir(tmp_path)
    for options, twin in (([], 0), (["--twin", "2"], 2)):
        with pytest.raises(ZeroDivisionError):
            run.main(["--backend", "torch", *options])
        assert plans[-1].twin == twin
        assert str(plans[-1].folder) == DEFAULT + (f"-twin{twin}" if twin else "")
        lines = capsys.readouterr().err.splitlines()
        said = "twin 2: each trained weight begins one unit in the last place off"
        assert (said in lines) == bool(twin)


def test_a_run_on_other_data_does_not_go_on(
    stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged(stopped, data={**read(stopped)["data"], "digest": "0" * 64})
    assert run.main(["--resume", str(stopped)]) == 2
    assert capsys.readouterr().err.startswith(
        "ranparity: --data digits: expected the data that the run began with, of digest "
        "000000000000. Received: "
    )


@pytest.mark.parametrize("how", [["--resume"], ["--resume", "--out"]])
def test_a_run_of_another_version_does_not_go_on(
    how: list[str], stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged(stopped, schema=2)
    before = (stopped / "run.json").read_bytes()
    assert run.main([*how, str(stopped)]) == 2
    assert capsys.readouterr() == (
        "",
        f"ranparity: {stopped / 'run.json'}: expected schema version 1, found 2: read it with the "
        "ranparity that wrote it, or make it anew\n",
    )
    assert (stopped / "run.json").read_bytes() == before


def test_a_record_that_is_no_run_does_not_go_on(
    stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(folder: Path = stopped) -> str:
        assert run.main(["--resume", str(folder)]) == 2
        out, errors = capsys.readouterr()
        assert (out, errors.count("\n")) == ("", 1)
        return errors.removeprefix(f"ranparity: {folder / 'run.json'}: ").strip()

    whole = read(stopped)
    for name, kind in NEEDED.items():
        content = read(stopped)
        inside = content
        *outer, last = name.split(".")
        for key in outer:
            inside = inside[key]
        inside[last] = None
        damaged(stopped, **content)
        assert refused() == f"expected {name} of type {kind.__name__}. Received: None"
        damaged(stopped, **whole)
    damaged(stopped, tf32="no")
    assert refused() == "expected tf32 of type bool. Received: 'no'"
    damaged(stopped, remat="no", tf32=True)
    assert refused() == "expected remat of type bool. Received: 'no'"
    damaged(stopped, tf32=False, remat=False)
    for wrong in (3, {"parts": 0}, {"parts": 1.5}, {}):
        damaged(stopped, **{**whole, "accumulate": wrong})
        assert "expected accumulate.parts to be a whole number, 1 or more. " in refused()
    damaged(stopped, accumulate={"parts": 1})
    for wrong in ("x", -1, True, 1.5):
        damaged(stopped, **{**whole, "remat": False, "twin": wrong})
        told = f"expected twin to be a whole number, 0 or more. Received: {wrong!r}"
        assert refused() == told
    damaged(stopped, **{**whole, "twin": 0})
    damaged(stopped, **{**whole, "remat": False, "precision": "float8"})
    known = "float32, float64, bfloat16, float16"
    assert refused() == f"expected as precision one of {known}. Received: 'float8'"
    damaged(stopped, **{**whole, "recipe": {"name": "digits", "stages": []}})
    assert "expected stages" in refused()
    damaged(stopped, **{**whole, "status": "finished", "test_accuracy": None})
    assert refused() == "expected the results of a run"
    damaged(stopped, **whole)
    altered = {**whole["data"], "normalisation": {"digest": "0" * 64}}
    damaged(stopped, data=altered)
    assert "normalisation.npz: expected the one that the run began with, of" in refused()
    damaged(stopped, **whole)
    for text in ('{"data": 3}', '{"checkpoint_every": "x"}', '{"device": "mps"}'):
        (stopped / "place.json").write_text(text)
        assert "place.json: expected " in refused()
    assert "no such file" in refused(stopped / "nowhere")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--data", "mnist"],
            "data: expected one of digits, cifar10, cifar100, folder:PATH, or a folder. "
            "Received: 'mnist'",
        ),
        (
            ["--recipe", "fast"],
            "recipe: expected one of digits, paper-cifar, paper-imagenet, e4040, rescon, "
            "tengshaofeng-mixup, dranet, dranet-digits. Received: 'fast'",
        ),
        (
            ["--recipe", "dranet"],
            "recipe dranet, stage features: expected a part of attention56-cifar, which has whole. "
            "Received: features",
        ),
        (
            ["--part", "aggregation"],
            "recipe digits, stage train: expected a part of attention56-cifar, which has whole. "
            "Received: aggregation",
        ),
        (
            ["--part", "head"],
            "--part: expected one of whole, features, aggregation. Received: 'head'",
        ),
        (
            ["--weights", "gone.weights.h5"],
            "--weights gone.weights.h5: expected a *.weights.h5 file or a run directory, and there "
            "is none",
        ),
        (
            ["--weights", "thesis"],
            "thesis: expected a run directory, which holds run.json: no such file",
        ),
        (
            ["--backend", "mxnet"],
            "--backend: expected one of torch, tensorflow, jax. Received: 'mxnet'",
        ),
        (["--epochs", "0"], "--epochs: expected a whole number, 1 or more, or none. Received: 0"),
        (["--epochs", "-1"], "--epochs: expected a whole number, 1 or more, or none. Received: -1"),
        (["--steps", "0"], "--steps: expected a whole number, 1 or more, or none. Received: 0"),
        (["--batch-size", "0"], "--batch-size: expected a whole number, 1 or more. Received: 0"),
        (
            ["--batch-size", "1438"],
            "batch size: expected 1 to 1437, the training images of digits. Received: 1438",
        ),
        (
            ["--learning-rate", "0"],
            "--learning-rate: expected a finite number above 0. Received: 0.0",
        ),
        (
            ["--learning-rate", "nan"],
            "--learning-rate: expected a finite number above 0. Received: nan",
        ),
        (["--checkpoint-every", "0"], "--checkpoint-every: expected 1 or more. Received: 0"),
        (["--twin", "0"], "--twin: expected 1 or more. Received: 0"),
        (["--accumulate", "0"], "--accumulate: expected 1 or more. Received: 0"),
        (
            ["--accumulate", "3"],
            "--accumulate: expected a number that divides the batch of 64 images of stage train. "
            "Received: 3",
        ),
        (
            ["--padding", "33"],
            "padding: expected 0 to 32, the side of an image of digits. Received: 33",
        ),
        (["--seed", "-1"], "seed: expected 0 to 2^64 - 1. Received: -1"),
        (["--out", "file"], "--out file: expected a folder, but file is a file"),
        (["--out", "thesis"], "--out thesis: expected an empty folder or a run, and it is neither"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_written(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    (tmp_path / "file").touch()
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").touch()
    assert run.main(arguments) == 2
    assert capsys.readouterr() == ("", f"ranparity: {message}\n")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "thesis"}


def test_an_unknown_model_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--model", "alexnet"]) == 2
    assert "'alexnet'" in capsys.readouterr().err


def test_a_variable_that_asks_for_an_unknown_backend_is_bad_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "openvino")
    assert run.main([]) == 2
    assert capsys.readouterr().err == (
        "ranparity: KERAS_BACKEND: expected one of torch, tensorflow, jax. Received: 'openvino'\n"
    )


@pytest.mark.parametrize("arguments", [["--seed", "many"], ["--faster"]])
def test_what_is_no_option_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run.main(arguments)
    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_a_net_of_two_parts_and_a_larger_input_trains_and_starts_another_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From digits to figures by the default recipe; then the whole of it from these weights."""
    larger = replace(zoo.entry("dranet-cifar@16"), name="larger", input_shape=(40, 40, 3))
    monkeypatch.setitem(zoo.ENTRIES, "larger", larger)
    monkeypatch.chdir(tmp_path)
    options = ["--model", "larger", "--steps", "1", "--batch-size", "90", "--backend", "torch"]
    assert run.main([*options, "--out", "first"]) == 0
    out, errors = capsys.readouterr()
    assert errors.splitlines()[:6] == [
        "larger on digits: 2 steps of 90 images, seed 0",
        "recipe dranet-digits (larger is trained in two stages)",
        "images enlarged from 32x32 to 40x40",
        "stage features: part features, 1 steps",
        "stage aggregation: part aggregation, 1 steps",
        "backend torch (--backend asks for it)",
    ]
    assert out.startswith("backend")
    assert "stage features   test accuracy " in out
    content = read(tmp_path / "first")
    assert content["data"]["enlarged"]["to"] == [40, 40]
    assert content["data"]["normalisation"]["kind"] == "imagenet"
    whole = ["--recipe", "digits", "--normalisation", "imagenet", "--weights", "first"]
    assert run.main([*options, *whole, "--out", "second"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "weights of" in line] == [
        "weights of first/final.weights.h5: 117 of 117 variables"
    ]
    again = read(tmp_path / "second")
    assert again["starting_weights"]["digest"] == content["final_weights_digest"]
    assert again["initial_weights_digest"] == content["final_weights_digest"]
    assert json.loads((tmp_path / "second" / "place.json").read_text()) == {
        "data": "digits",
        "checkpoint_every": None,
        "weights": str(tmp_path / "first"),
    }
    assert cli.main(["evaluate", "first", "--backend", "torch", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["loss"] == pytest.approx(content["test_loss"])


HEAVY = ("keras", "torch", "tensorflow", "jax", "numpy", "sklearn")
ASK_FOR_HELP = f"""
import sys
from ranparity import data, run
try:
    run.main(["--help"])
except SystemExit:
    print("loaded:", [name for name in {HEAVY} if name in sys.modules])
"""


def test_help_names_every_default_and_loads_nothing_heavy(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK_FOR_HELP],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=True,
    )
    assert done.stdout.endswith("loaded: []\n")
    for default in ("attention56-cifar", "digits", "float32)", "0)", "runs/MODEL", "--momentum"):
        assert default in done.stdout


@pytest.fixture
def cifar(tmp_path: Path) -> Path:
    """A folder in CIFAR-10's layout with 60 records."""
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    make(folder, CIFAR10, records=10)
    return folder


def test_a_partial_cifar_folder_trains_and_moves(cifar: Path, tmp_path: Path) -> None:
    """Stopped in one place, moved with its data elsewhere, and gone on with."""
    options = ("--backend", "torch", "--batch-size=8", "--quiet", "--json")
    given = ("--data", str(cifar))
    refused = output(narrow("--backend", "torch", *given), tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.endswith("give --partial to train on this and have the record say so\n")
    first = output(narrow(*options, *given, "--partial", "--steps=3", "--out=run"), tmp_path)
    assert first.returncode == 0, first.stderr
    content = json.loads(first.stdout)
    assert content["recipe"]["name"] == "paper-cifar"
    assert content["data"]["source"] == "cifar10:cifar-10-batches-bin"
    assert content["data"]["partial"] is True
    assert (content["data"]["train"], content["data"]["test"]) == (50, 10)
    assert content["data"]["normalisation"]["kind"] == "pixel-mean"
    assert str(tmp_path) not in (tmp_path / "run" / "run.json").read_text()

    moved = tmp_path / "elsewhere"
    (tmp_path / "run").rename(moved)
    cifar = cifar.rename(tmp_path / "data")
    damaged(moved, status="running")
    (moved / "place.json").unlink()
    lost = output(narrow("--resume", str(moved)), tmp_path)
    assert lost.returncode == 2
    assert lost.stderr == (
        f"ranparity: --resume {moved}: the run began on cifar10:cifar-10-batches-bin: say with "
        "--data where this machine has it\n"
    )
    found = output(narrow("--resume", str(moved), "--data", str(cifar), "--quiet"), tmp_path)
    assert found.returncode == 0, found.stderr
    assert read(moved)["final_weights_digest"] == content["final_weights_digest"]
    assert json.loads((moved / "place.json").read_text()) == {
        "data": f"cifar10:{cifar}",
        "checkpoint_every": None,
    }
