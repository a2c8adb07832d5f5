from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranparity.data import digits
from ranparity.data.batches import Batches
from ranparity.data.dataset import Dataset
from ranparity.data.tape import Tape
from ranparity.errors import InputError


def counted(count: int) -> Dataset:
    """Images that are all different: each holds its own number."""
    images = np.arange(count, dtype=np.float32).reshape(count, 1, 1, 1)
    labels = np.arange(count) % 3
    return Dataset("counted", images, labels, images.copy(), labels.copy(), 3)


def numbers(batches: Batches, step: int) -> list[int]:
    return [int(number) for number in batches.at(step).images.ravel()]


def test_golden_batches() -> None:
    batches = Batches(digits.load(), Tape(7), 64)
    assert batches.steps_per_epoch == 22
    assert batches.at(0).digest == (
        "5a999ef5553045eb2105797b9df2323315f401a278f6747eab1e46345dcaed9a"
    )
    assert batches.at(22).digest == (
        "ac3b6eec0774e17827eace1508df56f7c54554a053c89faa8d8dfebbb74a2b96"
    )


@given(
    count=st.integers(1, 40),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 100),
)
def test_an_epoch_shows_no_image_twice_and_leaves_out_less_than_a_batch(
    count: int, share: float, seed: int, epoch: int
) -> None:
    size = 1 + round(share * (count - 1))
    batches = Batches(counted(count), Tape(seed), size)
    steps = range(epoch * batches.steps_per_epoch, (epoch + 1) * batches.steps_per_epoch)
    seen = [number for step in steps for number in numbers(batches, step)]
    assert len(seen) == len(set(seen)) == count - count % size


def test_images_keep_their_labels() -> None:
    batch = Batches(counted(30), Tape(0), 7).at(5)
    assert (batch.images.ravel().astype(int) % 3 == batch.labels).all()


def test_a_batch_does_not_depend_on_those_before_it() -> None:
    used = Batches(counted(30), Tape(0), 7)
    for step in range(9):
        used.at(step)
    assert used.at(9).digest == Batches(counted(30), Tape(0), 7).at(9).digest


def test_every_epoch_has_an_order_of_its_own() -> None:
    batches = Batches(counted(30), Tape(0), 30)
    assert numbers(batches, 0) != numbers(batches, 1)


def test_the_digest_covers_images_and_labels() -> None:
    batch = Batches(counted(30), Tape(0), 7).at(0)
    other = type(batch)(batch.images, batch.labels[::-1])
    assert other.digest != batch.digest


@pytest.mark.parametrize("size", [0, -1, 31])
def test_a_batch_that_the_data_cannot_fill_is_bad_input(size: int) -> None:
    with pytest.raises(InputError) as caught:
        Batches(counted(30), Tape(0), size)
    assert str(caught.value) == (
        f"batch size: expected 1 to 30, the training images of counted. Received: {size}"
    )
