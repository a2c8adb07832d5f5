from __future__ import annotations

import re
from typing import Any

import pytest

from ranparity.report import records, training
from ranparity.report.document import Bullets, Cell, Figures, Paragraph
from tests.report import samples
from tests.report.test_structure import row, words

JAX = "data/runs/report-jax"


def read(files: samples.Files) -> records.Evidence:
    return records.evidence(files)


def jax_run(**changes: Any) -> samples.Files:
    return samples.spoilt(samples.reports(), f"{JAX}/run.json", **changes)


def jax_steps(place: int, **changes: Any) -> samples.Files:
    """The records with one of JAX's steps changed; `place` counts from 1."""
    rows = samples.steps("jax")
    rows[place - 1] |= changes
    return samples.reports() | {f"{JAX}/steps.jsonl": samples.lines(rows)}


def only(files: samples.Files) -> training.Group:
    (group,) = training.groups(read(files))
    return group


def cells(files: samples.Files, first: str) -> list[Cell]:
    return row(training.comparison(only(files)), first)[1:]


def shown(files: samples.Files, first: str) -> list[str]:
    return [words(cell.text) for cell in cells(files, first)]


def problems(files: samples.Files) -> list[str]:
    return [words(problem) for problem in training.problems(read(files))]


def paragraphs(files: samples.Files) -> str:
    blocks = training.section(read(files)).blocks
    return "\n".join(words(block.text) for block in blocks if isinstance(block, Paragraph))


def test_all_well_is_a_pass_on_every_backend_and_no_problem() -> None:
    files = samples.reports()
    assert shown(files, "Result") == ["✓ PASS at least 95 %"] * 3 + [""]
    assert shown(files, "Test accuracy") == ["97.50 %"] * 3 + ["0 images at most"]
    assert shown(files, "Whole training") == ["120 s"] * 3 + [""]
    assert problems(files) == []


def test_equal_digests_are_said_to_be_equal() -> None:
    files = samples.reports()
    for title, words_ in (
        ("Data", "✓ equal"),
        ("Initial weights", "✓ equal"),
        ("Batches (tape)", "✓ all 60 equal"),
    ):
        *digests, last = cells(files, title)
        assert (words(last.text), last.tone) == (words_, "pass")
        assert len({words(cell.text) for cell in digests}) == 1
    assert "the initial weights are equal, and so is each of the 60 batches" in paragraphs(files)


def test_the_losses_and_their_largest_difference_are_shown_for_the_stated_steps() -> None:
    files = samples.reports()
    for step in training.STEPS:
        losses = [samples.steps(backend)[step - 1]["loss"] for backend in samples.BACKENDS]
        assert shown(files, f"Loss, step {step}") == [
            *(f"{loss:.6f}" for loss in losses),
            f"{max(losses) - min(losses):.2g} at most",
        ]


def test_unequal_initial_weights_are_a_difference_and_a_problem() -> None:
    files = jax_run(initial_weights_digest=samples.sha("others"))
    last = cells(files, "Initial weights")[-1]
    assert (words(last.text), last.tone) == ("✗ NOT EQUAL", "fail")
    assert "the initial weights are not equal" in paragraphs(files)
    assert "are equal, and so is" not in paragraphs(files)
    assert problems(files) == [
        "Training, attention56-cifar on digits, recipe digits, seed 0: "
        "the initial weights are not equal."
    ]


def test_unequal_batches_are_a_difference_from_their_first_step_on() -> None:
    files = jax_steps(7, batch_digest=samples.sha("another"))
    last = cells(files, "Batches (tape)")[-1]
    assert (words(last.text), last.tone) == ("✗ NOT EQUAL from step 7", "fail")
    assert problems(files)[0].endswith("the batches are not equal from step 7 on.")


def test_unequal_data_are_a_difference_and_not_another_task() -> None:
    data = samples.run("jax")["data"] | {"digest": samples.sha("other data")}
    files = jax_run(data=data)
    assert words(cells(files, "Data")[-1].text) == "✗ NOT EQUAL"
    assert problems(files)[0].endswith("the data are not equal.")


def test_an_accuracy_that_is_too_low_fails() -> None:
    files = jax_run(test_accuracy=0.9499)
    result = cells(files, "Result")[2]
    assert (words(result.text), result.tone) == ("✗ FAIL under 95 %", "fail")
    assert problems(files) == [
        "Training on jax: 94.99 % of the test images, under 95 % (data/runs/report-jax/run.json)",
    ]
    assert problems(jax_run(test_accuracy=0.95)) == []


