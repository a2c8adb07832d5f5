"""Which images masks are drawn over, and that the net sees them as it did in the run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ranparity.data import digest, normalisation
from ranparity.data.images import decode
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.pictures import images, opening
from tests.commands.small_net import NAME, SIDE, dataset, tiny
from tests.pictures import finished_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_run.write(tmp_path_factory.mktemp("run"), tiny())


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> opening.Finished:
    monkeypatch.setitem(zoo.ENTRIES, NAME, tiny())
    return opening.finished(folder)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_images_come_in_turn_from_each_class(labels: list[int]) -> None:
    places = images.in_turn(np.array(labels))
    assert sorted(places) == list(range(len(labels)))
    first = places[: len(set(labels))]
    assert [labels[place] for place in first] == sorted(set(labels))
    assert all(labels.index(labels[place]) == place for place in first)


@pytest.mark.parametrize("stored", [SIDE, SIDE + 3])
def test_held_out_images_are_normalised_as_in_the_run(run: opening.Finished, stored: int) -> None:
    data = dataset(stored)
    chosen = images.held_out(run, data, 8)
    cut = (stored - SIDE) // 2
    places = [0, 1, 2, 3, 4, 5, 6, 7]  # of classes 0 to 5, and again 0 and 1
    pixels = data.test.pixels[places][:, cut : cut + SIDE, cut : cut + SIDE]
    assert np.array_equal(chosen.pixels, pixels)
    mean = normalisation.load(run.folder / "normalisation.npz").mean
    assert np.array_equal(chosen.images, pixels.astype(np.float32) - mean)
    assert chosen.titles[:2] == ("class a", "class b")
    assert chosen.described[7] == {
        "held_out": 7,
        "class": "b",
        "digest": digest.of_arrays([data.test.pixels[7]]),
    }


def test_all_images_are_taken_where_there_are_no_more(run: opening.Finished) -> None:
    assert len(images.held_out(run, dataset(), 99).titles) == 21


def png(path: Path, size: tuple[int, int]) -> Path:
    pixels = np.random.default_rng(0).integers(256, size=(*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_files_are_cut_resized_and_normalised_as_in_the_run(
    run: opening.Finished, tmp_path: Path
) -> None:
    paths = [png(tmp_path / "a.png", (40, 30)), png(tmp_path / "b.png", (SIDE, SIDE))]
    chosen = images.of_files(run, paths)
    expected = np.stack([decode(path, SIDE) for path in paths])
    assert np.array_equal(chosen.pixels, expected)
    mean = normalisation.load(run.folder / "normalisation.npz").mean
    assert np.array_equal(chosen.images, expected.astype(np.float32) - mean)
    assert chosen.titles == ("a.png", "b.png")
    described = {"file": "b.png", "digest": digest.of_arrays([expected[1]])}
    assert chosen.described[1] == described


def test_files_are_stored_as_large_and_as_bright_as_the_runs_images(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(zoo.ENTRIES, NAME, tiny())
    path, side = png(tmp_path / "a.png", (20, 20)), SIDE + 2
    mean = np.full((side, side, 3), 5, np.float32)
    fitted = normalisation.Normalisation("pixel-mean", mean, np.ones((1, 1, 1), np.float32), 9)
    finished = opening.finished(folder)
    monkeypatch.setattr(normalisation, "load", lambda _: fitted)
    monkeypatch.setitem(finished.run["data"], "name", "digits")  # whose pixels go up to 16
    chosen = images.of_files(finished, [path])
    pixels = np.rint(decode(path, side) * (16 / 255)).astype(np.uint8)[1:-1, 1:-1]
    assert chosen.top == 16
    assert np.array_equal(chosen.pixels[0], pixels)
    assert np.array_equal(chosen.images[0], pixels.astype(np.float32) - 5)


def test_a_file_that_is_no_image_is_refused(run: opening.Finished, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_text("?")
    with pytest.raises(InputError) as caught:
        images.of_files(run, [path])
    assert str(caught.value) == f"{path}: cannot be read as a JPEG or PNG image: it is neither"
