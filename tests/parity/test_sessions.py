"""What sessions go on with: a record of theirs of this version, or a line that says what not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ranparity.benchmarks import growth, operations, records
from ranparity.errors import InputError
from ranparity.parity import endurance, sessions, zoo
from ranparity.parity.ladder import nets, session
from ranparity.parity.ladder.planned import CASES
from ranparity.parity.ladder.run import description

OTHER = (
    "expected schema version 1, found 2: read it with the ranparity that wrote it, or make it anew"
)


def endure(path: Path) -> Any:
    return endurance.main(["--backends", "torch", "--out", str(path.parent)])


# Each session by the file that it goes on with.
OPENED: dict[str, Callable[[Path], Any]] = {
    "ladder.json": lambda path: nets.Book(path, "source", CASES),
    "ladder-proof.json": lambda path: session.Book(path, "source"),
    "zoo-torch.json": lambda path: zoo.Book(path.parent, "torch", "source"),
    "growth.json": lambda path: growth.Book(path, "source"),
    "operations.json": lambda path: operations.Book(path, "source"),
    "bench.json": records.read,
    "endurance-torch.json": endure,
}
# Enough for each of them: what they look for.
WHOLE = {
    "rows": [],
    "cases": {},
    "environments": {},
    "points": [],
    "nets": [],
    "trainings": [],
    "results": [],
}


@pytest.mark.parametrize("name", OPENED)
def test_a_record_of_another_version_is_refused_and_kept(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(json.dumps({"schema": 2} | WHOLE))
    before = path.read_bytes()
    with pytest.raises(InputError) as caught:
        OPENED[name](path)
    assert str(caught.value) == f"{path}: {OTHER}"
    assert path.read_bytes() == before


@pytest.mark.parametrize("stated", [{"schema": 1}, {}], ids=["this version", "before versions"])
@pytest.mark.parametrize("name", OPENED)
def test_a_record_of_this_version_is_taken_up(
    name: str, stated: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(json.dumps(stated | WHOLE))
    assert OPENED[name](path) is not None


@pytest.mark.parametrize("name", OPENED)
def test_what_is_no_record_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("[1]")
    with pytest.raises(InputError, match=r"expected the record of .*: move it away"):
        OPENED[name](path)


def test_nothing_there_is_nothing(tmp_path: Path) -> None:
    assert sessions.read_record(tmp_path / "it.json", "a session", dict) is None


def test_an_endurance_session_says_what_it_passes_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "endurance-torch.json").write_text(json.dumps(WHOLE))
    assert endure(tmp_path / "endurance-torch.json") == 0
    assert "--again does it again" in capsys.readouterr().err


# What a session of the ladder does again.


def test_a_case_is_run_again_when_its_prototxt_has_changed(tmp_path: Path) -> None:
    case = CASES[0]
    held = description(case)
    book = nets.Book(tmp_path / "ladder.json", "source", CASES)
    assert book.lacks(case, held)
    book.add(case, {"failures": {}, **held})
    assert not book.lacks(case, held)
    assert book.lacks(case, held | {"prototxt_digest": "0" * 64})
    again = nets.Book(tmp_path / "ladder.json", "source", CASES)
    assert not again.lacks(case, held)
    assert nets.Book(tmp_path / "ladder.json", "other", CASES).lacks(case, held)


def test_a_case_of_before_digests_were_written_down_stands(tmp_path: Path) -> None:
    case = CASES[0]
    book = nets.Book(tmp_path / "ladder.json", "source", CASES)
    book.add(case, {"failures": {}})
    assert not book.lacks(case, description(case))
