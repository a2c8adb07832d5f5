"""Where replicas of a net agree."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from keras import ops

from ranparity.kernels import kernel, plain, replicas

HOW = {"epsilon": 1e-5, "axis": -1}


def test_what_is_alone_agrees_with_itself() -> None:
    assert not replicas.several()
    assert replicas.mean(3.0) == 3.0
    assert kernel("batch_normalization") is not plain.batch_normalization


def test_replicas_end_with_their_block_however_it_ends() -> None:
    with replicas.together(lambda x: -x):
        assert replicas.several()
        assert replicas.mean(3.0) == -3.0
    assert not replicas.several()
    with contextlib.suppress(KeyError), replicas.together(lambda x: -x):
        raise KeyError
    assert not replicas.several()


def test_each_half_is_normalised_with_the_statistics_of_the_whole_batch() -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((8, 5, 6, 3)) + np.arange(8).reshape(8, 1, 1, 1)
    gamma, beta = random.standard_normal((2, 3))
    whole = [array(each) for each in plain.batch_normalization(tensor(x), gamma, beta, **HOW)]
    statistics = whole[1].reshape(1, 1, 1, 3), whole[2].reshape(1, 1, 1, 3)
    given: list[Any] = []
    for half in (slice(0, 4), slice(4, 8)):
        known = iter(statistics)

        def mean(part: Any, known: Any = known) -> Any:
            given.append(array(part))
            return tensor(next(known))

        with replicas.together(mean):
            made = kernel("batch_normalization")(tensor(x[half]), gamma, beta, **HOW)
        for found, expected in zip(made, (whole[0][half], *whole[1:]), strict=True):
            np.testing.assert_allclose(array(found), expected, rtol=1e-12)
    for place, expected in enumerate(statistics):
        np.testing.assert_allclose((given[place] + given[place + 2]) / 2, expected, rtol=1e-12)


def tensor(x: Any) -> Any:
    return ops.convert_to_tensor(x)


def array(x: Any) -> Any:
    return ops.convert_to_numpy(x)
