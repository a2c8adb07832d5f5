"""The arbiter on whole nets: against three backends in float64, and finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ranparity.caffe import graph, prototxt
from ranparity.caffe.arbiter import run
from ranparity.caffe.arbiter.base import LAYERS
from ranparity.caffe.arbiter.noise import UNIT_ROUNDOFF, Noise
from ranparity.commands.export import exported
from ranparity.errors import InputError
from ranparity.models import caffe_weights, zoo
from tests.models import cases
from tests.models.test_layers import error
from tests.models.worker import nhwc

Array = np.ndarray[Any, Any]
Found = dict[str, dict[str, Array]]
UNIT = UNIT_ROUNDOFF["float32"]
KERAS = {caffe: keras for keras, caffe in caffe_weights.NAMES.items()}
IN_BN = {"slope": "gamma", "bias": "beta", "mean": "moving_mean", "variance": "moving_variance"}


def value(step: run.Step, name: str, shape: tuple[int, ...]) -> Array:
    """A parameter as `tests.models.worker` gives it to the Keras layer, in Caffe's layout."""
    part = IN_BN[name] if step.node.type == "BN" else KERAS[name]
    if name == "bias" and step.node.type != "BN":
        part = "bias"
    if name != "weight":
        return cases.value(part, shape)
    order = (2, 3, 1, 0) if len(shape) == 4 else (1, 0)
    kernel = cases.value("kernel", tuple(shape[axis] for axis in order))
    return caffe_weights.laid_out("it/kernel", kernel)


def weights(arbiter: run.Arbiter) -> dict[str, Array]:
    """All parameters and statistics."""
    found = {}
    for step in arbiter.steps:
        for name, full in step.weights.items():
            if full not in found:
                found[full] = value(step, name, step.facts.parameters[name])
        for name, shape in step.facts.statistics.items():
            found[f"{step.node.name}/{name}"] = value(step, name, shape)
    return found


def of(model_results: Found, kind: str) -> tuple[run.Arbiter, run.Tensors, str]:
    """The arbiter of a narrow net as torch exports it, its images, and their name."""
    text = str(model_results["torch"][f"structure|{kind}|prototxt"])
    _, size = cases.narrow(kind)
    net = graph.build(prototxt.parse(text))
    name = net.inputs[0].name
    arbiter = run.Arbiter(net, {name: (2, 3, size, size)})
    images = np.random.default_rng(0).standard_normal((2, size, size, 3)).transpose(0, 3, 1, 2)
    return arbiter, run.tensors({name: images}), name


@pytest.mark.parametrize("kind", [*cases.NARROW, *cases.NARROWER])
def test_every_blob_and_statistic_is_the_backends_in_float64(
    model_results: Found, backend: str, kind: str
) -> None:
    arbiter, images, _ = of(model_results, kind)
    found = model_results[backend]
    compared, bad = 0, {}
    for training in (True,) if kind in cases.NARROWER else (False, True):
        made = arbiter.forward(images, run.tensors(weights(arbiter)), training=training)
        blobs = {f"{training}|{name}": x for name, x in made.blobs.items()}
        if training:
            moved = {name.rpartition("/"): x for name, x in made.statistics.items()}
            blobs |= {f"{part}|{layer}": x for (layer, _, part), x in moved.items()}
        for name, blob in blobs.items():
            key = f"channels_last|{kind}|{name}"
            if key in found:
                compared += 1
                worst = error(nhwc(blob.numpy()), found[key])
                if not worst <= cases.FLOAT64:
                    bad[name] = worst
    assert not bad
    assert compared > (2 * 380 if kind in cases.NARROW else 70)


def narrow(name: str, size: int) -> tuple[run.Arbiter, run.Tensors, run.Tensors, torch.Tensor]:
    """A narrow net in few pixels with images, weights and targets of the tape."""
    net = graph.build(prototxt.parse(exported(zoo.entry(name), (size, size))))
    (given,) = net.inputs
    arbiter = run.Arbiter(net, {given.name: (2, 3, size, size)})
    random = np.random.default_rng(0)
    images = run.tensors({given.name: random.standard_normal((2, 3, size, size))})
    targets = torch.eye(10, dtype=torch.float64)[:2]
    return arbiter, images, run.tensors(weights(arbiter)), targets


