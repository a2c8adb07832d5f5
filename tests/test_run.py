from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ranparity import run
from ranparity.data import digest

ROOT = Path(__file__).parent.parent
LIMIT = 300  # seconds
MODEL_AND_DATA = ("attention56-cifar", "digits")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ranparity.run", *arguments]


def environment(**variables: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


def started(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A run of the real net on the real data, two steps long, in the default folder."""
    folder = tmp_path_factory.mktemp("run")
    return folder, started(folder, "--steps", "2", "--batch-size", "16", KERAS_BACKEND="torch")


DEFAULT = "runs/attention56-cifar-digits-torch-seed0"


def test_a_run_says_what_it_does_and_ends_with_its_results(finished: tuple[Path, Any]) -> None:
    _, done = finished
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[:3] == [
        "attention56-cifar on digits: 2 steps of 16 images, recipe digits, seed 0",
        "backend torch (KERAS_BACKEND asks for it)",
        f"record in {DEFAULT}",
    ]
    assert done.stderr.splitlines()[3].startswith("epoch 1: train loss 2.")
    assert len(done.stderr.splitlines()) == 4
    assert "test accuracy" in done.stdout
    assert DEFAULT in done.stdout


def test_the_record_is_whole(finished: tuple[Path, Any]) -> None:
    folder, _ = finished
    record = folder / DEFAULT
    names = {path.name for path in record.iterdir()}
    assert names == {"run.json", "steps.jsonl", "epochs.csv", "final.weights.h5"}
    content = json.loads((record / "run.json").read_text())
    assert content["status"] == "finished"
    assert (content["model"], content["data"]["name"]) == MODEL_AND_DATA
    assert (content["data"]["train"], content["data"]["test"]) == (1437, 360)
    assert (content["backend"], content["seed"], content["steps"]) == ("torch", 0, 2)
    assert content["recipe"]["batch_size"] == 16
    assert 0 <= content["test_accuracy"] <= 1
    assert content["seconds"] > content["seconds_per_step"] > 0
    for name in ("initial_weights_digest", "tape_digest", "final_weights_digest"):
        assert len(content[name]) == 64
    for name in ("python", "keras", "framework", "numpy", "platform", "device", "source_digest"):
        assert content["environment"][name]
    assert content["environment"]["switches"]["use_deterministic_algorithms"] is True


def test_the_digest_of_the_tape_is_of_the_start_and_of_every_batch(
    finished: tuple[Path, Any],
) -> None:
    record = finished[0] / DEFAULT
    content = json.loads((record / "run.json").read_text())
    steps = [json.loads(line) for line in (record / "steps.jsonl").read_text().splitlines()]
    assert [step["step"] for step in steps] == [1, 2]
    drawn = [content["initial_weights_digest"], *(step["batch_digest"] for step in steps)]
    assert content["tape_digest"] == digest.of_texts(drawn)


def test_the_table_of_epochs_ends_with_the_result(finished: tuple[Path, Any]) -> None:
    record = finished[0] / DEFAULT
    content = json.loads((record / "run.json").read_text())
    (row,) = csv.DictReader((record / "epochs.csv").read_text().splitlines())
    assert float(row["test_accuracy"]) == content["test_accuracy"]
    assert float(row["test_loss"]) == content["test_loss"]


TIMES = {"seconds", "seconds_per_step", "started"}


def test_another_process_ends_with_the_same_bits_and_another_seed_does_not(
    finished: tuple[Path, Any], tmp_path: Path
) -> None:
    folder, _ = finished
    options = ("--steps", "2", "--batch-size", "16", "--backend", "torch", "--json", "--quiet")
    again = started(tmp_path, *options, "--out", "again")
    other = started(tmp_path, *options, "--out", "other", "--seed", "1")
    assert (again.returncode, again.stderr) == (0, "")
    first = json.loads((folder / DEFAULT / "run.json").read_text())
    second, third = json.loads(again.stdout), json.loads(other.stdout)
    assert {key for key in first if first[key] != second[key]} <= TIMES
    for name in ("initial_weights_digest", "tape_digest", "final_weights_digest"):
        assert third[name] != first[name]


def test_a_run_is_not_replaced_unless_told(finished: tuple[Path, Any]) -> None:
    folder, _ = finished
    before = (folder / DEFAULT / "run.json").read_bytes()
    done = started(folder, "--steps", "1", "--backend", "torch")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"ranparity: --out {DEFAULT}: there is a run already: give another folder with --out, "
        "or --overwrite to replace that run\n"
    )
    assert (folder / DEFAULT / "run.json").read_bytes() == before


def test_control_c_is_one_line_and_the_record_says_so(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("--backend", "torch", "--out", "stopped", "--batch-size", "8"),
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    steps = tmp_path / "stopped" / "steps.jsonl"
    deadline = time.monotonic() + LIMIT
    while not (steps.exists() and steps.read_text()) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "ranparity: interrupted"
    assert "Traceback" not in errors
    content = json.loads((tmp_path / "stopped" / "run.json").read_text())
    assert content["status"] == "interrupted"
    assert content["steps"] == len(steps.read_text().splitlines()) >= 1


def test_a_loss_that_is_no_number_ends_the_run_with_a_line(tmp_path: Path) -> None:
    done = started(
        tmp_path, "--backend", "torch", "--batch-size", "4", "--learning-rate", "1e30", "--out", "x"
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(": lower --learning-rate")
    assert "Traceback" not in done.stderr
    content = json.loads((tmp_path / "x" / "run.json").read_text())
    assert content["status"] == "failed"
    assert content["reason"].endswith("lower --learning-rate")


def test_a_disk_that_cannot_be_written_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere" / "deep")
    done = started(tmp_path, "--backend", "torch", "--out", "gone", "--quiet")
    assert done.returncode == 2
    assert done.stderr == "ranparity: gone: cannot be written: File exists\n"


RECEIVED = "Received"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "mnist"], "data: expected one of digits. Received: 'mnist'"),
        (["--recipe", "fast"], "recipe: expected one of digits. Received: 'fast'"),
        (
            ["--backend", "mxnet"],
            "--backend: expected one of torch, tensorflow, jax. Received: 'mxnet'",
        ),
        (["--epochs", "0"], "epochs: expected 1 or more. Received: 0"),
        (["--epochs", "-1"], "epochs: expected 1 or more. Received: -1"),
        (["--steps", "0"], "steps: expected 1 or more. Received: 0"),
        (["--batch-size", "0"], "batch size: expected 1 or more. Received: 0"),
        (
            ["--batch-size", "1438"],
            "batch size: expected 1 to 1437, the training images of digits. Received: 1438",
        ),
        (
            ["--learning-rate", "0"],
            "learning rate: expected a finite number above 0. Received: 0.0",
        ),
        (
            ["--learning-rate", "nan"],
            "learning rate: expected a finite number above 0. Received: nan",
        ),
        (["--seed", "-1"], "seed: expected 0 to 2^64 - 1. Received: -1"),
        (
            ["--model", "attention56"],
            "--model attention56 takes images of 224x224x3, and --data digits has 32x32x3: "
            "choose another model or other data",
        ),
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


@pytest.mark.parametrize("arguments", [["--epochs", "many"], ["--faster"]])
def test_what_is_no_option_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run.main(arguments)
    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err


HEAVY = ("keras", "torch", "tensorflow", "jax", "numpy", "sklearn")
ASK_FOR_HELP = f"""
import sys
from ranparity import run
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
    for default in ("attention56-cifar", "digits", "8)", "64)", "0.05)", "runs/MODEL"):
        assert default in done.stdout
