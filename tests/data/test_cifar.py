from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranparity.data import cifar
from ranparity.data.cifar import CIFAR10, CIFAR100, File, Kind
from ranparity.errors import InputError

REMEDY = "use the official file, or give --partial to train on this and have the record say so"


def content(kind: Kind, records: int, *, seed: int = 0) -> bytes:
    """Records with labels in range and pixels of noise."""
    rng = np.random.default_rng(seed)
    made = rng.integers(0, 256, (records, kind.record_bytes), np.uint8)
    for column, limit in enumerate(kind.labels):
        made[:, column] = rng.integers(0, limit, records)
    return made.tobytes()


def make(folder: Path, kind: Kind, records: int = 3) -> Kind:
    """Write small files, and give the kind whose official files they are."""
    files = []
    for seed, file in enumerate((*kind.train, kind.test)):
        written = content(kind, records, seed=seed)
        (folder / file.name).write_bytes(written)
        files.append(File(file.name, records, hashlib.sha256(written).hexdigest()))
    return replace(kind, train=tuple(files[:-1]), test=files[-1])


@pytest.fixture(params=[CIFAR10, CIFAR100], ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    """A kind, whose small official files are in the test's folder."""
    return make(tmp_path, request.param)


def test_a_record_becomes_an_image_of_rows_columns_and_channels(kind: Kind, tmp_path: Path) -> None:
    data = cifar.load(kind, tmp_path)
    written = b"".join((tmp_path / file.name).read_bytes() for file in kind.train)
    pixels = data.train.read(np.arange(len(data.train.labels)))
    first = len(kind.labels)
    for image, label in enumerate(data.train.labels):
        record = written[image * kind.record_bytes : (image + 1) * kind.record_bytes]
        assert label == record[first - 1]
        for row, column, channel in [(0, 0, 0), (0, 1, 0), (1, 0, 0), (5, 7, 1), (31, 31, 2)]:
            place = first + channel * 1024 + row * 32 + column
            assert pixels[image, row, column, channel] == record[place]


def test_official_files_are_not_partial(kind: Kind, tmp_path: Path) -> None:
    for allowed in (False, True):
        data = cifar.load(kind, tmp_path, partial=allowed)
        assert not data.partial
        assert len(data.train.labels) == 3 * len(kind.train)
        assert len(data.test.labels) == 3
        assert (data.name, data.source, data.top) == (kind.name, kind.name, 255)
        assert (data.classes, data.image_shape) == (kind.labels[-1], (32, 32, 3))


def test_the_images_held_out_are_those_of_the_test_file(kind: Kind, tmp_path: Path) -> None:
    data = cifar.load(kind, tmp_path)
    written = np.frombuffer((tmp_path / kind.test.name).read_bytes(), np.uint8)
    records = written.reshape(3, -1)
    held_out = data.test.read(np.arange(3)).transpose(0, 3, 1, 2).reshape(3, -1)
    assert held_out.tolist() == records[:, len(kind.labels) :].tolist()
    assert data.test.labels.tolist() == records[:, len(kind.labels) - 1].tolist()


@pytest.mark.parametrize("which", ["train", "test"])
def test_fewer_records_need_partial(kind: Kind, which: str, tmp_path: Path) -> None:
    path = tmp_path / (kind.test.name if which == "test" else kind.train[-1].name)
    path.write_bytes(path.read_bytes()[: kind.record_bytes])
    with pytest.raises(InputError) as caught:
        cifar.load(kind, tmp_path)
    assert str(caught.value) == (
        f"{path}: expected the 3 records of the official file. Received: 1 records; {REMEDY}"
    )
    assert cifar.load(kind, tmp_path, partial=True).describe()["partial"] is True


def test_other_contents_need_partial(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / kind.train[0].name
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    with pytest.raises(InputError) as caught:
        cifar.load(kind, tmp_path)
    found = hashlib.sha256(changed).hexdigest()
    assert str(caught.value) == (
        f"{path}: expected the official file, whose SHA-256 is {kind.train[0].sha256}. "
        f"Received: {found}; {REMEDY}"
    )
    assert cifar.load(kind, tmp_path, partial=True).partial


def refused(kind: Kind, folder: Path) -> str:
    """What a folder is refused with, whether or not it may be partial."""
    messages = set()
    for partial in (False, True):
        with pytest.raises(InputError) as caught:
            cifar.load(kind, folder, partial=partial)
        messages.add(str(caught.value))
    (message,) = messages
    return message


def test_a_missing_file_is_named(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / kind.test.name).unlink()
    assert refused(kind, tmp_path) == (
        f"{tmp_path / kind.test.name}: expected a file of {kind.name}, and there is none"
    )


@pytest.mark.parametrize(("records", "rest"), [(0, 0), (0, 1), (1, 1), (2, 3072)])
def test_a_file_that_is_cut_short_is_refused(
    kind: Kind, records: int, rest: int, tmp_path: Path
) -> None:
    path, size = tmp_path / kind.train[0].name, records * kind.record_bytes + rest
    path.write_bytes(path.read_bytes()[:size])
    assert refused(kind, tmp_path) == (
        f"{path}: expected records of {kind.record_bytes:,} bytes each. Received: "
        f"{size:,} bytes, which end within record {records} (counted from 0)"
    )


@pytest.mark.parametrize("extra", [1, 3073, 10_000])
def test_a_file_with_more_than_the_official_records_is_refused(
    kind: Kind, extra: int, tmp_path: Path
) -> None:
    path = tmp_path / kind.train[0].name
    size = 3 * kind.record_bytes + extra
    path.write_bytes(path.read_bytes() + bytes(extra))
    assert refused(kind, tmp_path) == (
        f"{path}: expected no more than 3 records of {kind.record_bytes:,} bytes. "
        f"Received: {size:,} bytes"
    )


@pytest.mark.parametrize(
    ("base", "byte", "limit"), [(CIFAR10, 0, 10), (CIFAR100, 0, 20), (CIFAR100, 1, 100)]
)
@pytest.mark.parametrize("above", [0, 1])
def test_a_label_out_of_range_is_refused(
    base: Kind, byte: int, limit: int, above: int, tmp_path: Path
) -> None:
    made = make(tmp_path, base)
    path = tmp_path / made.train[0].name
    changed = bytearray(path.read_bytes())
    changed[2 * made.record_bytes + byte] = limit + above
    path.write_bytes(changed)
    assert refused(made, tmp_path) == (
        f"{path}: record 2 (counted from 0): expected a label from 0 to {limit - 1}. "
        f"Received: {limit + above}"
    )


def test_the_largest_labels_are_in_range(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / kind.train[0].name
    changed = bytearray(path.read_bytes())
    for column, limit in enumerate(kind.labels):
        changed[column] = limit - 1
    path.write_bytes(changed)
    assert cifar.load(kind, tmp_path, partial=True).train.labels[0] == kind.labels[-1] - 1


@given(size=st.integers(0, 4 * 3073))
def test_only_whole_records_are_taken(size: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("sizes")
    made = make(folder, CIFAR10)
    (folder / made.test.name).write_bytes(content(CIFAR10, 4)[:size])
    if size in (3073, 2 * 3073, 3 * 3073):
        assert len(cifar.load(made, folder, partial=True).test.labels) == size // 3073
    else:
        refused(made, folder)


def test_a_folder_in_a_files_place_is_no_file(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / kind.test.name).unlink()
    (tmp_path / kind.test.name).mkdir()
    assert "and there is none" in refused(kind, tmp_path)


def test_a_kind_is_known_by_its_first_file(kind: Kind, tmp_path: Path) -> None:
    assert [cifar.is_in(other, tmp_path) for other in (CIFAR10, CIFAR100)] == [
        kind.name == "cifar10",
        kind.name == "cifar100",
    ]


# What the published figures must fulfil by themselves.


@pytest.mark.parametrize("official", [CIFAR10, CIFAR100], ids=lambda kind: kind.name)
def test_the_official_figures_fit_one_another(official: Kind) -> None:
    digests = [official.sha256, official.test.sha256, *(file.sha256 for file in official.train)]
    assert len(set(digests)) == len(digests)
    assert all(len(bytes.fromhex(digest)) == 32 for digest in digests)
    assert sum(file.records for file in official.train) == 50_000
    assert official.test.records == 10_000
    assert len(set(official.class_names)) == official.labels[-1]
    assert sum(official.archive.members.values()) == 60_000 * official.record_bytes


def test_the_classes_of_cifar100_are_in_alphabetical_order() -> None:
    assert list(CIFAR100.class_names) == sorted(CIFAR100.class_names)
    assert list(CIFAR10.class_names) == sorted(CIFAR10.class_names)
