"""The nets that are measured against are the net: in PyTorch alone, and in plain Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ranparity.benchmarks import plain
from ranparity.benchmarks.case import LAYOUTS, STEP, Case
from ranparity.benchmarks.native import Native, Net
from ranparity.benchmarks.worker import batch
from ranparity.caffe import graph, prototxt
from ranparity.caffe.arbiter.run import Arbiter
from ranparity.errors import InputError
from ranparity.models import zoo

MODELS = ("resnet18-cifar", "attention56-cifar")
NAMES = {"slope": "weight", "mean": "running_mean", "variance": "running_var"}


def filled(net: Net, case: Case, random: np.random.Generator) -> dict[str, Any]:
    """Gives the net's modules numbers, and gives these by Caffe's names for them."""
    layers, _ = case.layers()
    given = {}
    for place, (node, facts) in enumerate(layers):
        module = net.get_submodule(str(place))
        shapes = {**facts.parameters, **facts.statistics}
        for name, shape in shapes.items():
            count = np.prod(shape[1:], dtype=int)
            drawn = random.standard_normal(shape) / np.sqrt(count)
            value = torch.tensor(np.abs(drawn) + 0.5 if len(shape) == 1 else drawn)
            given[f"{node.name}/{name}"] = value
            holder = module[1] if isinstance(module, torch.nn.Sequential) else module
            with torch.no_grad():
                getattr(holder, NAMES.get(name, name)).copy_(value)
    return given


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_it_computes_what_the_prototxt_says(model: str, training: bool) -> None:
    case = Case(model, 3)
    random = np.random.Generator(np.random.Philox(4))
    net = Net(case).double().train(training)
    weights = filled(net, case, random)
    images = torch.from_numpy(random.standard_normal((3, 3, 32, 32)))
    with torch.no_grad():
        found = net(images).numpy()
    arbiter = Arbiter(
        graph.build(prototxt.read(zoo.entry(model).prototxt)), {"data": (3, 3, 32, 32)}
    )
    blobs = arbiter.forward({"data": images}, weights, training=training).blobs
    expected = blobs[arbiter.graph.nodes[-1].inputs[0]].numpy()
    assert np.abs(found - expected).max() < 1e-10 * np.abs(expected).max()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_step_moves_every_weight_in_its_layout(layout: str) -> None:
    case = Case("resnet18-cifar", 2, "cpu")
    native = Native(case, layout)
    before = [weight.detach().clone() for weight in native._net.parameters()]
    native.training_step(*batch(case))
    after = list(native._net.parameters())
    assert all(not torch.equal(one, other) for one, other in zip(before, after, strict=True))
    kernels = [weight for weight in after if weight.ndim == 4 and min(weight.shape) > 1]
    last = layout == LAYOUTS[0]
    assert all(kernel.is_contiguous() != last for kernel in kernels)


def test_a_forward_pass_leaves_statistics_as_they_are() -> None:
    case = Case("resnet18-cifar", 2, "cpu")
    native = Native(case, LAYOUTS[0])
    before = {name: value.clone() for name, value in native._net.named_buffers()}
    native.forward(batch(case)[0])
    assert all(torch.equal(value, before[name]) for name, value in native._net.named_buffers())


@pytest.mark.parametrize("model", [*MODELS, "attentionnext56"])
def test_plain_keras_has_the_same_numbers_of_weights_and_operations(model: str) -> None:
    case = Case(model, 1)
    net, integers = plain.model_of(case), zoo.entry(model).integers
    assert integers is not None
    assert net.count_params() == integers.parameters_with_statistics
    convolutions = [layer for layer in net.layers if hasattr(layer, "dilation_rate")]
    dense = [layer for layer in net.layers if hasattr(layer, "units")]
    macs = sum(
        np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:3]) for layer in convolutions
    ) + sum(np.prod(layer.kernel.shape) for layer in dense)
    assert macs == integers.macs
    assert case.flops(STEP) == 6 * integers.macs


@pytest.mark.parametrize("build", [Net, plain.model_of])
def test_a_net_of_another_kind_is_refused_at_its_layer(build: Any) -> None:
    with pytest.raises(InputError, match=r'layer ".+" \(\w+\): the benchmark\'s net in .+ has no'):
        build(Case("dranet-cifar", 1))
