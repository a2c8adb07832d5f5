from __future__ import annotations

import json
import re

import pytest

from ranparity.report import training
from ranparity.report.comparison import comparison
from ranparity.report.document import Bullets, Figures, Heading, Paragraph, Table
from ranparity.report.groups import groups
from tests.report import samples
from tests.report.test_comparison import JAX, cells, jax_run, jax_steps, read, shown
from tests.report.test_groups import with_twin
from tests.report.test_structure import row, words

TENSORFLOW = "data/runs/report-tensorflow"


def problems(files: samples.Files) -> list[str]:
    return [words(problem) for problem in training.problems(read(files))]


def paragraphs(files: samples.Files) -> str:
    blocks = training.section(read(files)).blocks
    return "\n".join(words(block.text) for block in blocks if isinstance(block, Paragraph))


def headings(files: samples.Files) -> list[str]:
    blocks = training.section(read(files)).blocks
    return [block.title for block in blocks if isinstance(block, Heading)]


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


def test_a_twin_is_named_and_makes_nothing_unequal() -> None:
    files = with_twin()
    assert problems(files) == []
    assert len(shown(files, "Initial weights")) == 3 + 1
    assert shown(files, "Initial weights")[-1] == "✓ equal"
    told = "because their initial weights are moved by one unit in the last place on purpose: "
    assert f"{told}torch twin 2. The losses of two runs are at most " in paragraphs(files)
    assert told not in paragraphs(samples.reports())


def moved(files: samples.Files, by: float, run: str = "twin") -> samples.Files:
    """The records with every loss of a run moved."""
    path = f"data/runs/{run}/steps.jsonl"
    rows = [json.loads(line) for line in files[path].splitlines()]
    return files | {path: samples.lines([row | {"loss": row["loss"] + by} for row in rows])}


def test_the_runs_are_held_against_the_twins() -> None:
    near = moved(moved(with_twin(), 1e-3), 2e-3, "report-jax")
    blocks = training.section(read(near)).blocks
    (figures,) = [block for block in blocks if isinstance(block, Figures)]
    _, distance, _ = figures.figures
    assert distance.name.endswith("-distance")
    assert "the distances of 1 twin from their runs" in distance.alt
    assert distance.alt.endswith("beyond it nowhere.")
    assert "times as far apart as 1 twin had come from its run until then" in paragraphs(near)
    assert "first beyond that" not in paragraphs(near)
    far = moved(near, 0.5, "report-jax")
    assert ", and first beyond that at step 1. " in paragraphs(far)


def test_runs_without_a_step_in_common_are_held_against_no_twin() -> None:
    alone = {k: v for k, v in with_twin().items() if not k.startswith((JAX, TENSORFLOW))}
    blocks = training.section(read(alone)).blocks
    (figures,) = [block for block in blocks if isinstance(block, Figures)]
    assert [figure.name.rpartition("-")[2] for figure in figures.figures] == ["loss", "accuracy"]
    assert "times as far apart" not in paragraphs(alone)


def test_twins_alone_are_no_training_of_a_backend() -> None:
    files = {k: v for k, v in with_twin().items() if not k.startswith("data/runs/report-torch")}
    assert problems(files) == ["Training on torch: not run."]
    alone = {k: v for k, v in with_twin().items() if not k.startswith("data/runs/report-")}
    blocks = training.section(read(alone)).blocks
    assert not any(isinstance(block, Table | Figures) for block in blocks)
    assert "torch twin 2" in paragraphs(alone)
    assert "No run has ended well" not in paragraphs(alone)


def test_a_twin_that_failed_is_a_problem() -> None:
    (told,) = problems(with_twin(status="interrupted"))
    assert told.startswith('Training on torch: FAILED: its status is "interrupted"')


def test_unequal_initial_weights_are_a_difference_and_a_problem() -> None:
    files = jax_run(initial_weights_digest=samples.sha("others"))
    last = cells(files, "Initial weights")[-1]
    assert (words(last.text), last.tone) == ("✗ NOT EQUAL", "fail")
    assert "the initial weights are not equal" in paragraphs(files)
    assert "are equal, and so is" not in paragraphs(files)
    assert problems(files) == [
        "Training, attention56-cifar on digits, recipe digits, seed 0, float32: "
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
    tables = [comparison(group) for group in groups(evidence)]
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
    assert "No run has ended well." in paragraphs(files)
    assert headings(files) == ["m on d"]
    assert shown(files, "Result") == ["✗ FAILED", "✗ FAILED", ""]


def test_a_backend_that_was_checked_but_not_trained_is_not_run_and_a_problem() -> None:
    files = {k: v for k, v in samples.reports().items() if not k.startswith(JAX)}
    assert "No training on jax: not run." in paragraphs(files)
    assert problems(files) == ["Training on jax: not run."]


def test_nothing_at_all_is_a_problem() -> None:
    assert problems({}) == ["Training: not run on any backend."]


def test_two_tasks_of_one_title_draw_into_different_files() -> None:
    files = jax_run(recipe=samples.RECIPE | {"novelty": 4})
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


CIFAR = {
    "name": "cifar10",
    "source": "cifar10:folder",
    "partial": True,
    "train": 5085,
    "test": 1017,
}


def test_a_partial_data_set_is_named_in_the_heading_and_comes_after_the_digits() -> None:
    files = jax_run(data=samples.DATA | CIFAR)
    assert headings(files) == [
        "attention56-cifar on digits, recipe digits, seed 0, float32",
        "attention56-cifar on 5,085 + 1,017 records of cifar10, partial, recipe digits, seed 0, "
        "float32",
    ]
    assert "5,085 images for training, 1,017 for testing, from cifar10:folder." in paragraphs(files)


def test_the_largest_differences_stand_below_the_table_unless_there_is_one_run() -> None:
    def tables(files: samples.Files) -> list[str]:
        blocks = training.section(read(files)).blocks
        found = [block for block in blocks if isinstance(block, Table)]
        return [words(table.columns[0].title) for table in found]

    assert tables(samples.reports()) == ["", "Largest difference of two losses"]
    assert tables(samples.reports(("jax",))) == [""]


def test_a_run_that_moved_is_no_training_of_either_backend() -> None:
    parts = [{"first_step": 1, "backend": "torch"}, {"first_step": 41, "backend": "jax"}]
    assert problems(jax_run(parts=parts)) == ["Training on jax: not run."]
