"""A net in the middle of its training: the same for a seed, and nothing of it hides a fault."""

from __future__ import annotations

import numpy as np

from ranparity.data.tape import Tape
from ranparity.parity.ladder import state

START = {
    "conv/kernel": np.float32([[1, -2], [3, 4]]),
    "bn/gamma": np.ones(64, np.float32),
    "bn/beta": np.zeros(64, np.float32),
    "bn/moving_mean": np.zeros(64, np.float32),
    "bn/moving_variance": np.ones(64, np.float32),
    "dense/bias": np.zeros(64, np.float32),
    "uniform/bias": np.float32([0.25, -0.5]),
    "norm/scale": np.float32(1),
}


def test_what_begins_at_a_constant_is_moved_and_the_rest_is_not() -> None:
    found = state.weights(Tape(0), START)
    for name in ("conv/kernel", "uniform/bias", "norm/scale"):
        assert np.array_equal(found[name], START[name])
    for name in ("bn/gamma", "bn/beta", "bn/moving_mean", "bn/moving_variance", "dense/bias"):
        assert len(set(found[name].tolist())) == 64
        assert found[name].dtype == np.float32
    assert 0.5 <= found["bn/gamma"].min() < found["bn/gamma"].max() < 1.5
    assert 0.5 <= found["bn/moving_variance"].min() < found["bn/moving_variance"].max() < 2
    again, other = state.weights(Tape(0), START), state.weights(Tape(1), START)
    assert np.array_equal(found["bn/beta"], again["bn/beta"])
    assert not np.array_equal(found["bn/beta"], other["bn/beta"])


def test_slots_are_not_zero_and_second_moments_are_positive() -> None:
    names = ("velocity", "first_moment", "second_moment")
    found = state.slots(Tape(0), {f"a/{name}": np.zeros((3, 4), np.float32) for name in names})
    assert all(np.all(value != 0) and value.shape == (3, 4) for value in found.values())
    assert np.all(found["a/second_moment"] > 0)


def test_images_and_targets_are_of_their_step() -> None:
    images = [state.images(Tape(0), (2, 4, 4, 3), step) for step in (0, 0, 1)]
    assert np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])
    targets = state.targets(Tape(0), 50, 10)
    assert targets.shape == (50, 10)
    assert set(targets.sum(1)) == {1}
    assert len(set(targets.argmax(1))) > 5
