from __future__ import annotations

from typing import Any

import pytest

from ranparity.report.run_record import TAPE, read_run
from ranparity.report.runs import FailedRun, FinishedRun
from ranparity.training import starting
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
    assert (run.task.partial, run.task.precision, run.task.train) == (False, "float32", 1437)
    assert (run.peak_memory, run.seconds_waiting) == (1200 * 2**20, 0.02)
    assert run.beside_steps == 0.005
    assert run.path == "data/runs/r/run.json"


def test_what_only_some_runs_say_is_read_too() -> None:
    run = read()
    assert isinstance(run, FinishedRun)
    assert (run.planned_steps, run.remat, run.twin) == (None, False, 0)
    run = read(run_json=with_run(planned_steps=99, remat=True, twin=3))
    assert isinstance(run, FinishedRun)
    assert (run.planned_steps, run.remat, run.twin) == (99, True, 3)
    for key in ("planned_steps", "remat", "twin"):
        assert f'as "{key}", found "x"' in reason(read(run_json=with_run(**{key: "x"})))
    failed = read(run_json=with_run(twin=3, status="failed"))
    assert isinstance(failed, FailedRun)
    assert failed.twin == 3


def test_keys_of_a_newer_version_are_passed_over() -> None:
    row = samples.steps("torch")
    row[0]["memory"] = {"peak": 3}
    changed = read(run_json=with_run(novelty=[1]), steps_jsonl=samples.lines(row))
    assert isinstance(changed, FinishedRun)


REQUIRED = ["backend", "model", "recipe", "seed", "data", "initial_weights_digest", "tape_digest"]
REQUIRED += ["steps", "test_accuracy", "test_top5_accuracy", "test_loss", "stopped_early"]
REQUIRED += ["seconds", "seconds_per_step", "seconds_waiting_for_batches", "status", "precision"]
REQUIRED += ["final_weights_digest", "final_slots_digest"]


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
        ({"run_json": b"[]"}, "run.json: expected an object, found []"),
        ({"steps_jsonl": None}, "steps.jsonl: no such file in the record"),
        ({"steps_jsonl": b""}, "steps.jsonl: 0 steps, where run.json has 60"),
        ({"epochs_csv": None}, "epochs.csv: no such file in the record"),
        ({"run_json": with_run(status="running")}, 'its status is "running", not "finished"'),
        (
            {"run_json": with_run(status="failed", reason="no memory")},
            'its status is "failed", not "finished": no memory',
        ),
        ({"run_json": with_run(error="killed by signal 9")}, "killed by signal 9"),
        (
            {"run_json": with_run(test_accuracy=97.5)},
            'expected 0 to 1 as "test_accuracy", found 97.5',
        ),
        (
            {"run_json": with_run(test_top5_accuracy=1.5)},
            'expected 0 to 1 as "test_top5_accuracy", found 1.5',
        ),
        (
            {"run_json": with_run(recipe={"name": "r"})},
            'recipe: expected a list of stages as "stages"',
        ),
        (
            {"run_json": with_run(recipe={"name": "r", "stages": [{}]})},
            'recipe: stages 1: expected a string as "name", found no such key',
        ),
        (
            {"run_json": with_run(data=samples.DATA | {"partial": "no"})},
            'data: expected true or false as "partial", found "no"',
        ),
        (
            {"run_json": with_run(peak_memory_bytes=-1)},
            'expected an integer of 0 or more as "peak_memory_bytes", found -1',
        ),
    ],
)
def test_a_damaged_or_unfinished_record_is_a_failed_run(
    changes: dict[str, bytes | None], expected: str
) -> None:
    assert reason(read(**changes)).startswith(expected)


def test_a_failed_run_keeps_what_its_record_says_of_itself() -> None:
    run = read(run_json=with_run(error="killed", data=None, model=3))
    assert run == FailedRun("r", "data/runs/r/run.json", "killed", backend="torch")
    whole, known = read(), read(run_json=with_run(status="interrupted"))
    assert isinstance(whole, FinishedRun)
    assert isinstance(known, FailedRun)
    assert known.task == whole.task


@pytest.mark.parametrize("memory", [None, "left out"])
def test_memory_that_the_system_could_not_tell_is_unknown(memory: str | None) -> None:
    data = samples.run("torch") | {"peak_memory_bytes": None}
    if memory:
        del data["peak_memory_bytes"]
    run = read(run_json=samples.encoded(data))
    assert isinstance(run, FinishedRun)
    assert run.peak_memory is None


def part(first: int, backend: str = "torch") -> dict[str, Any]:
    return {"first_step": first, "backend": backend, "started": "then"}


WHAT = 'expected as "parts" what each process did, from step 1 on and last on torch'


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], WHAT),
        ([part(2)], WHAT),
        ([part(1), part(9, "jax")], WHAT),
        ([part(1), part(62)], "parts: one begins with step 62 of 60"),
        ([part(1), part(0)], "parts: one begins with step 0 of 60"),
        ([part(1), {}], 'parts 2: expected an integer of 0 or more as "first_step"'),
        ("many", 'expected a list as "parts", found "many"'),
    ],
)
def test_parts_that_make_no_run_are_damage(parts: Any, expected: str) -> None:
    assert reason(read(run_json=with_run(parts=parts))).startswith(expected)


def test_a_run_may_go_on_after_its_last_step() -> None:
    run = read(run_json=with_run(parts=[part(1), part(61)]))
    assert isinstance(run, FinishedRun)
    assert run.spans == ((1, 60, "torch"),)


@pytest.mark.parametrize(
    "changes", [{"tape_digest": "0" * 64}, {"initial_weights_digest": "0" * 64}]
)
def test_a_tape_that_is_not_that_of_the_steps_is_damage(changes: dict[str, Any]) -> None:
    assert reason(read(run_json=with_run(**changes))) == (
        "steps.jsonl: its batches and the initial weights do not have the tape_digest of run.json"
    )


def test_a_batch_that_was_altered_is_noticed() -> None:
    rows = samples.steps("torch")
    rows[30]["batch_digest"] = samples.sha("another")
    assert "tape_digest" in reason(read(steps_jsonl=samples.lines(rows)))


def test_any_cut_off_log_of_steps_is_noticed() -> None:
    whole = samples.run_files("torch")["steps.jsonl"]
    for size in (1, 100, len(whole) // 2, len(whole) - 2):
        assert "steps.jsonl" in reason(read(steps_jsonl=whole[:size]))


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({}, ""),
        ({"stages": [{"starting_weights": TAPE}, {"starting_weights": "stage features"}]}, ""),
        ({"stages": [{"starting_weights": "w.h5, digest 1"}]}, "w.h5, digest 1"),
        ({"stages": [{"starting_weights": f"{TAPE}.h5"}]}, f"{TAPE}.h5"),
        ({"starting_weights": {"file": "w.h5", "digest": "1"}}, "w.h5"),
    ],
)
def test_a_run_that_starts_from_other_weights_than_the_tapes_says_so(
    changes: dict[str, Any], start: str
) -> None:
    run = read(run_json=with_run(**changes))
    assert isinstance(run, FinishedRun)
    assert run.task.start == start


def test_the_tape_is_called_what_the_record_calls_it() -> None:
    assert starting.TAPE == TAPE
