"""A folder of images: one folder a class, with JPEG and PNG files in it.

Two layouts are known: PATH/train/CLASS/FILE with PATH/val or PATH/test alike, as ImageNet is
usually kept, and PATH/CLASS/FILE, of which every fifth file of each class is held out, in the order
of the names from the first. The class names in their order are the labels. How a file becomes
pixels is told in `images`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from ranparity.data import digest
from ranparity.data.dataset import Dataset
from ranparity.data.images import CHANNELS, RULE, FilePart, stored_size, versions
from ranparity.errors import InputError

SUFFIXES: Final = (".jpg", ".jpeg", ".png")  # in upper case too
HELD_OUT: Final = ("val", "test")  # folders of images held out; the first that is there
HELD_OUT_EVERY: Final = 5


@dataclass
class Listing:
    """Files of images in an order, as three lists of one length.

    Attributes:
        names: The files, from the folder of the whole set, with `/` between folders.
        sizes: Their bytes.
        labels: Their classes.
    """

    names: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def add(self, name: str, size: int, label: int) -> None:
        """Put a file at the end."""
        self.names.append(name)
        self.sizes.append(size)
        self.labels.append(label)


def load(path: Path, *, image_size: int, show: bool = False) -> Dataset:
    """Give the images of a folder; its digest is of the files' names and sizes.

    To read every file only to name the set would take as long as an epoch; what the files hold is
    proven by the digest of each batch.

    Args:
        path: The folder.
        image_size: Height and width that the network sees.
        show: Show progress on stderr if that is a terminal and it takes long.

    Raises:
        InputError: The folder has neither layout, or a class has no images.
    """
    if image_size < 1:
        raise InputError(f"image size: expected 1 or more. Received: {image_size}")
    side = stored_size(image_size)
    classes, train, test, held_out = _scan(path, show=show)
    described = {"held_out": held_out, "stored_size": side, "rule": RULE, **versions()}
    listed = [(part.names, part.sizes, part.labels) for part in (train, test)]
    return Dataset(
        name="folder",
        source=f"folder:{path.resolve().name}",
        train=_part(path, train, side),
        test=_part(path, test, side),
        class_names=tuple(classes),
        top=255,
        image_shape=(image_size, image_size, CHANNELS),
        partial=False,
        digest=digest.of_texts([json.dumps([RULE, side, classes, listed])]),
        details=described,
    )


def is_in(path: Path) -> bool:
    """Whether a folder looks like one of images: it has folders in it that are not hidden."""
    return path.is_dir() and any(entry.is_dir() for entry in _entries(path))


def _part(root: Path, listing: Listing, side: int) -> FilePart:
    return FilePart(root, tuple(listing.names), np.array(listing.labels, np.int64), side)


def _scan(path: Path, *, show: bool) -> tuple[list[str], Listing, Listing, str]:
    """Give the classes, the files of both parts, and how they were parted."""
    if not (path / "train").is_dir():
        classes = _classes(path)
        train, test = _parted(path, _listing(path, path, classes, classes, show=show), classes)
        return classes, train, test, f"every {HELD_OUT_EVERY}th file of each class"
    other = next((name for name in HELD_OUT if (path / name).is_dir()), None)
    if other is None:
        raise InputError(
            f"{path}: expected a folder {' or '.join(HELD_OUT)} beside the folder train"
        )
    classes = _classes(path / "train")
    tested = _classes(path / other)
    for name in tested:
        if name not in classes:
            raise InputError(f"{path / other / name}: expected a class that is in train too")
    train = _listing(path, path / "train", classes, classes, show=show)
    return classes, train, _listing(path, path / other, tested, classes, show=show), other


def _parted(path: Path, listing: Listing, classes: list[str]) -> tuple[Listing, Listing]:
    """Part files, sorted by class and name: the first of five of each class is held out."""
    parts = Listing(), Listing()
    seen = [0] * len(classes)
    for name, size, label in zip(listing.names, listing.sizes, listing.labels, strict=True):
        parts[seen[label] % HELD_OUT_EVERY == 0].add(name, size, label)
        seen[label] += 1
    if min(seen) < 2:
        raise InputError(
            f"{path / classes[seen.index(1)]}: expected two images or more, as the first is held "
            "out. Received: 1"
        )
    return parts


def _classes(folder: Path) -> list[str]:
    """Give the names of a folder's folders, sorted; there must be no images beside them."""
    entries = _entries(folder)
    names = [entry.name for entry in entries if entry.is_dir()]
    images = [entry.name for entry in entries if not entry.is_dir() and _is_image(entry.name)]
    if images:
        raise InputError(
            f"{folder}: expected one folder for each class. Received: the image {images[0]} "
            "directly in it"
        )
    if len(names) < 2:
        raise InputError(
            f"{folder}: expected one folder for each of two classes or more. Received: "
            f"{', '.join(names) or 'none'}"
        )
    for name in names:
        if not name.isprintable():
            raise InputError(f"{folder / name}: expected a class name that can be printed")
    return names


def _listing(
    root: Path, folder: Path, present: list[str], classes: list[str], *, show: bool
) -> Listing:
    """List the images of a folder, class by class, names sorted.

    Args:
        root: What names begin at.
        folder: The folder of the classes' folders.
        present: The classes that it has.
        classes: All classes by label.
        show: Show progress on stderr if that is a terminal and it takes long.
    """
    from tqdm import tqdm

    listing, hidden = Listing(), None if show else True
    label_of = {name: label for label, name in enumerate(classes)}
    for name in tqdm(present, unit="class", desc="listing", delay=2, disable=hidden):
        inside = folder / name
        images = [entry for entry in _entries(inside) if _is_image(entry.name)]
        if not images:
            raise InputError(
                f"{inside}: expected an image or more ({', '.join(SUFFIXES)}). Received: none"
            )
        prefix = inside.relative_to(root).as_posix()
        for entry in images:
            listing.add(f"{prefix}/{entry.name}", _size(entry), label_of[name])
    return listing


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Give what is in a folder and not hidden, sorted by name."""
    try:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror}") from error
    return sorted(shown, key=lambda entry: entry.name)


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _size(entry: os.DirEntry[str]) -> int:
    """Give the bytes of an image, which must be a file with something in it."""
    size = entry.stat().st_size if entry.is_file() else 0
    if not size:
        raise InputError(f"{entry.path}: expected an image. Received: nothing that can be read")
    return size
