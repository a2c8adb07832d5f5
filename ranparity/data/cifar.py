"""CIFAR-10 and CIFAR-100 in their official binary layout.

A file is records, one after another: one label byte (CIFAR-10) or two (CIFAR-100: the coarse one,
then the fine one, which is the class), then 3,072 pixels of 8 bits, the 32x32 red ones row by row,
then the green and the blue ones (Krizhevsky, "Learning multiple layers of features from tiny
images", 2009, and https://www.cs.toronto.edu/~kriz/cifar.html). The Python version of the same data
is pickled, and what is pickled can run anything, so it is not read.

The digests are those that ankane/torchvision-ruby publishes, in lib/torchvision/datasets/cifar10.rb
and cifar100.rb; the sizes of the archives are what their server says.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ranparity.data import download
from ranparity.data.dataset import ArrayPart, Dataset, Labels, Pixels, in_memory
from ranparity.errors import InputError

SIDE: Final = 32
CHANNELS: Final = 3
_PIXELS: Final = SIDE * SIDE * CHANNELS


@dataclass(frozen=True)
class File:
    """An official file.

    Attributes:
        name: Its name.
        records: How many records it has.
        sha256: Its digest.
    """

    name: str
    records: int
    sha256: str


@dataclass(frozen=True)
class Kind:
    """A data set in this layout.

    Attributes:
        name: "cifar10" or "cifar100".
        train: The files of training images, in order.
        test: The file of the images held out.
        labels: For each label byte of a record how many values it has; the last is the class.
        class_names: The classes by label.
        url: Where the archive is.
        sha256: The archive's digest.
        size: The archive's bytes.
        folder: The folder in the archive that has the files.
    """

    name: str
    train: tuple[File, ...]
    test: File
    labels: tuple[int, ...]
    class_names: tuple[str, ...]
    url: str
    sha256: str
    size: int
    folder: str

    @property
    def record_bytes(self) -> int:
        """Bytes of a record."""
        return len(self.labels) + _PIXELS

    @property
    def archive(self) -> download.Archive:
        """What to download."""
        sizes = {file.name: file.records * self.record_bytes for file in (*self.train, self.test)}
        return download.Archive(self.url, self.sha256, self.size, self.folder, sizes)


def load(kind: Kind, folder: Path, *, partial: bool = False, source: str | None = None) -> Dataset:
    """Read the files of a folder; each must be the official one, or `partial` be given.

    Args:
        kind: `CIFAR10` or `CIFAR100`.
        folder: Where the files are.
        partial: Take fewer records, at least one a file, and other contents.
        source: What the record calls it; the kind's name if not given.

    Raises:
        InputError: A file is missing, not official, cut short or has a label out of range.
    """
    read = [_read(kind, file, folder / file.name, partial=partial) for file in kind.train]
    train = _joined([part for part, _ in read])
    test, official = _read(kind, kind.test, folder / kind.test.name, partial=partial)
    return in_memory(
        kind.name,
        train,
        test,
        kind.class_names,
        source=source,
        partial=not (official and all(whole for _, whole in read)),
    )


def is_in(kind: Kind, folder: Path) -> bool:
    """Whether a folder has the first file of a kind."""
    return (folder / kind.train[0].name).is_file()


def _read(kind: Kind, file: File, path: Path, *, partial: bool) -> tuple[ArrayPart, bool]:
    """Give a file's images, and whether it is the official file."""
    content = _content(kind, file, path)
    records = np.frombuffer(content, np.uint8).reshape(-1, kind.record_bytes)
    _check_labels(kind, path, records)
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256 and not partial:
        raise InputError(_difference(file, path, len(records), found))
    return ArrayPart(_labels(kind, records), _pixels(kind, records)), found == file.sha256


def _content(kind: Kind, file: File, path: Path) -> bytes:
    """Give a file's bytes: whole records, at least one, and no more than the official file's."""
    if not path.is_file():
        raise InputError(f"{path}: expected a file of {kind.name}, and there is none")
    try:
        with path.open("rb") as opened:
            content = opened.read(file.records * kind.record_bytes + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    records, rest = divmod(len(content), kind.record_bytes)
    if records >= file.records and rest:
        raise InputError(
            f"{path}: expected no more than {file.records:,} records of {kind.record_bytes:,} "
            f"bytes. Received: {path.stat().st_size:,} bytes"
        )
    if rest or not records:
        raise InputError(
            f"{path}: expected records of {kind.record_bytes:,} bytes each. Received: "
            f"{len(content):,} bytes, which end within record {records:,} (counted from 0)"
        )
    return content


def _difference(file: File, path: Path, records: int, sha256: str) -> str:
    """Say how a file is not the official one."""
    remedy = "use the official file, or give --partial to train on this and have the record say so"
    if records < file.records:
        return (
            f"{path}: expected the {file.records:,} records of the official file. "
            f"Received: {records:,} records; {remedy}"
        )
    return (
        f"{path}: expected the official file, whose SHA-256 is {file.sha256}. "
        f"Received: {sha256}; {remedy}"
    )


def _check_labels(kind: Kind, path: Path, records: Pixels) -> None:
    """Raise if a label byte has a value that is no class."""
    for column, limit in enumerate(kind.labels):
        wrong = records[:, column] >= limit
        if wrong.any():
            place = int(wrong.argmax())
            raise InputError(
                f"{path}: record {place:,} (counted from 0): expected a label from 0 to "
                f"{limit - 1}. Received: {records[place, column]}"
            )


def _labels(kind: Kind, records: Pixels) -> Labels:
    return records[:, len(kind.labels) - 1].astype(np.int64)


def _pixels(kind: Kind, records: Pixels) -> Pixels:
    """Give the images NHWC, from planes: (N, 3 * 32 * 32) to (N, 3, 32, 32) to (N, 32, 32, 3)."""
    planes = records[:, len(kind.labels) :].reshape(-1, CHANNELS, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1))


def _joined(parts: list[ArrayPart]) -> ArrayPart:
    if len(parts) == 1:
        return parts[0]
    return ArrayPart(
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.pixels for part in parts]),
    )


_TRAIN10: Final = (
    "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
)
_NAMES10: Final = "airplane automobile bird cat deer dog frog horse ship truck"

CIFAR10: Final = Kind(
    name="cifar10",
    train=tuple(
        File(f"data_batch_{number}.bin", 10_000, sha256)
        for number, sha256 in enumerate(_TRAIN10, start=1)
    ),
    test=File(
        "test_batch.bin",
        10_000,
        "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    ),
    labels=(10,),
    class_names=tuple(_NAMES10.split()),
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    size=170_052_171,
    folder="cifar-10-batches-bin",
)

_NAMES100: Final = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
    camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile
    cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp
    lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom
    oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
    possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake
    spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor
    train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""

CIFAR100: Final = Kind(
    name="cifar100",
    train=(
        File(
            "train.bin",
            50_000,
            "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29",
        ),
    ),
    test=File(
        "test.bin", 10_000, "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a"
    ),
    labels=(20, 100),
    class_names=tuple(_NAMES100.split()),
    url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    sha256="58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    size=168_513_733,
    folder="cifar-100-binary",
)
KINDS: Final = {kind.name: kind for kind in (CIFAR10, CIFAR100)}
