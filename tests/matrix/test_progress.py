from __future__ import annotations

from pathlib import Path

import pytest

from ranparity.matrix import progress
from ranparity.matrix.book import Book
from ranparity.matrix.progress import Progress
from tests.matrix.plans import read

TEXT = 'model = "resnet18-cifar@8"\nbackend = ["torch", "jax"]\nseed = [0, 1, 2]\n'


class Clock:
    """Seconds that a test moves on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def book(tmp_path: Path) -> Book:
    plan = read(tmp_path, TEXT)
    return Book(tmp_path, plan, plan.runs, "this machine", 2)


def finish(book: Book, name: str, seconds: float = 5.0) -> None:
    book.rows[name] |= {"status": "finished", "seconds": seconds, "test_accuracy": 0.5}


def test_nothing_is_known_before_a_run_is_done(book: Book) -> None:
    shown = Progress(book, 2)
    assert shown.left() is None
    assert shown.line() == "0 of 6 done, 0 running, 0 failed"


def test_the_rest_takes_what_runs_of_its_kind_have_taken(book: Book) -> None:
    clock = Clock()
    shown = Progress(book, 2, clock)
    torch, jax = ("resnet18-cifar@8-digits-torch-seed", "resnet18-cifar@8-digits-jax-seed")
    for name, seconds in ((f"{torch}0", 10.0), (f"{jax}0", 30.0)):
        clock.now = 0.0
        shown.begun(name)
        clock.now = seconds
        finish(book, name)
        shown.ended(name)
    assert shown.left() == (2 * 10 + 2 * 30) / 2
    clock.now = 100.0
    book.rows[f"{torch}1"]["status"] = "running"
    shown.begun(f"{torch}1")
    clock.now = 104.0
    assert shown.left() == (6 + 10 + 2 * 30) / 2
    clock.now = 500.0
    assert shown.left() == (0 + 10 + 2 * 30) / 2, "one that takes longer counts as nothing"
    assert shown.line() == "2 of 6 done, 1 running, 0 failed, about 35 s left"


def test_a_kind_that_is_not_known_takes_the_mean(book: Book) -> None:
    clock = Clock()
    shown = Progress(book, 1, clock)
    name = "resnet18-cifar@8-digits-torch-seed0"
    shown.begun(name)
    clock.now = 8.0
    finish(book, name)
    shown.ended(name)
    assert shown.left() == 5 * 8


def test_runs_of_before_count_by_their_records(book: Book) -> None:
    finish(book, "resnet18-cifar@8-digits-torch-seed0", 7.0)
    assert Progress(book, 1).left() == 5 * 7


def test_one_that_failed_says_nothing_of_the_others(book: Book) -> None:
    clock = Clock()
    shown = Progress(book, 1, clock)
    name = "resnet18-cifar@8-digits-torch-seed0"
    shown.begun(name)
    clock.now = 8.0
    book.rows[name]["status"] = "failed"
    shown.ended(name)
    assert shown.left() is None
    assert shown.line() == "0 of 6 done, 0 running, 1 failed"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0 s"), (89.0, "89 s"), (90.0, "2 min"), (3600.0, "60 min"), (11100.0, "3 h 5 min")],
)
def test_durations_as_a_reader_has_them(seconds: float, words: str) -> None:
    assert progress.duration(seconds) == words


def test_the_table_has_a_row_for_each_run(book: Book) -> None:
    finish(book, "resnet18-cifar@8-digits-torch-seed0")
    book.rows["resnet18-cifar@8-digits-torch-seed0"] |= {"test_loss": 0.75, "tries": 2}
    rows = progress.table(list(book.rows.values()), "runs/x")
    name = "resnet18-cifar@8-digits-torch-seed0"
    assert rows[0] == [name, "50.00%", "0.7500", "5.0", "finished", "2", f"runs/x/{name}"]
    assert rows[1][1:6] == ["", "", "", "waiting", "0"]
    assert len(rows) == 6
    assert len(rows[0]) == len(progress.HEADERS)
