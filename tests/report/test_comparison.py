from __future__ import annotations

from typing import Any

from ranparity.report import comparison, records
from ranparity.report.document import Cell
from ranparity.report.groups import Group, groups
from tests.report import samples
from tests.report.test_structure import row, words

JAX = "data/runs/report-jax"


def read(files: samples.Files) -> records.Evidence:
    return records.evidence(files)


def jax_run(**changes: Any) -> samples.Files:
    """The records with some keys of JAX's run changed, and its tape's digest to fit."""
    files = samples.spoilt(samples.reports(), f"{JAX}/run.json", **changes)
    return samples.retaped(files, JAX)


def jax_steps(place: int, **changes: Any) -> samples.Files:
    """The records with one of JAX's steps changed; `place` counts from 1."""
    rows = samples.steps("jax")
    rows[place - 1] |= changes
    return samples.retaped(samples.reports() | {f"{JAX}/steps.jsonl": samples.lines(rows)}, JAX)


def only(files: samples.Files) -> Group:
    (group,) = groups(read(files))
    return group


def cells(files: samples.Files, first: str) -> list[Cell]:
    return row(comparison.comparison(only(files)), first)[1:]


def shown(files: samples.Files, first: str) -> list[str]:
    return [words(cell.text) for cell in cells(files, first)]


def apart(files: samples.Files) -> list[list[str]]:
    return [[words(cell.text) for cell in row] for row in comparison.apart(only(files)).rows]


def test_the_losses_and_their_largest_difference_are_shown_for_the_stated_steps() -> None:
    files = samples.reports()
    for step in (1, 2, 5, 10, 50):
        losses = [samples.steps(backend)[step - 1]["loss"] for backend in samples.BACKENDS]
        assert shown(files, f"Loss, step {step}") == [
            *(f"{loss:.6f}" for loss in losses),
            f"{max(losses) - min(losses):.2g} at most",
        ]
    titles = [words(row[0].text) for row in comparison.comparison(only(samples.reports())).rows]
    assert "Loss, step 50" in titles
    assert "Loss, step 100" not in titles


def test_a_run_with_fewer_steps_says_which_it_did_not_make() -> None:
    rows = samples.steps("jax", 8)
    files = jax_run(steps=8) | {
        f"{JAX}/steps.jsonl": samples.lines(rows),
        f"{JAX}/epochs.csv": samples.EPOCH_TITLES.encode(),
    }
    files = samples.retaped(files, JAX)
    assert shown(files, "Loss, step 10")[2:] == ["not run", "—"]
    assert shown(files, "Batches (tape)")[-1] == "✓ all 8 equal"


def test_every_run_leads_to_its_record() -> None:
    links = [cell.text[0].href for cell in cells(samples.reports(), "Record")[:3]]
    assert links == [f"data/runs/report-{name}/run.json" for name in samples.BACKENDS]


def test_two_runs_of_one_backend_are_told_apart_by_their_folders() -> None:
    more = {f"data/runs/again/{k}": v for k, v in samples.run_files("jax").items()}
    table = comparison.comparison(only(samples.reports() | more))
    labels = [words(column.title) for column in table.columns]
    assert labels[3:5] == ["jax (again)", "jax (report-jax)"]


def test_top_5_memory_waiting_and_the_digests_of_the_end_are_shown() -> None:
    files = samples.reports()
    assert shown(files, "Test accuracy, top 5") == ["99.75 %"] * 3 + [""]
    assert shown(files, "Peak memory") == ["1,200 MiB"] * 3 + [""]
    assert shown(files, "Waiting for batches") == ["0.020 s"] * 3 + [""]
    assert shown(files, "The loop beside steps") == ["0.50 %"] * 3 + [""]
    finals = [f"{samples.sha('final', name)[:12]}…" for name in samples.BACKENDS]
    assert shown(files, "Final weights")[:3] == finals
    assert len({*shown(files, "Final optimizer slots")[:3]}) == 3


def test_memory_that_is_not_known_is_a_dash() -> None:
    assert shown(jax_run(peak_memory_bytes=None), "Peak memory")[2] == "—"


def test_what_the_loop_takes_is_shown_where_a_run_says_it() -> None:
    assert shown(jax_run(seconds_in_steps=None), "The loop beside steps")[2] == "—"
    files = samples.reports()
    for name in samples.BACKENDS:
        path = f"data/runs/report-{name}/run.json"
        files = samples.spoilt(files, path, seconds_in_steps=None)
    titles = [words(row[0].text) for row in comparison.comparison(only(files)).rows]
    assert "Waiting for batches" in titles
    assert "The loop beside steps" not in titles


