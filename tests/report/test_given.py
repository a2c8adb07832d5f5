"""Run directories that are named: which are twins of which, and what is refused in one line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ranparity.errors import InputError
from ranparity.report import given
from tests.report import samples
from tests.report.run_folders import put, put_twin


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return [put(tmp_path / "a"), put(tmp_path / "b", "jax")]


def refused(folders: list[Path], twins: list[Path] | None = None) -> str:
    with pytest.raises(InputError) as caught:
        given.read(folders, twins or [])
    return str(caught.value)


def test_runs_come_in_the_order_of_their_naming(two: list[Path], tmp_path: Path) -> None:
    more = put(tmp_path / "0", "tensorflow")
    found = given.read([*reversed(two), more], [])
    assert [run.id for run in found.runs] == ["b", "a", "0"]
    assert [found.folders[run.id] for run in found.runs] == [two[1], two[0], more]
    assert found.twins == ()


def test_runs_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    folders = [put(tmp_path / place / "run") for place in "ab"]
    found = given.read(folders, [])
    assert [run.id for run in found.runs] == [str(folder) for folder in folders]


def test_a_run_that_is_named_twice_is_refused(two: list[Path]) -> None:
    again = two[0] / ".." / "a"
    assert refused([*two, again]) == f"{again}: expected another run, and this one is named twice"


def test_names_that_look_alike_are_refused(tmp_path: Path) -> None:
    folders = [put(tmp_path / name) for name in ("a\x01", "a\x02")]
    assert refused(folders).endswith("another run is shown by this name too: rename one of them")


@pytest.mark.parametrize("named", [0, 1])
def test_fewer_than_two_runs_are_refused(named: int, two: list[Path], tmp_path: Path) -> None:
    twin = put_twin(tmp_path / "twin")
    expected = f"compare: expected two runs or more that are no twins. Received: {named}"
    assert refused([*two[:named], twin]) == expected


def with_one_batch_twice() -> bytes:
    first, _, *rest = samples.steps("torch")
    return samples.lines([first, first | {"step": 2}, *rest])


def write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no run.json": (
        lambda folder: (folder / "run.json").unlink(),
        "{run}: expected a run directory, found no run.json in it",
    ),
    "half a run.json": (
        write("run.json", b'{"model": '),
        "{run}/run.json: expected the record of a run, not JSON: Expecting value at line 1, "
        "column 11",
    ),
    "not finished": (
        write("run.json", samples.encoded(samples.run("torch") | {"status": "interrupted"})),
        '{run}: expected the record of a finished run: its status is "interrupted", not "finished"',
    ),
    "no steps": (
        lambda folder: (folder / "steps.jsonl").unlink(),
        "{run}: expected the record of a finished run: steps.jsonl: no such file in the record",
    ),
    "a damaged step": (
        write("steps.jsonl", samples.lines(samples.steps("torch")[:3]) + b"{\n"),
        "{run}: expected the record of a finished run: steps.jsonl line 4: not JSON: Expecting "
        "property name enclosed in double quotes at line 1, column 2",
    ),
    "other batches than its digest says": (
        write("steps.jsonl", with_one_batch_twice()),
        "{run}: expected the record of a finished run: steps.jsonl: its batches and the initial "
        "weights do not have the tape_digest of run.json",
    ),
    "another precision": (
        write("run.json", samples.encoded(samples.run("torch") | {"precision": "float8"})),
        "{run}: expected as precision one of float32, float64, bfloat16, float16. Received: "
        "'float8'",
    ),
    "a twin that is no number": (
        write("run.json", samples.encoded(samples.run("torch") | {"twin": "x"})),
        '{run}: expected the record of a finished run: expected an integer of 0 or more as "twin", '
        'found "x"',
    ),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_what_is_damaged_is_a_line_that_names_it(
    damage: Callable[[Path], object], message: str, two: list[Path]
) -> None:
    damage(two[0])
    assert refused(two) == message.format(run=two[0])


def test_a_folder_that_is_not_there_is_a_line(two: list[Path], tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert refused([*two, gone]) == f"{gone}: expected a run directory, found no run.json in it"


# Twins.


def test_a_twin_is_one_of_the_run_that_is_asked_the_same(two: list[Path], tmp_path: Path) -> None:
    twins = [put_twin(tmp_path / "t1"), put_twin(tmp_path / "t2", 2, "jax")]
    for folders, more in (([*two, *twins], []), (two, twins), ([twins[0], *two], twins[1:])):
        found = given.read(folders, more)
        assert [run.id for run in found.runs] == ["a", "b"]
        assert [twin.id for twin in found.twins_of(found.runs[0])] == ["t1"]
        assert [twin.id for twin in found.twins_of(found.runs[1])] == ["t2"]


def of(folders: list[Path], twin: Path) -> list[str]:
    """The ids of the runs that a twin is one of."""
    found = given.read([*folders, twin], [])
    return [run.id for run in found.runs_of[found.twins[0].id]]


def test_of_several_such_runs_it_is_one_of_that_which_ran_where_it_did(tmp_path: Path) -> None:
    """Nearer losses do not count there: they may be those of a fault."""
    elsewhere = samples.run("torch")["environment"] | {"source_digest": "6" * 64}
    part = {"first_step": 1, "backend": "torch", "environment": elsewhere}
    place = {"environment": elsewhere, "parts": [part]}
    old = put(tmp_path / "old")
    new = put(tmp_path / "new", step=lambda row: {"loss": row["loss"] + 0.5}, **place)
    assert of([old, new], put_twin(tmp_path / "of old")) == ["old"]
    assert of([old, new], put_twin(tmp_path / "of new", **place)) == ["new"]


def test_of_several_in_one_place_it_is_one_of_the_nearest(tmp_path: Path) -> None:
    right = put(tmp_path / "right")
    wrong = put(tmp_path / "wrong", step=lambda row: {"loss": row["loss"] + 0.5})
    twin = put_twin(tmp_path / "twin", off=1e-4)
    assert of([wrong, right], twin) == of([right, wrong], twin) == ["right"]


def test_a_twin_is_one_of_each_run_that_is_the_same(two: list[Path], tmp_path: Path) -> None:
    again = put(tmp_path / "again")
    found = given.read([*two, again, put_twin(tmp_path / "twin")], [])
    assert [[twin.id for twin in found.twins_of(run)] for run in found.runs] == [
        ["twin"],
        [],
        ["twin"],
    ]


def test_a_run_that_is_no_twin_is_not_taken_as_one(two: list[Path]) -> None:
    assert refused(two[:1], two[1:]) == (
        f"--twins {two[1]}: expected a twin, which `ranparity run --twin N` makes, and this run is "
        "none"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"backend": "tensorflow"},
        {"seed": 1},
        {"data": samples.DATA | {"digest": "e" * 64}},
        {"recipe": samples.RECIPE | {"name": "other"}},
        {"model": "narrow"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_twin_of_no_run_that_is_named_is_refused(
    changes: dict[str, object], two: list[Path], tmp_path: Path
) -> None:
    twin = put_twin(tmp_path / "twin", 4, **changes)
    assert refused([*two, twin]) == (
        f"{twin}: expected the run that it is twin 4 of among those named: of the same backend, "
        "model, recipe, data and seed"
    )


def test_a_twin_that_saw_other_batches_is_none(two: list[Path], tmp_path: Path) -> None:
    twin = put(
        tmp_path / "twin",
        step=lambda row: {"batch_digest": samples.sha("other")} if row["step"] == 7 else {},
        twin=1,
    )
    assert refused([*two, twin]) == (
        f"{twin}: expected the batches of {two[0]}, which it is twin 1 of, and that of step 7 is "
        "another"
    )


# Links.


def test_a_link_leads_from_the_page_to_the_record(two: list[Path], tmp_path: Path) -> None:
    page = tmp_path / "some where" / "page.html"
    run = given.read(two, [], page).runs[0]
    assert run.path == "../a/run.json"
    assert os.path.normpath(page.parent / run.path) == str(two[0] / "run.json")


def test_there_is_no_link_without_a_page_or_where_it_cannot_say_so(
    two: list[Path], tmp_path: Path
) -> None:
    assert given.read(two, []).runs[0].path == ""
    odd = put(tmp_path / "a#b")
    assert given.read([*two, odd], [], tmp_path / "page.html").runs[2].path == ""
