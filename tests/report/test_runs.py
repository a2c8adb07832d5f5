from __future__ import annotations

from typing import Any

import pytest

from ranparity.report.runs import FailedRun, FinishedRun, read_run
from tests.report import samples


def read(**changes: bytes | None) -> FinishedRun | FailedRun:
    """A sample run's record with some files replaced; keys have _ for the dot."""
    files: dict[str, bytes | None] = dict(samples.run_files("torch"))
    return read_run("r", files | {name.replace("_", "."): value for name, value in changes.items()})


def with_run(**changes: Any) -> bytes:
    data = samples.run("torch") | changes
    return samples.encoded({key: value for key, value in data.items() if value is not None})


def reason(run: FinishedRun | FailedRun) -> str:
    assert isinstance(run, FailedRun)
    return run.reason


def test_a_whole_record_is_read() -> None:
    run = read()
    assert isinstance(run, FinishedRun)
    assert (run.backend, run.task.model, run.task.data) == ("torch", "attention56-cifar", "digits")
    assert len(run.steps) == samples.STEPS
    assert run.steps[0].batch_digest == samples.sha("batch", 1)
    assert [epoch.test_accuracy for epoch in run.epochs] == [0.5, 0.75, 0.875]
    assert run.path == "data/runs/r/run.json"


def test_keys_of_a_newer_version_are_passed_over() -> None:
    row = samples.steps("torch")
    row[0]["memory"] = {"peak": 3}
    changed = read(run_json=with_run(novelty=[1]), steps_jsonl=samples.lines(row))
    assert isinstance(changed, FinishedRun)


REQUIRED = ["backend", "model", "recipe", "seed", "data", "initial_weights_digest", "tape_digest"]
REQUIRED += ["steps", "test_accuracy", "test_loss", "seconds", "seconds_per_step", "status"]


@pytest.mark.parametrize("key", REQUIRED)
def test_a_missing_key_makes_a_failed_run_that_says_so(key: str) -> None:
    run = read(run_json=with_run(**{key: None}))
    assert f'"{key}", found no such key' in reason(run)


@pytest.mark.parametrize("key", REQUIRED)
def test_a_key_of_another_kind_makes_a_failed_run(key: str) -> None:
    assert f'"{key}"' in reason(read(run_json=with_run(**{key: [None]})))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"run_json": b"{"}, "run.json: not JSON: Expecting property name"),
        ({"run_json": None}, "run.json: no such file in the record"),
        ({"run_json": b"[]"}, "expected an object, found []"),
        ({"steps_jsonl": None}, "steps.jsonl: no such file in the record"),
        ({"steps_jsonl": b'{"step": 1'}, "steps.jsonl line 1: not JSON"),
        ({"steps_jsonl": b""}, "steps.jsonl: 0 steps, where run.json has 60"),
        (
            {"steps_jsonl": samples.lines(samples.steps("torch")[1:])},
            "steps.jsonl line 1: expected step 1, found step 2",
        ),
        ({"epochs_csv": None}, "epochs.csv: no such file in the record"),
        (
            {"epochs_csv": b"epoch,test_loss\n1,0.5\n"},
            'epochs.csv row 1: expected a number as "test_accuracy"',
        ),
        (
            {"epochs_csv": b"epoch,test_loss,test_accuracy\n2,0.5,0.5\n"},
            "epochs.csv row 1: expected epoch 1, found epoch 2",
        ),
        (
            {"epochs_csv": b"epoch,test_loss,test_accuracy\n1,0.5,nan\n"},
            'epochs.csv row 1: expected a finite number as "test_accuracy", found NaN',
        ),
        ({"run_json": with_run(status="running")}, 'its status is "running", not "finished"'),
        (
            {"run_json": with_run(status="failed", reason="no memory")},
            'its status is "failed", not "finished": no memory',
        ),
        ({"run_json": with_run(error="killed by signal 9")}, "killed by signal 9"),
        ({"run_json": with_run(test_accuracy=97.5)}, "expected 0 to 1"),
    ],
)
def test_a_damaged_or_unfinished_record_is_a_failed_run(
    changes: dict[str, bytes | None], expected: str
) -> None:
    assert reason(read(**changes)).startswith(expected)


def test_a_failed_run_keeps_what_its_record_says_of_itself() -> None:
    run = read(run_json=with_run(error="killed", data=None, model=3))
    assert run == FailedRun("r", "data/runs/r/run.json", "killed", backend="torch")


def test_any_cut_off_log_of_steps_is_noticed() -> None:
    whole = samples.run_files("torch")["steps.jsonl"]
    for size in (1, 100, len(whole) // 2, len(whole) - 2):
        assert "steps.jsonl" in reason(read(steps_jsonl=whole[:size]))
