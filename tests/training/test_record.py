from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ranparity.data.normalisation import Normalisation
from ranparity.errors import InputError
from ranparity.training import checkpoint, directory
from ranparity.training.logs import Epoch, Step, timeless
from ranparity.training.record import Record

STEP = Step(1, "train", 1, 0.1 + 0.2, 0.05, "abc", 0.25, 0.125)
STEPS = [replace(STEP, step=number, loss=1 / number) for number in (1, 2, 3, 4)]
EPOCH = Epoch("train", 1, 2, 2.5, 1 / 3, 0.95, 0.99, 10.0)


NOTHING = Normalisation("range", *2 * (np.ones((1, 1, 1), np.float32),), 0)


def read(folder: Path) -> dict[str, object]:
    return directory.read_run(folder)


def begun(folder: Path, **description: object) -> Record:
    made = Record(folder)
    made.begin(description, {}, NOTHING)
    return made


def lines(folder: Path) -> list[str]:
    return (folder / "steps.jsonl").read_text().splitlines()


def test_a_record_says_that_it_runs_and_how_it_ended(tmp_path: Path) -> None:
    made = begun(tmp_path / "a" / "b", model="net")
    assert read(made.folder) == {"schema": 1, "model": "net", "status": "running"}
    made.close("finished", steps=3)
    ended = {"schema": 1, "model": "net", "status": "finished", "steps": 3}
    assert list(read(made.folder).items()) == list(ended.items())


def test_pictures_of_the_run_before_go(tmp_path: Path) -> None:
    for name in directory.PICTURES:
        (tmp_path / name).touch()
    begun(tmp_path)
    assert not any((tmp_path / name).exists() for name in directory.PICTURES)


def test_steps_and_epochs_are_read_back_with_the_same_bits(tmp_path: Path) -> None:
    made = begun(tmp_path)
    for step in STEPS:
        made.add_step(step)
    made.add_epoch(EPOCH)
    assert [Step(**json.loads(line)) for line in lines(tmp_path)] == STEPS == made.steps
    (row,) = csv.DictReader((tmp_path / "epochs.csv").read_text().splitlines())
    assert row.pop("stage") == "train"
    assert {key: float(value) for key, value in row.items()} == {
        key: value for key, value in vars(EPOCH).items() if key != "stage"
    }


def test_the_table_of_epochs_has_its_heading_from_the_start(tmp_path: Path) -> None:
    begun(tmp_path)
    heading = "stage,epoch,step,train_loss,test_loss,test_accuracy,test_top5_accuracy,seconds\n"
    assert (tmp_path / "epochs.csv").read_text() == heading


def test_weights_appear_whole(tmp_path: Path) -> None:
    made = begun(tmp_path)

    def save(path: str) -> None:
        assert path.endswith(".weights.h5")  # Keras insists
        Path(path).write_text("weights")
        assert not (tmp_path / "final.weights.h5").exists()

    made.save_weights(save, 7)
    assert (tmp_path / "final.weights.h5").read_text() == "weights"
    assert not list(tmp_path.glob(".partial*"))


def test_a_new_run_replaces_the_files_of_the_one_before_and_no_others(tmp_path: Path) -> None:
    made = begun(tmp_path, first=True)
    made.add_step(STEP)
    made.add_checkpoint({}, {})
    made.save_weights(lambda path: Path(path).touch(), 0)
    made.release()
    (tmp_path / "notes.txt").write_text("mine")
    begun(tmp_path, second=True)
    assert read(tmp_path) == {"schema": 1, "second": True, "status": "running"}
    assert lines(tmp_path) == []
    assert list((tmp_path / "checkpoints").iterdir()) == []
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "final.weights.h5").exists()


# Going on.


def interrupted(folder: Path) -> checkpoint.State:
    """A run whose checkpoint is of its second step, killed while it wrote its fifth."""
    made = begun(folder, model="net")
    for step in STEPS[:2]:
        made.add_step(step)
    made.add_epoch(EPOCH)
    made.add_checkpoint({}, {})
    for step in STEPS[2:]:
        made.add_step(step)
    made.add_epoch(replace(EPOCH, epoch=2, step=4))
    with (folder / "steps.jsonl").open("a") as log:
        log.write('{"step": 5, "sta')
    made.release()  # what the system does when the process is killed
    saved = checkpoint.newest(folder, print)
    assert saved is not None
    return saved.state


