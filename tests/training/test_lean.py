"""A model that lets its tensors go gives what it gave, and has fewer of them at a time."""

from __future__ import annotations

import weakref
from typing import Any

import keras
import numpy as np
import pytest
import torch

from ranparity.models import zoo
from ranparity.training.backends.lean import RUN, Lean
from ranparity.training.backends.torch import _arranged


def images(batch: int, size: int) -> Any:
    random = np.random.Generator(np.random.Philox(3))
    return torch.from_numpy(random.standard_normal((batch, size, size, 3), np.float32))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ["attention56-cifar@8", "dranet-cifar-diversity@8"])
def test_outputs_and_losses_are_the_same_bits(name: str, training: bool) -> None:
    model = zoo.entry(name).build()
    x, start = images(2, 32), model.get_weights()
    with torch.no_grad():
        wanted = model(x, training=training)
        losses, after = [float(loss) for loss in model.losses], model.get_weights()
        model.set_weights(start)
        with Lean(model).running() as running:
            found = running(x, training=training)
    assert torch.equal(found, wanted)
    assert [float(loss) for loss in model.losses] == losses
    assert all(map(np.array_equal, model.get_weights(), after))


def watching(alive: list[int], seen: list[weakref.ref[Any]]) -> type:
    """A layer's class that counts how many of the tensors that its layers made there are."""

    class Watching(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            y = x + 1
            seen.append(weakref.ref(y))
            alive.append(sum(tensor() is not None for tensor in seen))
            return y

    return Watching


def test_tensors_go_after_their_last_reader_and_no_sooner() -> None:
    alive: list[int] = []
    seen: list[weakref.ref[Any]] = []
    layer = watching(alive, seen)
    given = keras.Input((2,))
    first = layer()(given)
    x = first
    for _ in range(8):
        x = layer()(x)
    model = keras.Model(given, [keras.layers.Add()([x, first]), x])
    alive.clear()
    seen.clear()  # of what Keras tried as the model was made, some may still be there
    with torch.no_grad():
        wanted = [tensor.numpy() for tensor in model(torch.zeros(1, 2))]
        kept = max(alive)
        alive.clear()
        seen.clear()
        with Lean(model).running():
            found = [tensor.numpy() for tensor in model(torch.zeros(1, 2))]
    assert all(map(np.array_equal, found, wanted))
    assert kept == 9
    assert max(alive) == 3, "the first, the one that is read, and the one that is made"


def test_a_model_is_as_it_was_afterwards_whatever_happens() -> None:
    model = zoo.entry("resnet18-cifar@8").build()
    lean = Lean(model).running()
    assert lean.__enter__() is model
    assert RUN in vars(model)
    assert not lean.__exit__(RuntimeError, RuntimeError("no memory"), None), "it goes on"
    assert RUN not in vars(model)


def test_a_model_without_a_graph_is_run_as_it_is() -> None:
    class Own(keras.Model):
        def call(self, x: Any) -> Any:
            return x * 2

    model = Own()
    with Lean(model).running() as running:
        assert running is model
        assert float(running(torch.ones(1, 1))[0, 0]) == 2.0


def test_a_kernel_has_the_same_values_in_the_order_of_convolutions() -> None:
    kernel = torch.arange(3 * 2 * 4 * 5).reshape(3, 2, 4, 5)
    arranged = _arranged(kernel)
    assert torch.equal(arranged, kernel)
    seen = arranged.permute(3, 2, 0, 1)
    assert seen.is_contiguous(memory_format=torch.channels_last)
    vector = torch.arange(3)
    assert _arranged(vector) is vector
