from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ranparity.data import folder, images
from ranparity.data.dataset import Dataset
from ranparity.errors import InputError


def put(path: Path, red: int = 0) -> None:
    """Write a picture of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 30), (red, 0, 0)).save(path)


def names(part: object) -> list[str]:
    assert isinstance(part, folder.FilePart)
    return list(part.names)


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """A folder with images for training and for validation, as ImageNet is kept."""
    root = tmp_path / "birds"
    for red, name in enumerate(["train/owl/b.png", "train/owl/a.JPEG", "train/jay/c.jpg"]):
        put(root / name, red)
    put(root / "val/jay/d.png", 200)
    put(root / "val/owl/e.jpeg", 201)
    return root


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A folder of classes, with seven images of one and two of the other."""
    for number in range(7):
        put(tmp_path / f"a/{number}.png", number)
    for number in range(2):
        put(tmp_path / f"b/{number}.png", number + 10)
    return tmp_path


def load(path: Path, image_size: int = 14) -> Dataset:
    return folder.load(path, image_size=image_size)


def test_the_sorted_classes_are_the_labels(split: Path) -> None:
    data = load(split)
    assert data.class_names == ("jay", "owl")
    assert names(data.train) == ["train/jay/c.jpg", "train/owl/a.JPEG", "train/owl/b.png"]
    assert names(data.test) == ["val/jay/d.png", "val/owl/e.jpeg"]
    assert data.train.labels.tolist() == [0, 1, 1]
    assert data.test.labels.tolist() == [0, 1]
    assert data.test.read(np.array([0]))[0, 0, 0].tolist() == [200, 0, 0]


def test_images_are_stored_larger_than_the_network_sees_them(split: Path) -> None:
    data = load(split, image_size=224)
    assert (data.image_shape, data.train.shape) == ((224, 224, 3), (256, 256, 3))
    assert (data.top, data.partial) == (255, False)


def test_what_the_record_says(split: Path) -> None:
    data = load(split)
    said = data.describe()
    assert said == {
        "name": "folder",
        "source": "folder:birds",
        "digest": data.digest,
        "train": 3,
        "test": 2,
        "classes": 2,
        "partial": False,
        "held_out": "val",
        "stored_size": 16,
        "rule": "RGB, central square, antialiased bilinear",
        **images.versions(),
    }
    assert str(split.parent) not in json.dumps(said)


def test_the_source_is_a_name_wherever_one_stands(
    split: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(split)
    assert load(Path()).source == "folder:birds"


def test_a_folder_test_is_taken_if_there_is_no_val(split: Path) -> None:
    (split / "val").rename(split / "test")
    assert load(split).details["held_out"] == "test"
    put(split / "val/owl/x.png")
    put(split / "val/jay/x.png")
    assert names(load(split).test) == ["val/jay/x.png", "val/owl/x.png"]


def test_every_fifth_file_is_held_out_of_classes_that_are_not_parted(whole: Path) -> None:
    data = load(whole)
    assert names(data.test) == ["a/0.png", "a/5.png", "b/0.png"]
    assert names(data.train) == ["a/1.png", "a/2.png", "a/3.png", "a/4.png", "a/6.png", "b/1.png"]
    assert data.train.labels.tolist() == [0] * 5 + [1]
    assert data.test.labels.tolist() == [0, 0, 1]
    assert data.details["held_out"] == "every 5th file of each class"


def test_hidden_and_other_files_are_ignored(split: Path) -> None:
    before = load(split).digest
    for name in (
        "train/owl/.hidden.png",
        "train/owl/notes.txt",
        "train/.git/x",
        ".git/x",
        "README",
    ):
        (split / name).parent.mkdir(exist_ok=True)
        (split / name).write_text("text")
    put(split / "train/owl/deeper/z.png")
    assert load(split).digest == before


def test_links_are_followed(split: Path) -> None:
    (split / "train" / "tit").symlink_to(split / "train" / "owl")
    (split / "train" / "jay" / "z.png").symlink_to(split / "train" / "owl" / "b.png")
    data = load(split)
    assert data.class_names == ("jay", "owl", "tit")
    assert data.train.labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_the_digest_is_of_names_sizes_labels_and_the_rule(split: Path) -> None:
    found = [load(split).digest, load(split).digest, load(split, image_size=15).digest]
    (split / "train/owl/b.png").rename(split / "train/owl/bb.png")
    found.append(load(split).digest)
    with (split / "train/owl/bb.png").open("ab") as file:
        file.write(b"more")
    found.append(load(split).digest)
    (split / "val/owl/e.jpeg").rename(split / "val/jay/e.jpeg")
    put(split / "val/owl/f.jpeg")
    found.append(load(split).digest)
    assert found[0] == found[1]
    assert len(set(found)) == 5


def test_the_digest_does_not_depend_on_the_place(split: Path, tmp_path: Path) -> None:
    before = load(split)
    split.rename(tmp_path / "elsewhere")
    after = load(tmp_path / "elsewhere")
    assert after.digest == before.digest
    assert (after.source, before.source) == ("folder:elsewhere", "folder:birds")


def test_names_that_differ_by_where_they_end_have_two_digests(tmp_path: Path) -> None:
    for place, name in enumerate(["x,y", 'x","y', "x\\y"]):
        for label in ("a", "b"):
            put(tmp_path / str(place) / "train" / label / f"{name}.png")
            put(tmp_path / str(place) / "val" / label / "z.png")
    assert len({load(tmp_path / str(place)).digest for place in range(3)}) == 3


def refused(path: Path, image_size: int = 14) -> str:
    with pytest.raises(InputError) as caught:
        load(path, image_size)
    return str(caught.value)


def test_a_folder_without_folders_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path) == (
        f"{tmp_path}: expected one folder for each of two classes or more. Received: none"
    )


