from __future__ import annotations

from typing import Any

import pytest

from ranparity.report.groups import groups, named
from tests.report import samples
from tests.report.test_comparison import JAX, jax_run, read


def titles(files: samples.Files) -> list[str]:
    return [group.title for group in groups(read(files))]


def test_one_task_is_one_group() -> None:
    (group,) = groups(read(samples.reports()))
    assert group.title == "attention56-cifar on digits, recipe digits, seed 0, float32"
    assert [run.backend for run in group.finished] == list(samples.BACKENDS)


OTHERS: list[dict[str, Any]] = [
    {"seed": 1},
    {"precision": "float64"},
    {"accumulate": {"parts": 4}},
    {"model": "narrow"},
    {"recipe": samples.RECIPE | {"novelty": 4}},
    *(
        {"data": samples.DATA | {key: value}}
        for key, value in (
            ("source", "elsewhere"),
            ("partial", True),
            ("train", 3),
            ("test", 3),
            ("name", "other"),
        )
    ),
]


@pytest.mark.parametrize("changes", OTHERS, ids=str)
def test_what_is_done_in_another_way_is_another_task(changes: dict[str, Any]) -> None:
    assert sorted(len(group.finished) for group in groups(read(jax_run(**changes)))) == [1, 2]


def test_parts_of_batches_are_in_the_title() -> None:
    (other,) = groups(read(jax_run(accumulate={"parts": 4})))[1:]
    assert other.title.endswith("seed 0, float32, batches in 4 parts")


def with_twin(**changes: Any) -> samples.Files:
    """The records, and those of a twin of torch's run."""
    twin = samples.twin_files("torch", 2, **changes)
    return samples.reports() | {f"data/runs/twin/{name}": text for name, text in twin.items()}


def test_a_twin_is_of_its_runs_task_and_apart_from_the_runs() -> None:
    (group,) = groups(read(with_twin()))
    assert [run.id for run in group.finished] == [f"report-{name}" for name in samples.BACKENDS]
    assert [run.id for run in group.twins] == ["twin"]
    assert [group.label(run) for run in (*group.finished, *group.twins)] == [
        *samples.BACKENDS,
        "torch twin 2",
    ]


def test_a_twin_of_a_task_of_its_own_is_a_group_without_runs() -> None:
    first, second = groups(read(with_twin(seed=7)))
    assert (len(first.finished), first.twins) == (3, ())
    assert ([run.id for run in second.twins], second.runs) == (["twin"], ())


def test_a_twin_that_failed_is_told_of_with_its_number() -> None:
    (group,) = groups(read(with_twin(status="interrupted")))
    assert ([run.id for run in group.failed], group.twins) == (["twin"], ())
    assert group.label(group.failed[0]) == "torch twin 2"


def test_digits_come_first_and_then_the_data_by_name() -> None:
    files = samples.reports(("torch",))
    for name in ("zebras", "cifar10", "cifar100"):
        data = samples.DATA | {"name": name}
        folder = f"data/runs/a-{name}"
        files |= {f"{folder}/{file}": text for file, text in samples.run_files("torch").items()}
        files = samples.spoilt(files, f"{folder}/run.json", data=data)
    found = [group.task.data for group in groups(read(files)) if group.task]
    assert found == ["digits", "cifar10", "cifar100", "zebras"]


def test_a_folder_is_called_as_it_was_asked_for() -> None:
    data = samples.DATA | {"name": "folder", "source": "folder:birds"}
    assert "attention56-cifar on folder:birds, recipe digits, seed 0, float32" in titles(
        jax_run(data=data)
    )


def test_a_failed_run_goes_with_its_task() -> None:
    more = {f"data/runs/other/{name}": text for name, text in samples.run_files("torch").items()}
    files = samples.spoilt(jax_run(status="interrupted", seed=7) | more, f"{JAX}/run.json")
    files = samples.spoilt(files, "data/runs/other/run.json", seed=7)
    first, second = groups(read(files))
    assert [run.id for run in first.failed] == []
    assert [run.id for run in second.failed] == ["report-jax"]
    assert second.task
    assert second.task.seed == 7


def test_a_failed_run_of_a_task_of_its_own_is_a_group_of_its_own() -> None:
    found = groups(read(jax_run(status="interrupted", seed=7)))
    assert [(len(group.finished), len(group.failed)) for group in found] == [(2, 0), (0, 1)]
    assert found[1].title.endswith("seed 7, float32")


def test_a_failed_run_that_says_little_goes_with_the_first_task_that_fits() -> None:
    failed = {"status": "failed", "backend": "jax", "data": {"name": "digits"}}
    files = samples.reports() | {f"{JAX}/run.json": samples.encoded(failed)}
    (group,) = groups(read(files))
    assert [run.id for run in group.failed] == ["report-jax"]
    files |= {f"{JAX}/run.json": samples.encoded(failed | {"model": "m", "data": {"name": "d"}})}
    assert [group.title for group in groups(read(files))][1:] == ["m on d"]


def test_tasks_of_one_name_are_told_apart_in_their_files() -> None:
    names = [name for name, _ in named(groups(read(jax_run(precision="float64"))))]
    assert names == ["attention56-cifar-digits-seed0", "attention56-cifar-digits-seed0-2"]
