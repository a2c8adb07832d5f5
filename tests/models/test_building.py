"""What building a model of any family asks for: a fixed input, depth, weights from a file."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from ranparity import models
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.models.building import deep, functional
from tests.models.test_attention import small


@pytest.mark.parametrize(
    "shape", [(None, None, 3), (224, 224), (0, 224, 3), (224.0, 224, 3), (224, 224, None)]
)
def test_a_size_that_is_not_fixed_is_refused(shape: Any) -> None:
    with pytest.raises(InputError) as caught:
        models.Attention56(input_shape=shape)
    assert str(caught.value).startswith("input_shape must be three positive integers")
    assert str(caught.value).endswith(f"Received: input_shape={shape}")


@pytest.mark.parametrize("name", ["resnet18-cifar@16", "dranet-cifar@16"])
def test_other_families_ask_for_the_same(name: str) -> None:
    with pytest.raises(InputError, match=r"^input_shape must be three positive integers"):
        zoo.entry(name).build(input_shape=(None, 32, 3))
    with pytest.raises(InputError, match=r"^weights must be None or a file of weights"):
        zoo.entry(name).build(weights="none.weights.h5")


def test_weights_from_a_path(tmp_path: Path) -> None:
    model = small()
    model.save_weights(tmp_path / "net.weights.h5")
    images = np.ones((1, 12, 12, 3), "float32")
    again = small(weights=tmp_path / "net.weights.h5")
    one, two = (keras.ops.convert_to_numpy(m(images)) for m in (model, again))
    np.testing.assert_array_equal(one, two)


def test_weights_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"weights must be None or a file of weights\. Received"):
        small(weights=tmp_path / "none.weights.h5")
    damaged = tmp_path / "damaged.weights.h5"
    damaged.write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"damaged\.weights\.h5: expected weights of attention"):
        small(weights=damaged)
    other = tmp_path / "other.weights.h5"
    small(classes=5).save_weights(other)
    with pytest.raises(InputError, match=r"other\.weights\.h5: expected weights of attention"):
        small(weights=other)


def test_a_graph_deeper_than_the_recursion_limit() -> None:
    given = keras.Input((1,))
    x = given
    for _ in range(600):
        x = keras.layers.Identity()(x)
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(500)
    try:
        with pytest.raises(RecursionError):
            keras.Model(given, x)
        assert len(functional(given, x).layers) == 601
        assert sys.getrecursionlimit() == 500
    finally:
        sys.setrecursionlimit(before)


def test_the_recursion_limit_is_set_back_after_an_error() -> None:
    before = sys.getrecursionlimit()
    with contextlib.suppress(KeyError), deep():
        assert sys.getrecursionlimit() > before
        raise KeyError
    assert sys.getrecursionlimit() == before
