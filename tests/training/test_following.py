"""What the first of several processes tells the others, over a line between two threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import Queue
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from ranparity.errors import LostDeviceError
from ranparity.training.backends import following
from ranparity.training.backends.following import Follow, Together, Told

SHAPE, OUTPUTS = (2, 4, 4, 3), 5
STATE = [np.arange(6, dtype=np.float32).reshape(2, 3), np.float32([0.5])]


class Line:
    """A link of two: what the one sends the other receives."""

    def __init__(self, way: Queue[NDArray[Any]], *, leads: bool) -> None:
        self.leads, self._way = leads, way

    def broadcast(self, array: NDArray[Any]) -> NDArray[Any]:
        if self.leads:
            self._way.put(array.copy())
            return array
        given = self._way.get(timeout=60)
        if not given.size:
            raise ConnectionError
        assert (given.shape, given.dtype) == (array.shape, array.dtype)
        return given

    def loss(self, error: Exception) -> str:
        return "it hung up" if isinstance(error, ConnectionError) else ""


class Follower:
    """Follows in a thread; keeps what it was told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        way: Queue[NDArray[Any]] = Queue()
        self.link, self._own = Line(way, leads=True), Line(way, leads=False)
        self.told: list[Told] = []
        self.batches: list[list[NDArray[Any]]] = []
        self.error: Exception | None = None
        monkeypatch.setattr(following.signal, "signal", lambda *_: None)  # a thread must not
        monkeypatch.setattr(following.atexit, "register", lambda end: setattr(self, "end", end))
        self.end: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def _follow(self) -> None:
        try:
            following.follow(self._own, self._start)
        except LostDeviceError as error:
            self.error = error

    def _start(self, told: Told) -> Follow:
        self.told.append(told)
        model = told.built()
        together = Together(self._own, model, remat=told.remat)

        def compute(shape: Sequence[int], outputs: int) -> None:
            state = [np.zeros_like(each) for each in STATE]
            images = np.zeros(shape, np.float32)
            targets = np.zeros((shape[0], outputs), np.float32)
            self.batches.append(together.agreed(state, images, targets, 1.0))

        return compute

    def ended(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()


def model(name: str) -> keras.Model:
    image = keras.Input(SHAPE[1:])
    return keras.Model(image, keras.layers.Flatten()(image), name=name)


def batch(number: int) -> tuple[NDArray[Any], NDArray[Any]]:
    given = np.random.default_rng(number)
    return given.random(SHAPE, np.float32), given.random((SHAPE[0], OUTPUTS), np.float32)


def test_followers_compute_what_the_first_process_gives_until_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of one model after another, as a run of stages has them."""
    follower = Follower(monkeypatch)
    expected = []
    for number, (name, remat) in enumerate([("first", False), ("second", True)]):
        together = Together(follower.link, model(name), remat=remat)
        for scale in (1.0, 4096.0):
            images, targets = batch(number)
            expected.append(together.agreed(STATE, images, targets, scale))
    follower.end()
    follower.ended()
    assert follower.error is None
    assert [told.remat for told in follower.told] == [False, True]
    assert [told.precision for told in follower.told] == ["float32"] * 2
    assert ["first" in told.model for told in follower.told] == [True, False]
    assert len(follower.batches) == 4
    for found, wanted in zip(follower.batches, expected, strict=True):
        assert [each.shape for each in found] == [*(s.shape for s in STATE), SHAPE, (2, 5), ()]
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one, other)
    assert [float(found[-1]) for found in follower.batches] == [1, 4096] * 2


def test_a_process_that_is_gone_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    follower = Follower(monkeypatch)
    follower.link.broadcast(np.zeros(0, np.int32))  # hangs up
    follower.ended()
    assert str(follower.error) == "another process was lost: it hung up"


def test_an_error_of_ones_own_is_none_of_another() -> None:
    with pytest.raises(ZeroDivisionError), following.watched(Line(Queue(), leads=True)):
        _ = 1 // 0