@pytest.mark.parametrize("training", [False, True])
def test_a_nets_gradients_are_finite_differences(training: bool) -> None:
    """Along a random direction of all parameters at once, DRA-Net's regulariser included."""
    arbiter, images, values, targets = narrow("dranet-cifar@32", 16)
    names = list(arbiter.parameters)
    random = np.random.default_rng(1)
    way = run.tensors({name: random.standard_normal(values[name].shape) for name in names})

    def loss(distance: float) -> torch.Tensor:
        moved = {name: values[name] + distance * way[name] for name in names}
        found = arbiter.forward(images, values | moved, training=training, decisions=decisions)
        return arbiter.loss(found, targets)

    for name in names:
        values[name].requires_grad_()
    found = arbiter.forward(images, values, training=training)
    decisions = found.decisions
    slopes = run.gradients(arbiter.loss(found, targets), [values[name] for name in names])
    along = sum(float((a * way[name]).sum()) for a, name in zip(slopes, names, strict=True))
    step = 1e-6
    with torch.no_grad():
        difference = float(loss(step) - loss(-step)) / (2 * step)
    assert along == pytest.approx(difference, rel=1e-6)
    assert along != 0


def test_the_losses_are_the_cross_entropy_and_what_has_a_weight() -> None:
    arbiter, images, values, targets = narrow("dranet-cifar@32", 16)
    found = arbiter.forward(images, values, training=True)
    assert arbiter.logits == "classifier/fc2"
    ((blob, weight),) = arbiter.loss_weights.items()
    assert (blob, weight) == ("regulariser", 1e-3), "as printed, and not as float32 has it"
    probabilities = found.blobs["prob"].detach().numpy()
    entropy = -np.log(probabilities[[0, 1], [0, 1]]).mean()
    wanted = entropy + weight * float(found.blobs[blob].detach())
    assert float(arbiter.loss(found, targets).detach()) == pytest.approx(wanted, rel=1e-12)


def test_shared_parameters_are_one() -> None:
    """DRA-Net's attractors are a blob, and a weight of the product that makes z."""
    arbiter, images, values, targets = narrow("dranet-cifar@32", 16)
    shared = [step for step in arbiter.steps if "attractors/parameter" in step.weights.values()]
    assert [step.node.type for step in shared] == ["Parameter", "InnerProduct"]
    values["attractors/parameter"].requires_grad_()
    found = arbiter.forward(images, values, training=True)
    (slope,) = run.gradients(arbiter.loss(found, targets), [values["attractors/parameter"]])
    assert float(slope.abs().max()) > 0


def test_a_tensor_that_the_loss_does_not_read_has_no_slope() -> None:
    x = torch.ones(3, requires_grad=True)
    y = torch.ones(2, requires_grad=True)
    found = run.gradients((x**2).sum(), [x, y])
    assert [slope.tolist() for slope in found] == [[2, 2, 2], [0, 0]]


def test_the_same_noise_gives_the_same_and_another_run_does_not() -> None:
    arbiter, images, values, targets = narrow("dranet-cifar@32", 16)
    for name in arbiter.parameters:
        values[name].requires_grad_()

    def slopes(noise: Noise | None) -> list[torch.Tensor]:
        found = arbiter.forward(images, values, training=True, noise=noise)
        of = [values[name] for name in arbiter.parameters]
        return [found.blobs["prob"].detach(), *run.gradients(arbiter.loss(found, targets), of)]

    clean, first, again, other = (
        slopes(noise) for noise in (None, Noise(UNIT, 0, 0), Noise(UNIT, 0, 0), Noise(UNIT, 0, 1))
    )
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    for exact, moved, differently in zip(clean, first, other, strict=True):
        if exact.abs().max() > 0:
            assert not torch.equal(moved, differently)
            assert 0 < float((moved - exact).norm() / exact.norm()) < 1e-3