def test_one_class_is_refused(whole: Path) -> None:
    for file in (whole / "b").iterdir():
        file.unlink()
    (whole / "b").rmdir()
    assert refused(whole) == (
        f"{whole}: expected one folder for each of two classes or more. Received: a"
    )


@pytest.mark.parametrize("place", ["", "train", "val"])
def test_images_beside_the_folders_are_refused(split: Path, place: str) -> None:
    if not place:
        (split / "train").rename(split / "owls")
    put(split / place / "x.png")
    assert refused(split) == (
        f"{split / place}: expected one folder for each class. Received: the image x.png "
        "directly in it"
    )


def test_images_alone_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "x.png")
    assert refused(tmp_path) == (
        f"{tmp_path}: expected one folder for each class. Received: the image x.png directly in it"
    )


def test_nothing_held_out_beside_train_is_refused(split: Path) -> None:
    (split / "val").rename(split / "valid")
    assert refused(split) == f"{split}: expected a folder val or test beside the folder train"


@pytest.mark.parametrize("place", ["train/tit", "val/jay"])
def test_an_empty_class_is_refused(split: Path, place: str) -> None:
    (split / "train" / "tit").mkdir()
    put(split / "train" / "tit" / "x.png")
    for file in (split / place).iterdir():
        file.unlink()
    (split / place / "notes.txt").write_text("text")
    assert refused(split) == (
        f"{split / place}: expected an image or more (.jpg, .jpeg, .png). Received: none"
    )


def test_a_class_that_is_held_out_only_is_refused(split: Path) -> None:
    put(split / "val/tit/x.png")
    assert refused(split) == f"{split / 'val/tit'}: expected a class that is in train too"


def test_a_class_that_is_not_held_out_is_fine(split: Path) -> None:
    put(split / "train/tit/x.png")
    assert load(split).classes == 3


def test_a_class_of_one_image_cannot_be_parted(whole: Path) -> None:
    put(whole / "c/0.png")
    assert refused(whole) == (
        f"{whole / 'c'}: expected two images or more, as the first is held out. Received: 1"
    )


@pytest.mark.parametrize("how", ["empty", "folder", "pipe", "dangling"])
def test_what_is_named_like_an_image_must_be_a_file_with_something_in_it(
    split: Path, how: str
) -> None:
    path = split / "train" / "owl" / "x.png"
    {
        "empty": path.touch,
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "dangling": lambda: path.symlink_to("nowhere"),
    }[how]()
    assert refused(split) == f"{path}: expected an image. Received: nothing that can be read"


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none"
    assert refused(path) == f"{path}: cannot be read: No such file or directory"


def test_a_class_name_that_cannot_be_printed_is_refused(split: Path) -> None:
    put(split / "train" / "a\nb" / "x.png")
    assert refused(split) == (
        f"{split}/train/a b: expected a class name that can be printed"  # an error is one line
    )


@pytest.mark.parametrize("size", [0, -1])
def test_an_image_size_below_one_is_refused(split: Path, size: int) -> None:
    assert refused(split, size) == f"image size: expected 1 or more. Received: {size}"
