from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ranparity.data import digits
from tests.programs import environment

DIGEST = "d467ce6ce1647a85f7072e8d0d526c6cd294a9b0327823b58178c2048e50574b"


def test_the_split_and_the_shapes() -> None:
    data = digits.load()
    assert (len(data.train.labels), len(data.test.labels)) == (1437, 360)
    assert data.train.shape == data.image_shape == (32, 32, 3)
    assert (data.name, data.source, data.classes, data.partial) == ("digits", "digits", 10, False)
    assert (data.class_names, data.digest) == (tuple("0123456789"), DIGEST)


@pytest.mark.parametrize("file", [digits.FILE, "none.csv.gz"])
def test_they_are_scikit_learns_whether_or_not_it_keeps_them_in_the_file(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digits, "FILE", file)
    given = load_digits()
    assert np.array_equal(digits.stored(), np.column_stack([given.data, given.target]))


def test_scikit_learn_is_not_loaded_for_them() -> None:
    program = "import sys; from ranparity.data import digits; digits.load(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment()
    )
    assert done.returncode == 0, done.stderr
    assert not {"sklearn", "scipy"} & set(done.stdout.split())


def test_every_fifth_record_is_held_out_and_none_is_in_both_parts() -> None:
    data, stored = digits.load(), load_digits()
    assert data.test.labels.tolist() == stored.target[::5].tolist()
    assert data.train.labels.tolist() == np.delete(stored.target, np.s_[::5]).tolist()
    held_out = data.test.read(np.arange(360))[:, ::4, ::4, 0]
    assert held_out.tolist() == stored.images[::5].tolist()


def test_a_pixel_becomes_a_square_of_sixteen_in_three_channels() -> None:
    image = np.arange(64, dtype=np.float64).reshape(1, 8, 8) % 17
    enlarged = digits.enlarge(image)
    assert enlarged.dtype == np.uint8
    for row, column, channel in np.ndindex(32, 32, 3):
        assert enlarged[0, row, column, channel] == image[0, row // 4, column // 4]


def test_the_range() -> None:
    data = digits.load()
    images = data.train.read(np.arange(1437))
    assert (images.min(), images.max(), data.top) == (0, 16, 16)
