"""Files are written whole or not at all, and what was there is never lost by accident."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ranparity.files import check_writable, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "new.txt"
    write_text(path, "café\nline\n")
    assert path.read_bytes() == b"caf\xc3\xa9\nline\n", "UTF-8 and \\n on every system"
    assert names(tmp_path) == ["new.txt"]


@pytest.mark.usefixtures("umask")
def test_a_new_file_has_the_permissions_that_any_new_file_gets(tmp_path: Path) -> None:
    write_text(tmp_path / "ours", "")
    (tmp_path / "any").touch()
    assert mode(tmp_path / "ours") == mode(tmp_path / "any") == 0o640


def test_an_old_file_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "secret.txt"
    path.write_text("old and longer")
    path.chmod(0o600)
    write_text(path, "new")
    assert path.read_text() == "new"
    assert mode(path) == 0o600
    assert names(tmp_path) == ["secret.txt"]


def test_whoever_reads_the_old_file_goes_on_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with path.open() as reader:
        write_text(path, "new")
        assert reader.read() == "old"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "folder" / "target.txt", tmp_path / "link.txt"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert names(tmp_path) == ["folder", "link.txt"]


def test_a_link_to_nothing_makes_what_it_points_to(tmp_path: Path) -> None:
    link = tmp_path / "link.txt"
    link.symlink_to("target.txt")
    write_text(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "target.txt").read_text() == "new"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    """As /dev/null would be, by a rename, for root."""
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    check_writable(pipe)
    write_text(pipe, "through")
    reader.join(10)
    assert read == ["through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert names(tmp_path) == ["pipe"]


def test_a_long_name(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    write_text(path, "text")
    assert path.read_text() == "text"


def test_a_text_that_cannot_be_encoded_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new \ud83d")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_rename_leaves_the_old_file(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(type(error)):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path, "text")
    with pytest.raises(IsADirectoryError):
        check_writable(tmp_path)
    assert names(tmp_path) == []


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    for function in (check_writable, lambda path: write_text(path, "text")):
        with pytest.raises(FileNotFoundError):
            function(tmp_path / "missing" / "file.txt")
    assert names(tmp_path) == []


def test_checking_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    check_writable(path)
    assert names(tmp_path) == []
    path.write_text("old")
    before = path.stat()
    check_writable(path)
    assert path.stat() == before
    assert names(tmp_path) == ["file.txt"]
