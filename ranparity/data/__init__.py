"""Images, labels and randomness as NumPy arrays; nothing here knows of a framework or a model.

`load` is the door; it imports NumPy and what reads the data only when it is called, so that the
names can be listed for `--help` at no cost.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ranparity.errors import InputError

if TYPE_CHECKING:
    from ranparity.data.dataset import Dataset

NAMES = ("digits", "cifar10", "cifar100", "folder:PATH")


def load(
    spec: str,
    *,
    image_size: int = 32,
    partial: bool = False,
    cache: Path | None = None,
    show: bool = False,
) -> Dataset:
    """Give a data set, split into training and held-out images.

    Args:
        spec: `digits`, `cifar10` or `cifar100` (downloaded once), `cifar10:FOLDER` or
            `cifar100:FOLDER` (the official files), `folder:PATH` (class folders of images), or a
            folder, whose kind its files tell.
        image_size: Height and width that the network sees, for images of any size; smaller ones of
            one size, as in digits and CIFAR, are enlarged to it.
        partial: Take CIFAR files with fewer or other records than the official ones.
        cache: Folder for what is downloaded; `download.default_cache()` if not given.
        show: Show progress of what takes long on stderr, if that is a terminal.

    Raises:
        InputError: There is no such data, or it cannot be used.
    """
    kind, path = _parsed(spec)
    if kind == "folder" and path:
        from ranparity.data import folder

        return folder.load(path, image_size=image_size, show=show)
    from ranparity.data import digits, enlarge

    small = digits.load() if kind == "digits" else _cifar(kind, path, cache, partial, show)
    return enlarge.enlarged(small, image_size)


def located(spec: str) -> str:
    """Give a specification with the whole path of its folder, for use from any working folder.

    Raises:
        InputError: There is no such data.
    """
    kind, path = _parsed(spec)
    return f"{kind}:{path.absolute()}" if path else kind


def label(spec: str) -> str:
    """Give the name of the data for a folder's name: the kind, or the data's own folder.

    Raises:
        InputError: There is no such data.
    """
    kind, path = _parsed(spec)
    return path.resolve().name if path else kind


def _parsed(spec: str) -> tuple[str, Path | None]:
    """Give the kind of data, and the folder that has it if one was given."""
    if spec in ("digits", "cifar10", "cifar100"):
        return spec, None
    kind, _, path = spec.partition(":")
    if kind in ("cifar10", "cifar100", "folder") and path:
        folder = _place(path)
        if not folder.is_dir():
            raise InputError(f"data: expected a folder after {kind}:. Received: {path!r}")
        return kind, folder
    folder = _place(spec)
    if not spec or not folder.is_dir():
        raise InputError(
            f"data: expected one of {', '.join(NAMES)}, or a folder. Received: {spec!r}"
        )
    return _recognised(folder), folder


def _place(path: str) -> Path:
    """Give a path with `~` replaced, if there is such a user; `Path.expanduser` would raise."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def _recognised(path: Path) -> str:
    """Give the kind of data in a folder by the names in it."""
    from ranparity.data import cifar, folder

    for name, kind in cifar.KINDS.items():
        if cifar.is_in(kind, path):
            return name
    if folder.is_in(path):
        return "folder"
    raise InputError(
        f"{path}: expected data_batch_1.bin (CIFAR-10), train.bin (CIFAR-100) or a folder for each "
        "class of images, and found none of them"
    )


def _cifar(name: str, path: Path | None, cache: Path | None, partial: bool, show: bool) -> Dataset:
    """Give a CIFAR from a folder, or from the cache if there is none."""
    from ranparity.data import cifar, download

    kind = cifar.KINDS[name]
    if path is not None:
        return cifar.load(kind, path, partial=partial, source=f"{name}:{path.resolve().name}")
    where = download.fetch(kind.archive, cache or download.default_cache(), show=show)
    try:
        return cifar.load(kind, where, partial=partial)
    except InputError as error:
        raise InputError(f"{error}; or delete {where}, and it is downloaded again") from error
