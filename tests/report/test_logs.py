from __future__ import annotations

from collections.abc import Callable

import pytest

from ranparity.report.logs import Step, read_epochs, read_steps, same_steps
from ranparity.report.reading import MalformedError
from tests.report import samples

STAGES = ("train",)
TITLES = samples.EPOCH_TITLES


def fault(read: Callable[[], object]) -> str:
    with pytest.raises(MalformedError) as caught:
        read()
    return str(caught.value)


def staged(*stages: str) -> bytes:
    """A log whose steps are of these stages."""
    rows = zip(samples.steps("torch", len(stages)), stages, strict=True)
    return samples.lines([row | {"stage": stage} for row, stage in rows])


def steps(*stages: str) -> list[Step]:
    return [Step(stage, 1.0, "d", 0.5) for stage in stages]


def test_every_step_is_read() -> None:
    found = read_steps(samples.lines(samples.steps("torch")), STAGES)
    assert len(found) == samples.STEPS
    assert found[4] == Step(
        "train", samples.steps("torch")[4]["loss"], samples.sha("batch", 5), 0.5
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "steps.jsonl: no such file in the record"),
        (b'{"step": 1', "steps.jsonl line 1: not JSON: "),
        (
            samples.lines(samples.steps("torch")[1:]),
            "steps.jsonl line 1: expected step 1, found step 2",
        ),
        (staged("other"), "steps.jsonl line 1: expected stage train, found other"),
    ],
)
def test_a_damaged_log_says_where(content: bytes | None, expected: str) -> None:
    assert fault(lambda: read_steps(content, STAGES)).startswith(expected)


def test_stages_follow_one_another_as_the_recipe_has_them() -> None:
    stages = ("first", "second", "third")
    assert len(read_steps(staged("first", "first", "third"), stages)) == 3
    assert fault(lambda: read_steps(staged("first", "second", "first"), stages)) == (
        "steps.jsonl line 3: expected stage second or third, found first"
    )


def test_epochs_are_read() -> None:
    found = read_epochs(samples.epochs(), steps(*["train"] * 60))
    assert [(epoch.epoch, epoch.step) for epoch in found] == [(1, 20), (2, 40), (3, 60)]
    assert [epoch.test_top5_accuracy for epoch in found] == [0.75, 0.9375, 0.984375]


def test_epochs_begin_again_with_each_stage() -> None:
    rows = b"a,1,2,1,1,0.5,0.5,1\nb,1,3,1,1,0.5,0.5,1\nb,2,4,1,1,0.5,0.5,1\n"
    found = read_epochs(TITLES.encode() + rows, steps("a", "a", "b", "b"))
    assert [(epoch.stage, epoch.epoch) for epoch in found] == [("a", 1), ("b", 1), ("b", 2)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("train,2,20,1,1,0.5,0.5,1", "row 1: expected epoch 1, found epoch 2"),
        ("train,1.5,20,1,1,0.5,0.5,1", 'row 1: expected a number as "epoch"'),
        ("train,1,61,1,1,0.5,0.5,1", "row 1: expected a step of 1 to 60, found 61"),
        ("train,1,0,1,1,0.5,0.5,1", "row 1: expected a step of 1 to 60, found 0"),
        ("other,1,20,1,1,0.5,0.5,1", "row 1: expected stage train as step 20 has, found other"),
        ("train,1,20,1,1,nan,0.5,1", 'row 1: expected a finite number as "test_accuracy"'),
        ("train,1,20,1,1,50,0.5,1", 'row 1: expected 0 to 1 as "test_accuracy", found 50'),
        ("train,1,20,1,1,0.5,,1", 'row 1: expected a number as "test_top5_accuracy"'),
        ("train,1,20", 'row 1: expected a number as "test_loss"'),
        (
            "train,1,20,1,1,0.5,0.5,1\ntrain,2,20,1,1,0.5,0.5,1",
            "row 2: expected a step of 21 to 60, found 20",
        ),
        (
            "train,1,20,1,1,0.5,0.5,1\ntrain,1,40,1,1,0.5,0.5,1",
            "row 2: expected epoch 2, found epoch 1",
        ),
    ],
)
def test_a_damaged_table_says_where(rows: str, expected: str) -> None:
    content = f"{TITLES}{rows}\n".encode()
    found = fault(lambda: read_epochs(content, steps(*["train"] * 60)))
    assert found.startswith("epochs.csv ")
    assert expected in found


def test_a_table_without_stages_or_of_nothing_is_damage() -> None:
    content = b"epoch,step,test_loss,test_accuracy,test_top5_accuracy\n1,20,1,0.5,0.5\n"
    assert 'expected a string as "stage"' in fault(lambda: read_epochs(content, steps("train")))
    assert fault(lambda: read_epochs(None, [])) == "epochs.csv: no such file in the record"


def test_runs_have_steps_in_common_until_one_is_in_another_stage() -> None:
    one, other = steps("a", "a", "a", "b"), steps("a", "a", "b")
    assert len(same_steps([one, one])) == 4
    assert len(same_steps([one, other])) == 2
    assert len(same_steps([one])) == 4
    assert same_steps([]) == []
