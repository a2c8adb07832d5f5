from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from ranparity.errors import InputError
from ranparity.training.record import Epoch, Record, Step, check_folder

STEP = Step(1, 1, 0.1 + 0.2, 0.05, "abc", 0.25)
EPOCH = Epoch(1, 2.5, 1 / 3, 0.95, 10.0)


def read(folder: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / "run.json").read_text())
    return content


def test_a_record_says_that_it_runs_and_how_it_ended(tmp_path: Path) -> None:
    record = Record(tmp_path / "a" / "b", {"model": "net"})
    assert read(record.folder) == {"model": "net", "status": "running"}
    record.close("finished", steps=3)
    assert read(record.folder) == {"model": "net", "status": "finished", "steps": 3}


def test_steps_and_epochs_are_read_back_with_the_same_bits(tmp_path: Path) -> None:
    record = Record(tmp_path, {})
    record.add_step(STEP)
    record.add_step(STEP)
    record.add_epochs(EPOCH)
    lines = (tmp_path / "steps.jsonl").read_text().splitlines()
    assert [Step(**json.loads(line)) for line in lines] == [STEP, STEP] == record.steps
    rows = list(csv.DictReader((tmp_path / "epochs.csv").read_text().splitlines()))
    assert [{key: float(value) for key, value in row.items()} for row in rows] == [vars(EPOCH)]
    assert record.epochs == [EPOCH]


def test_the_table_of_epochs_has_its_heading_from_the_start(tmp_path: Path) -> None:
    Record(tmp_path, {})
    heading = "epoch,train_loss,test_loss,test_accuracy,seconds\n"
    assert (tmp_path / "epochs.csv").read_text() == heading


def test_weights_appear_whole(tmp_path: Path) -> None:
    record = Record(tmp_path, {})

    def save(path: str) -> None:
        assert path.endswith(".weights.h5")  # Keras insists
        Path(path).write_text("weights")
        assert not (tmp_path / "final.weights.h5").exists()

    record.save_weights(save)
    assert (tmp_path / "final.weights.h5").read_text() == "weights"
    assert not list(tmp_path.glob("partial*"))


def test_a_new_record_replaces_the_files_of_the_one_before_and_no_others(tmp_path: Path) -> None:
    record = Record(tmp_path, {"first": True})
    record.add_step(STEP)
    record.save_weights(lambda path: Path(path).touch())
    (tmp_path / "notes.txt").write_text("mine")
    Record(tmp_path, {"second": True})
    assert read(tmp_path) == {"second": True, "status": "running"}
    assert {path.name for path in tmp_path.iterdir()} == {
        "run.json",
        "steps.jsonl",
        "epochs.csv",
        "notes.txt",
    }
    assert (tmp_path / "steps.jsonl").read_text() == ""


def test_a_folder_that_is_new_or_empty_is_fine(tmp_path: Path) -> None:
    check_folder(tmp_path, overwrite=False)
    check_folder(tmp_path / "new" / "deep", overwrite=False)
    assert not list(tmp_path.iterdir())


def test_a_run_is_replaced_only_when_told(tmp_path: Path) -> None:
    (tmp_path / "run.json").touch()
    check_folder(tmp_path, overwrite=True)
    with pytest.raises(InputError) as caught:
        check_folder(tmp_path, overwrite=False)
    assert str(caught.value) == (
        f"--out {tmp_path}: there is a run already: give another folder with --out, "
        "or --overwrite to replace that run"
    )


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_something_else_is_never_used(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError) as caught:
        check_folder(tmp_path, overwrite=overwrite)
    assert str(caught.value) == (
        f"--out {tmp_path}: expected an empty folder or a run, and it is neither"
    )


@pytest.mark.parametrize("inside", ["", "/deep/er"])
def test_a_file_is_not_a_folder(tmp_path: Path, inside: str) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(InputError) as caught:
        check_folder(Path(f"{file}{inside}"), overwrite=True)
    assert str(caught.value) == f"--out {file}{inside}: expected a folder, but {file} is a file"


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`os.access` is what the system says; root may write anywhere, so it is told here."""
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(InputError) as caught:
        check_folder(tmp_path / "new", overwrite=False)
    assert str(caught.value) == f"--out {tmp_path / 'new'}: no permission to write in {tmp_path}"
