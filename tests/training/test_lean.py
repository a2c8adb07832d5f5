"""A model that lets its tensors go gives what it gave, and has fewer of them at a time."""

from __future__ import annotations

import weakref
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.utils.checkpoint import checkpoint

from ranparity.models import zoo
from ranparity.models.layers.maps import BN, Convolution, ReLU
from ranparity.training.backends import lean
from ranparity.training.backends.lean import RUN, Lean, _plan
from ranparity.training.backends.torch import _as_it_lies, arranged


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
        found = Lean(model, overwrites=True)(x, training=training)
    assert torch.equal(found, wanted)
    assert [float(loss) for loss in model.losses] == losses
    assert all(map(np.array_equal, model.get_weights(), after))


def gradients(name: str, *, leanly: bool) -> tuple[list[Any], int]:
    """Gradients of all that a net trains, and how many ReLUs wrote over what they read."""
    keras.utils.set_random_seed(1)
    model = zoo.entry(name).build()
    over: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        relu = torch.relu_
        patch.setattr(torch, "relu_", lambda x: over.append(x) or relu(x))
        logits = (Lean(model, overwrites=True) if leanly else model)(images(2, 32), training=True)
    loss = (logits * torch.arange(float(logits.shape[1]))).sum()
    return list(torch.autograd.grad(loss, [v.value for v in model.trainable_variables])), len(over)


@pytest.mark.parametrize(
    ("name", "relus"),
    [("attention56-cifar@8", 107), ("resnet18-cifar@8", 9), ("attention56-cifar-naive@8", 107)],
)
def test_relus_write_over_what_only_they_read_and_gradients_are_the_same_bits(
    name: str, relus: int
) -> None:
    wanted, never = gradients(name, leanly=False)
    found, over = gradients(name, leanly=True)
    assert (never, over) == (0, relus)
    assert all(map(torch.equal, found, wanted))


def sandwich(second: str) -> Any:
    """A net whose normalisation is read by a ReLU, and by what else is asked for."""
    about = {"caffe_order": 0}
    given = keras.Input((4, 4, 3))
    y = BN(caffe_name="bn", **about)(given)
    if second == "output":
        return keras.Model(given, [y, ReLU(caffe_name="relu", **about)(y)])
    kept = Convolution(2, 1, caffe_name="conv", use_bias=False, **about)(y)
    z = ReLU(caffe_name="relu", **about)(y)
    return keras.Model(given, [kept, z])


@pytest.mark.parametrize("second", ["output", "convolution"])
def test_a_relu_leaves_alone_what_something_else_reads(second: str) -> None:
    model, x = sandwich(second), images(2, 4)
    weights = [v.value for v in model.trainable_variables]
    found = []
    for run in (model, Lean(model, overwrites=True)):
        outputs = run(x, training=True)
        loss = sum((y * y).sum() for y in outputs)
        found.append([*outputs, *torch.autograd.grad(loss, weights)])
    assert all(map(torch.equal, *found))


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
        found = [tensor.numpy() for tensor in Lean(model)(torch.zeros(1, 2), training=False)]
    assert all(map(np.array_equal, found, wanted))
    assert kept == 9
    assert max(alive) == 3, "the first, the one that is read, and the one that is made"


def test_a_model_is_as_it_was_afterwards_whatever_happens() -> None:
    model = zoo.entry("resnet18-cifar@8").build()
    with pytest.raises(ValueError, match="shape"):
        Lean(model)(torch.zeros(1, 2), training=False)
    assert RUN not in vars(model)
    Lean(model)(images(1, 32), training=False)
    assert RUN not in vars(model)


def test_a_model_without_a_graph_is_run_as_it_is() -> None:
    class Own(keras.Model):
        def call(self, x: Any, training: bool = False) -> Any:
            return x * (2 + training)

    assert float(Lean(Own())(torch.ones(1, 1), training=True)[0, 0]) == 3.0


def test_only_layers_that_do_nothing_around_their_call_are_called_so() -> None:
    about = {"caffe_order": 0, "caffe_name": "relu"}
    given = keras.Input((4, 4, 3))
    changed = ReLU(name="changed", **about)
    changed.__dict__["call"] = lambda x: x
    layers = [
        ReLU(name="plain", **about),
        keras.layers.ReLU(name="stock"),
        ReLU(name="penal", activity_regularizer="l2", **about),
        ReLU(name="mixed", dtype="mixed_bfloat16", **about),
        changed,
    ]
    model = keras.Model(given, [layer(given) for layer in layers])
    plan = Lean(model)._plan
    assert [step.node.operation.name for step in plan if step.plain] == ["plain"]
    x = images(2, 4)
    for found, wanted in zip(Lean(model)(x, training=True), model(x, training=True), strict=True):
        assert torch.equal(found, wanted)
    assert len(model.losses) == 1


def test_a_kernel_has_the_same_values_in_the_order_of_convolutions() -> None:
    kernel = torch.arange(3 * 2 * 4 * 5).reshape(3, 2, 4, 5)
    laid = arranged(kernel)
    assert torch.equal(laid, kernel)
    seen = laid.permute(3, 2, 0, 1)
    assert seen.is_contiguous(memory_format=torch.channels_last)
    assert _as_it_lies(laid).is_contiguous(), "PyTorch's fused step would copy it"
    vector = torch.arange(3)
    assert _as_it_lies(arranged(vector)) is vector


BATCH = 7  # no kernel has such a side


def twice(function: Any) -> Any:
    """PyTorch's own way to compute a function again."""
    return lambda *given: checkpoint(function, *given, use_reentrant=False)


def stepped(name: str, recompute: Any) -> tuple[list[Any], int]:
    """Gradients, statistics and losses of a net, and the numbers of maps kept for gradients."""
    keras.utils.set_random_seed(1)
    model, kept = zoo.entry(name).build(), {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.shape[:1] == (BATCH,):
            kept[tensor.untyped_storage().data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = Lean(model, overwrites=True, recompute=recompute)(images(BATCH, 32), training=True)
    losses = list(model.losses)
    loss = (logits * torch.arange(float(logits.shape[1]))).sum() + sum(losses)
    gradients = torch.autograd.grad(loss, [v.value for v in model.trainable_variables])
    others = [v.value for v in model.non_trainable_variables]
    return [*gradients, *others, *losses], sum(kept.values())


@pytest.mark.parametrize(
    "name", ["attention56-cifar@8", "dranet-cifar-diversity@8", "resnet18-cifar@8"]
)
def test_what_is_computed_twice_is_the_same_bits_and_little_is_kept(name: str) -> None:
    (wanted, all_kept), (found, kept) = stepped(name, None), stepped(name, twice)
    assert all(map(torch.equal, found, wanted))
    assert kept < 0.5 * all_kept


def test_an_input_of_a_part_is_not_written_over() -> None:
    model = zoo.entry("attention56-cifar@8").build()
    plan = list(_plan(model, overwrites=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lean, "parts", lambda sizes, _: list(range(1, len(sizes) + 1)))
        alone = list(lean._parts(plan, model))
    assert any(step.overwrites for step in plan)
    assert not any(step.overwrites for part in alone for step in part.steps)