def test_other_data_have_no_accuracy_to_reach() -> None:
    data = samples.run("jax")["data"] | {"name": "noise"}
    evidence = read(jax_run(data=data, test_accuracy=0.1))
    assert list(training.problems(evidence)) == []
    tables = [training.comparison(group) for group in training.groups(evidence)]
    assert [words(row(table, "Result")[1].text) for table in tables] == [
        "✓ PASS at least 95 %",
        "finished",
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "run.json: not JSON: Expecting property name"),
        (
            samples.encoded({"backend": "jax", "status": "failed", "error": "killed by signal 9"}),
            "killed by signal 9",
        ),
        (samples.encoded({}), 'expected a string as "status", found no such key'),
    ],
    ids=["damaged", "died", "empty"],
)
def test_a_failed_training_is_a_failed_column_with_its_reason(content: bytes, reason: str) -> None:
    files = samples.reports() | {f"{JAX}/run.json": content}
    result = cells(files, "Result")
    assert [words(cell.text) for cell in result][2] == "✗ FAILED"
    assert [cell.tone for cell in result] == ["pass", "pass", "fail", ""]
    assert shown(files, "Loss, step 1")[2] == "—"
    blocks = training.section(read(files)).blocks
    lists = [block for block in blocks if isinstance(block, Bullets)]
    assert reason in words(lists[0].items[0])
    assert any(": FAILED: " in problem and reason in problem for problem in problems(files))


def test_a_training_that_failed_everywhere_is_shown_without_curves() -> None:
    failed = {"status": "failed", "error": "no framework", "model": "m", "data": {"name": "d"}}
    files = {
        f"data/runs/{name}/run.json": samples.encoded(failed | {"backend": name})
        for name in ("torch", "jax")
    }
    blocks = training.section(read(files)).blocks
    assert not any(isinstance(block, Figures) for block in blocks)
    assert "m on d: no run has ended well." in paragraphs(files)
    assert shown(files, "Result") == ["✗ FAILED", "✗ FAILED", ""]


def test_a_backend_that_was_checked_but_not_trained_is_not_run_and_a_problem() -> None:
    files = {k: v for k, v in samples.reports().items() if not k.startswith(JAX)}
    assert "No training on jax: not run." in paragraphs(files)
    assert problems(files) == ["Training on jax: not run."]


def test_nothing_at_all_is_a_problem() -> None:
    assert problems({}) == ["Training: not run on any backend."]


def test_other_seeds_and_recipes_are_other_tasks() -> None:
    for changes in ({"seed": 1}, {"recipe": samples.RECIPE | {"epochs": 4}}):
        groups = training.groups(read(jax_run(**changes)))
        assert [len(group.finished) for group in groups] == [2, 1]
        assert "nothing to compare it with" in paragraphs(jax_run(**changes))


def test_two_tasks_of_one_title_draw_into_different_files() -> None:
    files = jax_run(recipe=samples.RECIPE | {"epochs": 4})
    blocks = training.section(read(files)).blocks
    names = [
        figure.name for block in blocks if isinstance(block, Figures) for figure in block.figures
    ]
    assert len(names) == len(set(names)) == 5  # one run has no distance to another


@pytest.mark.parametrize("model", ["../../x", "/etc/x", "a" * 500, ".", "<b>", "\\x"])
def test_a_model_of_any_name_stays_in_the_folder_of_figures(model: str) -> None:
    blocks = training.section(read(jax_run(model=model))).blocks
    names = [
        figure.name for block in blocks if isinstance(block, Figures) for figure in block.figures
    ]
    assert all(re.fullmatch(r"figures/[A-Za-z0-9-]{1,120}", name) for name in names)


def test_two_runs_of_one_backend_are_told_apart_by_their_folders() -> None:
    more = {f"data/runs/again/{k}": v for k, v in samples.run_files("jax").items()}
    table = training.comparison(only(samples.reports() | more))
    labels = [words(column.title) for column in table.columns]
    assert labels[3:5] == ["jax (again)", "jax (report-jax)"]


def test_a_run_with_fewer_steps_says_which_it_did_not_make() -> None:
    rows = samples.steps("jax", 8)
    files = jax_run(steps=8) | {f"{JAX}/steps.jsonl": samples.lines(rows)}
    assert shown(files, "Loss, step 10")[2:] == ["not run", "—"]
    assert shown(files, "Batches (tape)")[-1] == "✓ all 8 equal"


def test_every_run_leads_to_its_record() -> None:
    links = [cell.text[0].href for cell in cells(samples.reports(), "Record")[:3]]
    assert links == [f"data/runs/report-{name}/run.json" for name in samples.BACKENDS]
