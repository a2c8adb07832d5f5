from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from ranparity import data
from ranparity.data import cifar
from ranparity.errors import InputError
from tests.data.archive_server import Server, member, packed, serving
from tests.data.test_cifar import make


@pytest.fixture
def official(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose small files are the official ones of both kinds."""
    folder = tmp_path / "official"
    folder.mkdir()
    for kind in (cifar.CIFAR10, cifar.CIFAR100):
        monkeypatch.setitem(cifar.KINDS, kind.name, make(folder, kind))
    return folder


@pytest.fixture
def server(official: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that gives out the official files of CIFAR-10."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    kind = cifar.KINDS["cifar10"]
    with serving() as state:
        state.content = packed(
            *(
                member(f"{kind.folder}/{file.name}", (official / file.name).read_bytes())
                for file in (*kind.train, kind.test)
            )
        )
        sent = state.archive(kind.archive.members)
        here = replace(kind, url=sent.url, sha256=sent.sha256, size=sent.size)
        monkeypatch.setitem(cifar.KINDS, "cifar10", here)
        yield state


def images(folder: Path) -> Path:
    for name in ("a/0", "a/1", "b/0", "b/1"):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20)).save(path)
    return folder


def test_digits_are_built_in() -> None:
    assert data.load("digits").name == "digits"


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_a_cifar_of_a_folder(name: str, official: Path) -> None:
    found = data.load(f"{name}:{official}")
    assert (found.name, found.source, found.partial) == (name, f"{name}:official", False)
    assert found.classes == {"cifar10": 10, "cifar100": 100}[name]


def test_images_of_a_folder(tmp_path: Path) -> None:
    images(tmp_path / "made")
    found = data.load(f"folder:{tmp_path / 'made'}", image_size=14)
    assert (found.name, found.source, found.image_shape) == ("folder", "folder:made", (14, 14, 3))
    assert data.load(f"folder:{tmp_path / 'made'}").image_shape == (32, 32, 3)


def test_a_folder_alone_is_known_by_its_files(official: Path, tmp_path: Path) -> None:
    assert data.load(str(official)).name == "cifar10"
    for file in official.glob("data_batch_*.bin"):
        file.unlink()
    assert data.load(str(official)).name == "cifar100"
    found = data.load(str(images(tmp_path / "made")))
    assert (found.name, found.source) == ("folder", "folder:made")


def test_a_tilde_is_the_home(official: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(official.parent))
    for spec in ("cifar10:~/official", "~/official"):
        assert data.load(spec).source == "cifar10:official"


def test_partial_is_passed_on(official: Path) -> None:
    path = official / "data_batch_1.bin"
    path.write_bytes(path.read_bytes()[:3073])
    for spec in (str(official), f"cifar10:{official}"):
        with pytest.raises(InputError, match=r"official file\. Received: 1 records; .* --partial"):
            data.load(spec)
        assert data.load(spec, partial=True).partial


def test_a_cifar_without_a_folder_is_downloaded_once(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        found = data.load("cifar10", cache=tmp_path / "cache")
        assert (found.name, found.source, found.partial) == ("cifar10", "cifar10", False)
    assert server.asked == ["/small.tar.gz"]


@pytest.mark.usefixtures("server")
def test_the_cache_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANPARITY_DATA", str(tmp_path / "there"))
    data.load("cifar10")
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["cifar-10-batches-bin"]


@pytest.mark.usefixtures("server")
def test_a_damaged_cache_says_how_to_mend_it(tmp_path: Path) -> None:
    data.load("cifar10", cache=tmp_path)
    place = tmp_path / "cifar-10-batches-bin"
    (place / "test_batch.bin").write_bytes(b"")
    with pytest.raises(InputError) as caught:
        data.load("cifar10", cache=tmp_path)
    assert str(caught.value) == (
        f"{place}/test_batch.bin: expected records of 3,073 bytes each. Received: 0 bytes, which "
        f"end within record 0 (counted from 0); or delete {place}, and it is downloaded again"
    )


def test_the_kinds_have_their_names() -> None:
    assert [kind.name for kind in cifar.KINDS.values()] == list(cifar.KINDS)
    assert list(data.NAMES) == ["digits", *cifar.KINDS, "folder:PATH"]


@pytest.mark.parametrize(
    "spec", ["mnist", "", "digits:here", "cifar10:", "folder:", "folder", "cifar:x", ":x", "~none"]
)
def test_an_unknown_name_is_bad_input(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        data.load(spec)
    assert str(caught.value) == (
        "data: expected one of digits, cifar10, cifar100, folder:PATH, or a folder. "
        f"Received: {spec!r}"
    )


@pytest.mark.parametrize("kind", ["cifar10", "cifar100", "folder"])
def test_what_follows_the_colon_must_be_a_folder(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(InputError) as caught:
            data.load(f"{kind}:{path}")
        assert str(caught.value) == f"data: expected a folder after {kind}:. Received: '{path}'"


def test_a_folder_of_nothing_known_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError) as caught:
        data.load(str(tmp_path))
    assert str(caught.value) == (
        f"{tmp_path}: expected data_batch_1.bin (CIFAR-10), train.bin (CIFAR-100) or a folder for "
        "each class of images, and found none of them"
    )


def test_the_names_cost_no_import_of_numpy() -> None:
    program = "import ranparity.data, sys; print({'numpy', 'requests', 'PIL'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