def test_a_run_goes_back_to_its_checkpoint(tmp_path: Path) -> None:
    state = interrupted(tmp_path)
    made = Record(tmp_path)
    made.go_on({"model": "net"}, {}, state)
    assert made.steps == STEPS[:2]
    assert made.epochs == [EPOCH]
    for step in STEPS[2:]:
        made.add_step(step)
    assert [Step(**json.loads(line)) for line in lines(tmp_path)] == STEPS
    whole = begun(tmp_path / "whole")
    for step in STEPS:
        whole.add_step(step)
        if step.step == EPOCH.step:
            whole.add_epoch(EPOCH)
    assert made.log_digest == whole.log_digest


def test_without_a_checkpoint_a_run_goes_back_to_its_start(tmp_path: Path) -> None:
    interrupted(tmp_path)
    made = Record(tmp_path)
    made.go_on({}, {}, None)
    assert (made.steps, made.epochs, lines(tmp_path)) == ([], [], [])
    assert read(tmp_path) == {"schema": 1, "status": "running"}


def test_times_are_no_part_of_the_logs_digest(tmp_path: Path) -> None:
    one, other, third = (begun(tmp_path / name) for name in "abc")
    one.add_step(STEP)
    other.add_step(replace(STEP, seconds=9.0, seconds_waiting=3.0))
    third.add_step(replace(STEP, loss=0.3))
    assert one.log_digest == other.log_digest != third.log_digest
    assert not [name for name in timeless(STEP) | timeless(EPOCH) if "seconds" in name]


ANOTHER = (
    "{folder}: expected in steps.jsonl and epochs.csv what led to the checkpoint of step 2, and "
    "they hold something else: the run cannot go on"
)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("steps.jsonl", '"loss": 0.5', '"loss": 0.6', ANOTHER),
        ("steps.jsonl", '{"step": 2', '{"step": 9', ANOTHER),
        ("epochs.csv", "0.95", "0.96", ANOTHER),
        ("epochs.csv", "train,1", "train,x", "{folder}/epochs.csv: expected an epoch, found {{"),
        ("steps.jsonl", '{"step": 1', "nonsense", "{folder}/steps.jsonl: expected a step, found "),
    ],
)
def test_a_log_that_did_not_lead_to_the_checkpoint_is_refused(
    file: str, old: str, new: str, message: str, tmp_path: Path
) -> None:
    state = interrupted(tmp_path)
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new))
    with pytest.raises(InputError) as caught:
        Record(tmp_path).go_on({}, {}, state)
    assert str(caught.value).startswith(message.format(folder=tmp_path))


def test_a_log_that_is_cut_short_or_gone_is_refused(tmp_path: Path) -> None:
    state = interrupted(tmp_path)
    log = tmp_path / "steps.jsonl"
    log.write_text(log.read_text().splitlines(keepends=True)[0])
    again = Record(tmp_path)
    with pytest.raises(InputError) as caught:
        again.go_on({}, {}, state)
    assert str(caught.value) == ANOTHER.format(folder=tmp_path)
    log.unlink()
    with pytest.raises(InputError) as caught:
        again.go_on({}, {}, state)
    assert str(caught.value) == f"{log}: expected it in a run that goes on: no such file"


def test_two_processes_cannot_write_one_run(tmp_path: Path) -> None:
    made = begun(tmp_path / "run")
    program = (
        "import sys; from pathlib import Path; from ranparity.training.record import Record\n"
        "try: Record(Path(sys.argv[1]))\n"
        "except ValueError as error: sys.exit(str(error))"
    )

    def other() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, os.fspath(made.folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    refused = other()
    assert refused.returncode == 1
    assert refused.stderr == (
        f"{made.folder}: another process is writing this run: wait for its end, or give another "
        "folder with --out\n"
    )
    made.release()
    assert other().returncode == 0


def test_weights_for_which_there_is_no_room_are_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDF5 would end the process."""

    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    made = begun(tmp_path)
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        made.save_weights(lambda _: pytest.fail("begun"), 7)
    assert not list(tmp_path.glob("*.h5")) + list(tmp_path.glob(".partial*"))


def test_checkpoints_that_were_passed_over_do_not_stand_in_the_way(tmp_path: Path) -> None:
    """Kept as the newest two, they would drop every new one."""
    interrupted(tmp_path)
    folder = tmp_path / "checkpoints"
    for step in (10, 14):
        (folder / f"step-000000{step}.npz").write_bytes(b"damaged")
    made = Record(tmp_path)
    made.go_on({}, {}, None)
    for step in STEPS[:2]:
        made.add_step(step)
        made.add_checkpoint({}, {})
    assert sorted(path.name for path in folder.iterdir()) == [
        "step-00000001.npz",
        "step-00000002.npz",
    ]
