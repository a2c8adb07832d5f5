from __future__ import annotations

import os
from pathlib import Path

import pytest

from ranparity.errors import InputError
from ranparity.report import store


def test_files_are_written_with_their_folders(tmp_path: Path) -> None:
    store.write(tmp_path / "reports", {"README.md": b"a", "data/runs/x/run.json": b"b"})
    assert (tmp_path / "reports/README.md").read_bytes() == b"a"
    assert (tmp_path / "reports/data/runs/x/run.json").read_bytes() == b"b"


def test_nothing_is_left_beside_a_file_that_was_written(tmp_path: Path) -> None:
    store.write(tmp_path, {"a": b"1"})
    store.write(tmp_path, {"a": b"2"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"2"}
    assert (tmp_path / "a").stat().st_mode & 0o444 == 0o444


def test_an_interruption_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(tmp_path, {"a": b"old"})

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.write(tmp_path, {"a": b"new"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}


def test_what_cannot_be_written_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    with pytest.raises(InputError, match=r"data/x: cannot write the report: "):
        store.write(tmp_path, {"data/x": b""})


def test_only_what_an_earlier_rendering_left_is_stale(tmp_path: Path) -> None:
    names = ["README.md", "layers/Old.md", "figures/old-loss.svg", "figures/old-loss.png"]
    names += ["layers/New.md", "layers/notes.txt", "data/check-torch.json", "findings/one.py"]
    names += ["schemas/old.schema.json", "schemas/notes.json"]
    store.write(tmp_path, dict.fromkeys(names, b""))
    stale = store.stale(tmp_path, ["README.md", "layers/New.md"])
    assert stale == [
        "figures/old-loss.png",
        "figures/old-loss.svg",
        "layers/Old.md",
        "schemas/old.schema.json",
    ]
    store.drop(tmp_path, [*stale, "not/there"])
    assert store.stale(tmp_path, ["layers/New.md"]) == []
    assert (tmp_path / "layers/notes.txt").is_file()


def test_what_cannot_be_removed_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(InputError, match="x: cannot remove it: "):
        store.drop(tmp_path, ["x"])
