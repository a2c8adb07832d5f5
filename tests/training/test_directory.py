from __future__ import annotations

import os
from pathlib import Path

import pytest

from ranparity.errors import InputError
from ranparity.training import directory
from ranparity.training.directory import check_folder


def refusal(folder: Path, *, allowed: bool = False) -> str:
    with pytest.raises(InputError) as caught:
        check_folder(folder, allowed=allowed)
    return str(caught.value)


def test_a_folder_for_a_run_is_new_or_empty_or_of_a_run_that_began(tmp_path: Path) -> None:
    assert not check_folder(tmp_path / "a" / "new", allowed=False)
    assert not check_folder(tmp_path, allowed=False)
    for name in (".lock", "place.json", "steps.jsonl", ".run.json.x.partial", "masks.png"):
        (tmp_path / name).touch()
    for name in ("checkpoints", "tensorboard"):  # left by --overwrite
        (tmp_path / name).mkdir()
    assert not check_folder(tmp_path, allowed=False)


def test_a_run_is_there_already(tmp_path: Path) -> None:
    (tmp_path / "run.json").touch()
    assert check_folder(tmp_path, allowed=True)
    assert refusal(tmp_path) == (
        f"--out {tmp_path}: there is a run already: give another folder with --out, --resume to go "
        "on with that run, or --overwrite to replace it"
    )


def test_something_else_is_there(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert refusal(file) == f"--out {file}: expected a folder, but {file} is a file"
    inside = file / "run"
    assert refusal(inside) == f"--out {inside}: expected a folder, but {file} is a file"
    expected = f"--out {tmp_path}: expected an empty folder or a run, and it is neither"
    assert refusal(tmp_path, allowed=True) == expected


def test_no_permission_is_found_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    folder = tmp_path / "run"
    assert refusal(folder) == f"--out {folder}: no permission to write in {tmp_path}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "{folder}: expected a run directory, which holds run.json: no such file"),
        (b"{", "{folder}/run.json: expected JSON: Expecting property name"),
        (b"\xff", "{folder}/run.json: expected JSON: 'utf-8' codec"),
        (b"[]", "{folder}/run.json: expected a JSON object. Received: list"),
        (b'{"schema": 2}', "{folder}/run.json: expected schema version 1, found 2: read it with"),
    ],
)
def test_a_run_that_cannot_be_read(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(InputError) as caught:
        directory.read_run(tmp_path)
    assert str(caught.value).startswith(message.format(folder=tmp_path))