def test_a_net_without_a_softmax_at_its_end_has_no_loss() -> None:
    text = """
        input: "data" input_shape { dim: 1 dim: 2 dim: 3 dim: 3 }
        layer { name: "relu" type: "ReLU" bottom: "data" top: "relu" }
    """
    arbiter = run.Arbiter(graph.build(prototxt.parse(text)))
    with pytest.raises(InputError) as caught:
        _ = arbiter.logits
    assert str(caught.value).endswith("expected one Softmax at the net's end, found 0")


def test_a_pool_that_is_drawn_is_refused_with_the_layers_name() -> None:
    text = """
        input: "data" input_shape { dim: 1 dim: 2 dim: 4 dim: 4 }
        layer { name: "draw" type: "Pooling" bottom: "data" top: "draw"
          pooling_param { pool: STOCHASTIC kernel_size: 2 } }
    """
    arbiter = run.Arbiter(graph.build(prototxt.parse(text)))
    with pytest.raises(InputError) as caught:
        arbiter.forward(run.tensors({"data": np.ones((1, 2, 4, 4))}), {}, training=False)
    assert str(caught.value) == (
        'layer "draw" (Pooling): expected pool MAX or AVE, found STOCHASTIC'
    )


def test_a_type_that_cannot_be_run_is_refused_with_the_layers_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(LAYERS, "ReLU")
    text = """
        input: "data" input_shape { dim: 1 dim: 2 dim: 4 dim: 4 }
        layer { name: "bend" type: "ReLU" bottom: "data" top: "bend" }
    """
    with pytest.raises(InputError) as caught:
        run.Arbiter(graph.build(prototxt.parse(text, "net.prototxt")))
    assert str(caught.value).startswith(
        'net.prototxt: layer "bend" (ReLU): the arbiter cannot run this type; expected one of '
        "AbsVal, ArgMax, "
    )


def test_frozen_is_ignored_unless_it_is_to_be_respected() -> None:
    """A frozen BN computes in training as it does in inference, and keeps what it has."""
    text = """
        input: "data" input_shape { dim: 4 dim: 3 dim: 5 dim: 5 }
        layer { name: "frozen" type: "BN" bottom: "data" top: "frozen" bn_param { frozen: true } }
        layer { name: "free" type: "BN" bottom: "frozen" top: "free" }
    """
    net = graph.build(prototxt.parse(text))
    random = np.random.default_rng(0)
    images = run.tensors({"data": random.standard_normal((4, 3, 5, 5))})
    ignoring, respecting = run.Arbiter(net), run.Arbiter(net, respect_frozen=True)
    given = run.tensors(weights(ignoring))
    trained = ignoring.forward(images, given, training=True)
    frozen = respecting.forward(images, given, training=True)
    inferred = respecting.forward(images, given, training=False)
    assert not torch.equal(trained.blobs["frozen"], inferred.blobs["frozen"])
    assert torch.equal(frozen.blobs["frozen"], inferred.blobs["frozen"])
    assert set(trained.statistics) == {
        f"{layer}/{name}" for layer in ("frozen", "free") for name in ("mean", "variance")
    }
    assert set(frozen.statistics) == {"free/mean", "free/variance"}
    assert not torch.equal(frozen.blobs["free"], inferred.blobs["free"])


def test_blobs_are_told_as_they_are_made_and_kept_no_longer_than_they_are_read() -> None:
    arbiter = run.Arbiter(
        graph.build(prototxt.parse(exported(zoo.entry("dranet-cifar@16"), (16, 16))))
    )
    random = np.random.default_rng(0)
    images = run.tensors({"data": random.standard_normal((1, 3, 16, 16))})
    values = run.tensors(weights(arbiter))
    whole = arbiter.forward(images, values, training=True)
    told: dict[str, torch.Tensor] = {}
    found = arbiter.forward(images, values, training=True, seen=told.__setitem__)
    assert list(told) == list(whole.blobs)
    for name, blob in whole.blobs.items():
        torch.testing.assert_close(told[name], blob, rtol=0, atol=0)
    assert set(found.blobs) == {arbiter.logits, *arbiter.loss_weights}
    targets = torch.eye(10, dtype=torch.float64)[:1]
    assert arbiter.loss(found, targets) == arbiter.loss(whole, targets)