def test_the_largest_difference_names_its_two_runs() -> None:
    files = jax_steps(10, loss=3.0)
    others = [samples.steps(name)[9]["loss"] for name in ("torch", "tensorflow")]
    least = min(others)
    first, tenth, hundredth = apart(files)
    assert first[0] == "Step 1"
    assert first[3] == "tensorflow and jax"
    between = "torch and jax" if others[0] == least else "tensorflow and jax"
    assert tenth == ["Step 10", f"{3 - least:.2g}", f"{(3 - least) / 3:.2g}", between]
    assert hundredth == ["Step 100", "not run", "—", "—"]


def test_equal_losses_are_apart_by_nothing() -> None:
    rows = [row | {"loss": 0.0} for row in samples.steps("torch")]
    files = samples.reports() | {
        f"data/runs/report-{name}/steps.jsonl": samples.lines(rows) for name in samples.BACKENDS
    }
    assert apart(files)[0] == ["Step 1", "0", "0", "torch and tensorflow"]


def rows_of(files: samples.Files) -> list[str]:
    return [words(row[0].text) for row in comparison.comparison(only(files)).rows]


def test_parts_are_shown_where_a_run_has_several() -> None:
    parts = [{"first_step": 1, "backend": "torch"}, {"first_step": 41, "backend": "jax"}]
    files = jax_run(parts=parts)
    assert shown(files, "Parts")[:3] == [
        "one",
        "one",
        "2: steps 1-40 torch, 41-60 jax",
    ]
    titles = comparison.comparison(only(files)).columns
    assert words(titles[3].title) == "torch then jax"
    assert "Parts" not in rows_of(samples.reports())


def test_of_many_parts_the_first_are_shown() -> None:
    parts = [{"first_step": step, "backend": "jax"} for step in (1, 11, 21, 31, 41, 51)]
    assert shown(jax_run(parts=parts), "Parts")[2] == (
        "6: steps 1-10 jax, 11-20 jax, 21-30 jax, 31-40 jax and 2 more"
    )


def test_a_run_that_stopped_early_says_so() -> None:
    assert shown(jax_run(stopped_early=True), "Stopped early")[:3] == ["no", "no", "yes"]
    assert "Stopped early" not in rows_of(samples.reports())


def test_batches_are_held_against_each_other_until_a_run_is_in_another_stage() -> None:
    """A run that ran out of patience sees the next stage's batches sooner."""
    files = samples.reports()
    recipe = {"name": "two", "stages": [{"name": "train"}, {"name": "more"}]}
    for place, backend in enumerate(samples.BACKENDS):
        folder = f"data/runs/report-{backend}"
        rows = samples.steps(backend)
        for step in rows[20 * (place + 1) :]:
            step |= {"stage": "more", "batch_digest": samples.sha(backend, step["step"])}
        files |= {f"{folder}/steps.jsonl": samples.lines(rows)}
        files |= {f"{folder}/epochs.csv": samples.EPOCH_TITLES.encode()}
        files = samples.retaped(samples.spoilt(files, f"{folder}/run.json", recipe=recipe), folder)
    assert shown(files, "Batches (tape)")[-1] == "✓ all 20 equal"
    assert shown(files, "Loss, step 50")[-1] == "—"


def test_runs_of_different_tasks_stand_side_by_side_as_far_as_that_says_something() -> None:
    files = samples.reports()
    rows = [row | {"stage": "other"} for row in samples.steps("jax")]
    stages = [samples.STAGE, samples.STAGE | {"name": "other"}]
    files |= {f"{JAX}/steps.jsonl": samples.lines(rows)}
    files |= {f"{JAX}/epochs.csv": samples.EPOCH_TITLES.encode()}
    changes = {"data": samples.DATA | {"test": 100}, "recipe": {"name": "r", "stages": stages}}
    evidence = read(samples.spoilt(files, f"{JAX}/run.json", **changes))
    table = comparison.comparison(Group(None, evidence.finished, ()))
    for title in ("Batches (tape)", "Test accuracy", "Loss, step 1"):
        assert words(row(table, title)[-1].text) == "—", title
    assert [words(cell.text) for cell in row(table, "Steps")[1:4]] == ["60"] * 3
