"""A plan carried out with a stand-in program: what is recorded, gone on with and refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import filelock
import pytest

from ranparity.errors import InputError
from ranparity.matrix import jobs, machine, session
from ranparity.matrix.book import Book
from ranparity.matrix.session import Means
from tests.matrix.plans import NAMES, PROGRAM, TWO, read, run_of, tell
from tests.matrix.test_machine import is_there, until
from tests.report import schemas

FIRST, SECOND = NAMES
MEANS = Means(at_once=1, program=PROGRAM, quiet=True)


def carry_out(folder: Path, text: str = TWO, **changes: Any) -> Book:
    means = Means(**{"at_once": 1, "program": PROGRAM, "quiet": True, **changes})
    return session.carry_out(read(folder, text), folder / "runs", means)


def record(folder: Path) -> dict[str, Any]:
    content = (folder / "runs" / "matrix.json").read_text()
    assert schemas.of_text("matrix", content) == []
    return dict(json.loads(content))


def statuses(folder: Path) -> dict[str, tuple[str, int]]:
    return {row["name"]: (row["status"], row["tries"]) for row in record(folder)["runs"]}


def test_the_record_says_what_became_of_each_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(tmp_path, monkeypatch, {FIRST: ["kill"], SECOND: ["refuse"]})
    carry_out(tmp_path)
    found = record(tmp_path)
    assert next(iter(found.items())) == ("schema", 1)
    assert (found["name"], found["place"], found["at_once"]) == ("two", "this machine", 1)
    assert found["settings"] == {
        "model": ["resnet18-cifar@8"],
        "data": ["digits"],
        "seed": [0, 1],
        "backend": ["torch"],
    }
    first, second = found["runs"]
    assert (first["status"], first["tries"], first["test_accuracy"]) == ("finished", 2, 0.9)
    assert (first["seconds"], first["test_loss"], first["steps"]) == (2.0, 0.25, 9)
    assert first["final_weights_digest"] == "f" * 64
    assert "error" not in first
    assert (second["status"], second["tries"]) == ("failed", 1)
    assert second["error"].endswith("--batch-size: expected 1 or more. Received: 0")
    assert second["settings"] == {
        "model": "resnet18-cifar@8",
        "data": "digits",
        "seed": 1,
        "backend": "torch",
    }
    assert found["environments"] == {"torch": {"framework": "torch 1.0", "threads": 1}}


def test_the_record_is_there_before_the_first_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def look(*_: Any) -> Any:
        seen.append(statuses(tmp_path))
        yield from ()

    monkeypatch.setattr(machine.Machine, "carry_out", look)
    carry_out(tmp_path)
    assert seen == [{FIRST: ("waiting", 0), SECOND: ("waiting", 0)}]


def test_what_is_finished_is_left_and_what_failed_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(tmp_path, monkeypatch, {SECOND: ["refuse"]})
    carry_out(tmp_path)
    before = run_of(tmp_path / "runs", FIRST)
    carry_out(tmp_path)
    assert statuses(tmp_path) == {FIRST: ("finished", 1), SECOND: ("finished", 2)}
    assert run_of(tmp_path / "runs", FIRST) == before
    carry_out(tmp_path)
    assert statuses(tmp_path) == {FIRST: ("finished", 1), SECOND: ("finished", 2)}
    assert record(tmp_path)["runs"][0]["test_accuracy"] == 0.9


def test_a_plan_may_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(tmp_path, monkeypatch)
    carry_out(tmp_path)
    carry_out(tmp_path, TWO.replace("[0, 1]", "[0, 1, 2]"))
    assert [status for status, _ in statuses(tmp_path).values()] == ["finished"] * 3
    assert [tries for _, tries in statuses(tmp_path).values()] == [1, 1, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TWO + "epochs = 3", f"{FIRST}: expected the run of the plan, which has been changed"),
        (
            TWO.replace("[0, 1]", "[0]"),
            f"matrix.json: expected all of its runs in PLAN, which lacks {SECOND}: give another",
        ),
    ],
)
def test_a_plan_that_has_changed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    tell(tmp_path, monkeypatch)
    carry_out(tmp_path)
    before = (tmp_path / "runs" / "matrix.json").read_bytes()
    with pytest.raises(InputError) as caught:
        carry_out(tmp_path, text)
    said = str(caught.value).replace(str(tmp_path / "two.toml"), "PLAN")
    assert said.startswith(f"{tmp_path / 'runs'}/{message}")
    assert (tmp_path / "runs" / "matrix.json").read_bytes() == before


def test_a_run_that_no_record_speaks_of_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(tmp_path, monkeypatch)
    carry_out(tmp_path)
    (tmp_path / "runs" / "matrix.json").unlink()
    with pytest.raises(InputError, match=r"there is a run that matrix\.json does not speak of"):
        carry_out(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"expected the record of a matrix: JSONDecodeError"),
        ("{}", r"expected the record of a matrix: KeyError"),
        ('{"schema": 2}', r"expected schema version 1, found 2"),
    ],
)
def test_a_record_that_cannot_be_read_is_refused(
    tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "matrix.json").write_text(content)
    with pytest.raises(InputError, match=message):
        carry_out(tmp_path)


def test_a_folder_is_for_one_process(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with (
        filelock.FileLock(tmp_path / "runs" / ".lock"),
        pytest.raises(InputError, match="another process carries out a matrix in it"),
    ):
        carry_out(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="expected a folder, but it is a file"):
        session.carry_out(read(tmp_path), tmp_path / "file", MEANS)


def test_a_backend_that_is_not_installed_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "jax" else name)
    with pytest.raises(InputError, match="backend: jax is not installed"):
        carry_out(tmp_path, TWO.replace("torch", "jax"))
    assert not (tmp_path / "runs").exists()


def test_as_many_runs_at_once_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run's last bits depend on its share of the processors."""
    usual = machine.Machine().room + 1  # which nothing but the record says
    tell(tmp_path, monkeypatch, {FIRST: ["nothing"]})
    carry_out(tmp_path, at_once=usual)
    carry_out(tmp_path, at_once=None, quiet=False)
    assert record(tmp_path)["at_once"] == usual
    assert session.OTHER_SHARE not in capsys.readouterr().err
    tell(tmp_path, monkeypatch, {FIRST: ["nothing"]})
    (tmp_path / "runs" / FIRST / "run.json").write_text('{"parts": [], "status": "running"}')
    carry_out(tmp_path, at_once=1, quiet=False)
    assert session.OTHER_SHARE in capsys.readouterr().err


