from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ranparity.models import zoo
from ranparity.parity import ablations
from ranparity.parity.trainings import Training
from tests.report import samples


def write(training: Training, **changes: Any) -> None:
    """A finished run in a training's folder."""
    training.folder.mkdir(parents=True, exist_ok=True)
    run = samples.run(training.backend) | {"model": training.model} | changes
    rows = [row | {"seconds_waiting": 0.0} for row in samples.steps(training.backend)]
    files = samples.run_files(training.backend)
    files |= {"run.json": samples.encoded(run), "steps.jsonl": samples.lines(rows)}
    for name, content in files.items():
        (training.folder / name).write_bytes(content)


def training(folder: Path, model: str = "attention56-cifar") -> Training:
    (found,) = ablations.trainings([model], ["torch"], folder)
    return found


def test_the_ablations_of_every_source_are_trained() -> None:
    names = list(ablations.names())
    assert names[0] == "attention56-cifar"
    for part in ("channel", "spatial", "local", "naive", "e4040-naive", "dranet-cifar"):
        assert any(name.endswith(part) for name in names), part
    assert sum(name.endswith("-cifar-naive") for name in names) == 4
    assert not any(zoo.entry(name).input_shape[0] > 32 for name in names)
    assert "resnet164-cifar" not in names


def test_nets_of_a_billion_products_are_narrowed() -> None:
    for name, trained in ablations.names().items():
        assert zoo.entry(trained)
        integers = zoo.entry(name).integers
        assert integers is not None
        assert (trained == f"{name}@4") == (integers.macs > 1e9)


def test_dra_net_comes_first_and_backends_take_turns(tmp_path: Path) -> None:
    models = ["resnet18", "attention56-cifar", "dranet-cifar"]
    found = list(ablations.trainings(models, ["torch", "jax"], tmp_path))
    assert [(each.model, each.backend) for each in found] == [
        ("dranet-cifar", "torch"),
        ("dranet-cifar", "jax"),
        ("attention56-cifar", "torch"),
        ("attention56-cifar", "jax"),
    ]
    assert found[0].options == ("--data", "digits")  # its recipe says how long
    assert found[2].options == ("--data", "digits", "--epochs", "1")


def test_a_finished_training_is_a_row(tmp_path: Path) -> None:
    one = training(tmp_path)
    assert not ablations.is_finished(one)
    assert not ablations.is_current(one, "5" * 64)
    write(one)
    assert ablations.is_finished(one)
    assert ablations.is_current(one, "5" * 64)
    assert not ablations.is_current(one, "6" * 64)
    row = ablations.row(one, "", "source")
    losses = [step["loss"] for step in samples.steps("torch")]
    assert (row["first_loss"], row["last_loss"]) == (losses[0], losses[-1])
    assert (row["verdict"], row["test_accuracy"], row["steps"]) == ("pass", 0.975, 60)
    assert ablations.stands(row, "source")
    assert not ablations.stands(row, "another")
    assert not ablations.stands(None, "source")


def test_dra_net_must_be_good(tmp_path: Path) -> None:
    one = training(tmp_path, "dranet-cifar")
    for accuracy, faults in ((0.95, []), (0.949, ["expected an accuracy of 95% or more"])):
        write(one, test_accuracy=accuracy)
        row = ablations.row(one, "", "source")
        assert row["faults"] == faults
        assert row["verdict"] == ("fail" if faults else "pass")


def test_a_training_that_failed_is_a_row_too(tmp_path: Path) -> None:
    one = training(tmp_path)
    row = ablations.row(one, "killed by signal 9: nothing on stderr", "source")
    assert row["error"] == "killed by signal 9: nothing on stderr"
    assert not ablations.stands(row, "source")
    assert "no such file" in ablations.row(one, "", "source")["error"]
    write(one)
    (one.folder / "run.json").write_text("{}")
    assert ablations.row(one, "", "source")["error"] == "unreadable record: KeyError: 'steps'"


def test_backends_must_begin_alike() -> None:
    row = {"initial_weights_digest": "a", "tape_digest": "b"}
    assert ablations.same({"torch": row, "jax": row, "tensorflow": {"error": "died"}})
    for key in row:
        assert not ablations.same({"torch": row, "jax": row | {key: "c"}})


def test_only_dra_nets_runs_are_kept(tmp_path: Path, drawn: list[list[str]]) -> None:
    for each in ablations.trainings(zoo.ENTRIES, ["torch", "jax"], tmp_path):
        write(each)
        assert ablations.keep(each, tmp_path / "runs") == ""
    kept = {path.name for path in (tmp_path / "runs").iterdir()}
    assert kept == {"zoo-dranet-cifar-torch", "zoo-dranet-cifar-jax"}
    assert len(drawn) == len(kept)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Stands in for the commands that draw: they write features.json."""
    asked: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        asked.append(command[1:])
        folder = Path(command[4])
        if (folder / "broken").exists():
            return subprocess.CompletedProcess(command, 2, b"", b"ranparity: no such run\n")
        (folder / "features.json").write_text("{}")
        return subprocess.CompletedProcess(command, 0, b"", b"")

    monkeypatch.setattr(ablations.subprocess, "run", run)
    return asked


def test_a_kept_run_is_drawn_and_copied_without_its_weights(
    tmp_path: Path, drawn: list[list[str]]
) -> None:
    one = training(tmp_path, "dranet-cifar")
    write(one)
    (one.folder / "final.weights.h5").touch()
    assert ablations.keep(one, tmp_path / "data" / "runs") == ""
    assert drawn == [["-m", "ranparity", "features", str(one.folder), "--backend", "torch"]]
    copies = {
        path.name for path in (tmp_path / "data" / "runs" / "zoo-dranet-cifar-torch").iterdir()
    }
    assert copies == {"run.json", "steps.jsonl", "epochs.csv", "features.json"}
    assert json.loads((one.folder / "run.json").read_text())["model"] == "dranet-cifar"


@pytest.mark.usefixtures("drawn")
def test_what_cannot_be_drawn_says_why(tmp_path: Path) -> None:
    one = training(tmp_path, "dranet-cifar")
    write(one)
    (one.folder / "broken").touch()
    assert ablations.keep(one, tmp_path / "runs") == (
        "ranparity features: ended with status 2: ranparity: no such run"
    )
    assert not (tmp_path / "runs").exists()


def test_the_pattern_is_of_whole_words() -> None:
    assert re.search(ablations.ABLATED, "attention56-e4040-wide-plain")
    assert not re.search(ablations.ABLATED, "dranet-cifar-diversity")
