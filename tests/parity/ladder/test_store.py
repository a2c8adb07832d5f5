"""Tensors in a folder: what is written is read, and what is not whole is refused."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from ranparity.errors import InputError
from ranparity.parity.ladder.store import (
    DATA,
    INDEX,
    Store,
    Writer,
    give_up,
    is_whole,
    wait_for,
)


def filled(folder: Path) -> Path:
    out = Writer(folder)
    out.add("1/blob/a/b", np.arange(6.0).reshape(2, 3))
    out.add_all("start/weights", {"a/kernel": np.float32([1, 2]), "b": np.asarray(3)})
    out.close(seed=7)
    return folder


def test_what_is_written_is_read(tmp_path: Path) -> None:
    found = Store(filled(tmp_path / "it"))
    assert list(found) == ["1/blob/a/b", "start/weights/a/kernel", "start/weights/b"]
    assert len(found) == 3
    assert found["1/blob/a/b"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["start/weights/a/kernel"].dtype == np.float32
    assert {name: x.tolist() for name, x in found.under("start/weights").items()} == {
        "a/kernel": [1, 2],
        "b": 3,
    }
    assert found.about == {"seed": 7}


def test_a_folder_is_whole_once_it_is_closed(tmp_path: Path) -> None:
    out = Writer(tmp_path / "it")
    out.add("a", np.zeros(2))
    assert not is_whole(tmp_path / "it")
    with pytest.raises(InputError, match=r"expected tensors and their index.json: .*: remove the"):
        Store(tmp_path / "it")
    out.close()
    assert is_whole(tmp_path / "it")


def test_what_was_there_before_goes(tmp_path: Path) -> None:
    filled(tmp_path / "it")
    Writer(tmp_path / "it").close()
    assert len(Store(tmp_path / "it")) == 0
    assert (tmp_path / "it" / DATA).stat().st_size == 0


def test_damage_is_told_with_the_file(tmp_path: Path) -> None:
    folder = filled(tmp_path / "it")
    (folder / DATA).write_bytes(b"no tensor")
    with pytest.raises(InputError, match=r"tensors\.bin: expected a tensor at byte 0: .*: remove"):
        Store(folder)["1/blob/a/b"]
    (folder / INDEX).write_text("{")
    with pytest.raises(InputError, match="expected tensors"):
        Store(folder)


def test_who_waits_for_a_folder_gets_it_once_it_is_whole(tmp_path: Path) -> None:
    out = Writer(tmp_path / "first")
    out.add("a", np.arange(3))

    def close() -> None:
        time.sleep(0.3)
        out.close(case="late")

    thread = threading.Thread(target=close)
    thread.start()
    found = wait_for(tmp_path / "first")
    thread.join()
    assert found.about == {"case": "late"}
    assert found["a"].tolist() == [0, 1, 2]


def test_who_waits_for_a_folder_that_is_given_up_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "torch"
    give_up(folder)
    with pytest.raises(InputError, match=r"^torch has failed, whose run others take their states"):
        wait_for(folder)
