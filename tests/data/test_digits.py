from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from ranparity.data import digits

DIGEST = "d0a76f31163ec9c53d318484f495b6302ec6935ffc23529067de9def61baee4c"


def test_the_split_and_the_shapes() -> None:
    data = digits.load()
    assert data.train_images.shape == (1437, 32, 32, 3)
    assert data.test_images.shape == (360, 32, 32, 3)
    assert data.image_shape == (32, 32, 3)
    assert (data.classes, data.digest) == (10, DIGEST)


def test_every_fifth_record_is_held_out_and_none_is_in_both_parts() -> None:
    data, labels = digits.load(), load_digits().target
    assert data.test_labels.tolist() == labels[::5].tolist()
    assert data.train_labels.tolist() == np.delete(labels, np.s_[::5]).tolist()


def test_a_pixel_becomes_a_square_of_sixteen_in_three_channels() -> None:
    image = np.arange(64, dtype=np.float64).reshape(1, 8, 8) % 17
    enlarged = digits.enlarge(image)
    assert enlarged.dtype == np.float32
    for row, column, channel in np.ndindex(32, 32, 3):
        expected = (image[0, row // 4, column // 4] - 8) / 8
        assert enlarged[0, row, column, channel] == expected


def test_the_range() -> None:
    images = digits.load().train_images
    assert (images.min(), images.max()) == (-1, 1)
