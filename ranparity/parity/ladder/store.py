"""Named tensors in a folder, one behind the other in a file that is mapped, not read.

A file for each of ten thousand tensors would cost more than what is done with them.
"""

from __future__ import annotations

import dataclasses
import json
import math
import mmap
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.errors import InputError
from ranparity.files import write_text

INDEX = "index.json"  # written last: a folder without it is not whole
DATA = "tensors.bin"
ALIGNED = 64  # bytes
WAIT = 0.1  # seconds
Place = tuple[str, tuple[int, ...], int]  # type, shape, and the byte that it begins at


class Writer:
    """Fills a folder; what was in it goes.

    Args:
        folder: Where the tensors go.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.folder = folder
        self._places: dict[str, Place] = {}
        self._file = (folder / DATA).open("wb")

    def add(self, name: str, tensor: NDArray[Any]) -> None:
        """Write a tensor."""
        self._file.write(bytes(-self._file.tell() % ALIGNED))
        self._places[name] = tensor.dtype.str, tensor.shape, self._file.tell()
        self._file.write(np.asarray(tensor, order="C").data)

    def add_all(self, prefix: str, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Write tensors by PREFIX/NAME."""
        for name, tensor in tensors.items():
            self.add(f"{prefix}/{name}", tensor)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Give a tensor that has been written."""
        self._file.flush()
        return _mapped(self.folder / DATA, self._places[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def close(self, **about: Any) -> None:
        """Write down what the tensors are called, and what else there is to say of them."""
        self._file.close()
        content = {"about": about, "tensors": self._places}
        write_text(self.folder / INDEX, json.dumps(content) + "\n")


def _mapped(path: Path, place: Place) -> NDArray[Any]:
    """Give a tensor of a file by a map of its own, which ends with it."""
    kind, shape, start = place
    count = math.prod(shape)
    if not count:
        return np.empty(shape, kind)
    first = start % mmap.ALLOCATIONGRANULARITY
    end = first + count * np.dtype(kind).itemsize
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), end, access=mmap.ACCESS_READ, offset=start - first)
    found: NDArray[Any] = np.frombuffer(data, kind, count, first)
    return found.reshape(shape)


@dataclasses.dataclass(frozen=True)
class Under(Mapping[str, NDArray[Any]]):
    """The tensors whose names begin with PREFIX/, by what follows, each read when it is asked for.

    Attributes:
        whole: All tensors, or what is writing them.
        prefix: What the names begin with.
    """

    whole: Store | Writer
    prefix: str

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.whole[f"{self.prefix}/{name}"]

    def __iter__(self) -> Iterator[str]:
        start = f"{self.prefix}/"
        return (name[len(start) :] for name in self.whole if name.startswith(start))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Store(Mapping[str, NDArray[Any]]):
    """The tensors of a folder by name, each in its file until it is used.

    Args:
        folder: What a `Writer` has filled.

    Raises:
        InputError: It is not whole.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            content = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            self.about: dict[str, Any] = content["about"]
            self._places: dict[str, Place] = content["tensors"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{folder}: expected tensors and their {INDEX}: {type(error).__name__}: {error}: "
                "remove the folder"
            ) from None

    def __getitem__(self, name: str) -> NDArray[Any]:
        try:
            return _mapped(self.folder / DATA, self._places[name])
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.folder / DATA}: expected a tensor at byte {self._places[name][2]}: "
                f"{error}: remove {self.folder}"
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def under(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Give the tensors whose names begin with PREFIX/, by what follows."""
        return dict(Under(self, prefix))

    def names(self, prefix: str) -> list[str]:
        """Give what follows PREFIX/ in the names that begin with it; reads no tensor."""
        return list(Under(self, prefix))


def is_whole(folder: Path) -> bool:
    """Whether a folder has been filled to its end."""
    return (folder / INDEX).is_file()


def wait_for(folder: Path) -> Store:
    """Give the tensors of a folder that another process fills, once it has.

    Raises:
        InputError: It has been given up (see `give_up`).
    """
    while not is_whole(folder):
        if _given_up(folder).exists():
            raise InputError(f"{folder.name} has failed, whose run others take their states from")
        time.sleep(WAIT)
    return Store(folder)


def give_up(folder: Path) -> None:
    """Say to those that wait for a folder that nobody will fill it."""
    _given_up(folder).touch()


def _given_up(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.given-up")
