"""Explained noise: float32 stays within it, a fault does not, and it comes again."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from ranparity.caffe import graph, prototxt
from ranparity.caffe.arbiter import run
from ranparity.caffe.arbiter.explained import Question, Reference, answer, explained
from ranparity.caffe.arbiter.noise import UNIT_ROUNDOFF
from ranparity.caffe.arbiter.solver import Solver
from ranparity.commands.export import exported
from ranparity.models import zoo
from tests.caffe.arbiter.test_nets import weights

UNIT = UNIT_ROUNDOFF["float32"]
SIZE, BATCH = 16, 4
MOST = 10
"""What float32 may be of the noise, here only: these nets show 2 at most, the fault over 100."""


def text(name: str) -> str:
    return exported(zoo.entry(name), (SIZE, SIZE))


def question(source: str, dtype: torch.dtype = torch.float64) -> Question:
    """A training step of a net, from float32 numbers in whichever precision."""
    net = graph.build(prototxt.parse(source))
    (given,) = net.inputs
    arbiter = run.Arbiter(net, {given.name: (BATCH, 3, SIZE, SIZE)})
    random = np.random.default_rng(0)
    images = random.standard_normal((BATCH, 3, SIZE, SIZE)).astype(np.float32)
    values = {name: torch.tensor(x.astype(np.float32)) for name, x in weights(arbiter).items()}
    kept = {
        name: {"velocity": torch.tensor(random.standard_normal(shape), dtype=torch.float32)}
        for name, shape in arbiter.parameters.items()
    }
    return Question(
        arbiter,
        {given.name: torch.tensor(images).to(dtype)},
        {name: x.to(dtype) for name, x in values.items()},
        training=True,
        targets=torch.eye(10, dtype=dtype)[:BATCH],
        solver=Solver("caffe-sgd", 0.1, 0.9, 1e-4),
        kept={name: {"velocity": x["velocity"].to(dtype)} for name, x in kept.items()},
    )


def ratio(found: torch.Tensor, wanted: Reference) -> float:
    """A distance in terms of the explained noise."""
    distance = float(np.linalg.norm(found.to(torch.float64).numpy() - wanted.value))
    least = UNIT * float(np.linalg.norm(wanted.value))
    return distance / max(wanted.noise, least) if distance else 0.0


@pytest.mark.parametrize("name", ["attention56-cifar@16", "resnet18-cifar@16", "dranet-cifar@16"])
def test_float32_is_within_the_noise(name: str) -> None:
    """Every blob, statistic, gradient and new weight of a step that PyTorch takes in float32."""
    source = text(name)
    single = answer(question(source, torch.float32))
    references, _ = explained(question(source), UNIT, decisions=single.decisions)
    ratios = {what: ratio(x, references[what]) for what, x in single.tensors.items()}
    kinds = {what.partition("/")[0] for what in ratios}
    assert kinds == {"blob", "statistic", "gradient", "weight", "kept", "loss"}
    assert max(ratios.values()) < MOST
    assert max(ratios.values()) > 0.05, "the noise is not so large that it explains anything"


def test_a_fault_is_far_out_of_it_and_begins_at_its_layer() -> None:
    source = text("attention56-cifar@16")
    place = "pre_res_1/branch1/conv2_3x3/bn"
    faulty = question(source, torch.float32)
    steps = [
        with_eps(step, 1e-3) if step.node.name == place else step for step in faulty.arbiter.steps
    ]
    faulty.arbiter.steps = tuple(steps)
    single = answer(faulty)
    references, _ = explained(question(source), UNIT, decisions=single.decisions)
    blobs = [name for step in steps for name in step.node.outputs]
    ratios = {
        name: ratio(single.tensors[f"blob/{name}"], references[f"blob/{name}"]) for name in blobs
    }
    first = next(name for name in blobs if ratios[name] > MOST)
    assert first == place
    assert ratios[first] > 10 * MOST


def with_eps(step: run.Step, eps: float) -> run.Step:
    attributes = {**step.facts.attributes, "eps": eps}
    return dataclasses.replace(step, facts=dataclasses.replace(step.facts, attributes=attributes))


def test_it_comes_again_and_depends_on_the_seed() -> None:
    asked = question(text("resnet18-cifar@16"))

    def noises(seed: int) -> dict[str, Any]:
        found, _ = explained(asked, UNIT, seed=seed, runs=2)
        return {name: reference.noise for name, reference in found.items()}

    first = noises(0)
    assert noises(0) == first
    assert noises(1) != first
    inputs = [name for name in first if name == f"blob/{asked.arbiter.graph.inputs[0].name}"]
    assert [first[name] for name in inputs] == [0.0]


def test_noise_grows_with_the_roundoff() -> None:
    """In proportion, so that the noise of float64, whose factors have no numbers, is known too."""
    asked = question(text("resnet18-cifar@16"))
    single, finer = (explained(asked, UNIT * part, runs=1)[0] for part in (1, 2.0**-12))
    for name in ("blob/fc1000", "gradient/conv1/weight", "weight/conv1/weight"):
        assert single[name].noise / finer[name].noise == pytest.approx(2.0**12, rel=0.01)