def test_at_first_there_is_a_run_for_each_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(tmp_path, monkeypatch)
    carry_out(tmp_path, at_once=None)
    assert record(tmp_path)["at_once"] == machine.Machine().room


def test_lines_say_how_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(tmp_path, monkeypatch, {FIRST: ["kill"], SECOND: ["refuse"]})
    carry_out(tmp_path, quiet=False)
    lines = [re.sub("about [0-9]+ s", "about N s", x) for x in capsys.readouterr().err.splitlines()]
    assert lines == [
        f"0 of 2 done, 1 running, 0 failed: {FIRST}: begun",
        f"0 of 2 done, 1 running, 0 failed: {FIRST}: killed by signal 9 (SIGKILL): nothing on "
        "stderr: going on from its checkpoint",
        f"1 of 2 done, 0 running, 0 failed, about N s left: {FIRST}: accuracy 90.00%, 2 s",
        f"1 of 2 done, 1 running, 0 failed, about N s left: {SECOND}: begun",
        f"1 of 2 done, 0 running, 1 failed: {SECOND}: FAILED: ended with status 2: ranparity: "
        "--batch-size: expected 1 or more. Received: 0",
    ]
    carry_out(tmp_path)
    assert capsys.readouterr().err == ""


def test_an_end_by_ctrl_c_is_written_down_and_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(tmp_path, monkeypatch, {FIRST: ["wait"]})
    real = machine.Machine.carry_out

    def interrupted(place: machine.Machine, todo: list[jobs.Job], at_once: int) -> Any:
        events = real(place, todo, at_once)
        yield next(events)
        until(tmp_path / "runs" / FIRST / "waits")
        try:
            raise KeyboardInterrupt
        finally:
            events.close()

    monkeypatch.setattr(machine.Machine, "carry_out", interrupted)
    with pytest.raises(KeyboardInterrupt):
        carry_out(tmp_path)
    assert statuses(tmp_path) == {FIRST: ("interrupted", 1), SECOND: ("waiting", 0)}
    assert run_of(tmp_path / "runs", FIRST)["status"] == "terminated"
    assert not is_there(run_of(tmp_path / "runs", FIRST)["parts"][0]["pid"])
    monkeypatch.setattr(machine.Machine, "carry_out", real)
    carry_out(tmp_path)
    assert statuses(tmp_path) == {FIRST: ("finished", 2), SECOND: ("finished", 1)}
