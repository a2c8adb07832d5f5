"""Each layer of the arbiter: against loops in NumPy, its rule's shapes, and finite differences."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
import torch

from ranparity.caffe import graph, prototxt
from ranparity.caffe.arbiter import run
from ranparity.caffe.arbiter.base import LAYERS, Call, Made
from ranparity.caffe.rules import RULES
from ranparity.caffe.rules.losses import LOSSES
from ranparity.models import caffe_weights, layers
from ranparity.models.export import to_prototxt
from tests.caffe.rules import (
    tables,
    test_activations,
    test_blobs,
    test_elements,
    test_maps,
    test_shaping,
)
from tests.models import cases
from tests.models.test_layers import error, expected

Array = np.ndarray[Any, Any]
NOT_RUN = {*LOSSES, "Accuracy", "DetectionOutput", "Embed", "PriorBox"}
"""Types that have a rule and make nothing that a net goes on with, or read what is no number."""
TABLES = (test_activations, test_blobs, test_elements, test_maps, test_shaping)
ROWS = [
    row
    for tables_ in TABLES
    for row in tables_.CASES
    if "STOCHASTIC" not in row.params
    and "use_global_stats" not in row.params
    and row.type not in NOT_RUN
]
STEPS = ("ArgMax", "Threshold")  # whose gradient is 0, or nowhere
MODES = {"Dropout": (False,)}  # of types that are not run in both
NOT_ALONE = ("Parameter", "SharedInnerProduct")  # no net of one layer has them


def rows(*types: str) -> list[Any]:
    return [pytest.param(row, id=f"{row.type} {row.params}") for row in ROWS if row.type in types]


def call(row: tables.Case, *, training: bool) -> Call:
    """A layer with random inputs and weights; what is kept is as after some training."""
    node = tables.node(row.type, row.params, len(row.bottoms), len(row.tops))
    facts = tables.apply(row.type, row.params, row.bottoms, len(row.tops))
    random = np.random.default_rng(0)

    sign = np.sign(facts.attributes["scale"]) if row.type == "Power" else 1.0  # for real powers

    def drawn(shape: tuple[int, ...]) -> torch.Tensor:
        return torch.tensor(sign * random.uniform(0.5, 2.0, shape), requires_grad=True)

    bottoms = [drawn(shape) for shape in row.bottoms]
    if row.type == "Upsample":  # the second one has places, each once
        count = math.prod(row.bottoms[0][2:])
        bottoms[1] = torch.arange(count, dtype=torch.float64).expand(row.bottoms[0][0], -1)
        bottoms[1] = bottoms[1].reshape(-1, 1, *row.bottoms[0][2:]).expand(row.bottoms[0])
    return Call(
        node,
        facts,
        bottoms,
        {name: drawn(shape) for name, shape in facts.parameters.items()},
        {name: drawn(shape).detach() for name, shape in facts.statistics.items()},
        training,
    )


def made(given: Call) -> Made:
    return LAYERS[given.node.type].operation(given)


def test_every_type_that_has_a_rule_can_be_run() -> None:
    assert set(LAYERS) == set(RULES) - NOT_RUN
    assert {row.type for row in ROWS} == set(LAYERS)


@pytest.mark.parametrize("row", rows(*LAYERS))
def test_shapes_are_those_of_the_rule(row: tables.Case) -> None:
    for training in MODES.get(row.type, (False, True)):
        given = call(row, training=training)
        found = made(given)
        assert tuple(tuple(top.shape) for top in found.tops) == given.facts.tops
        assert all(top.dtype == torch.float64 for top in found.tops)
        assert set(found.statistics) <= set(given.facts.statistics)
        for name, value in found.statistics.items():
            assert tuple(value.shape) == given.facts.statistics[name]
            assert not value.requires_grad


@pytest.mark.parametrize("row", rows(*set(LAYERS).difference(STEPS)))
@pytest.mark.parametrize("training", [False, True])
def test_gradients_are_finite_differences(row: tables.Case, training: bool) -> None:
    given = call(row, training=training and True in MODES.get(row.type, (True,)))
    names = list(given.weights)

    def function(*inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        bottoms, weights = inputs[: len(given.bottoms)], inputs[len(given.bottoms) :]
        values = (given.node, given.facts, bottoms, dict(zip(names, weights, strict=True)))
        found = made(Call(*values, given.statistics, given.training)).tops
        return tuple(top for top in found if top.requires_grad)  # places have no gradient

    inputs = (*given.bottoms, *given.weights.values())
    assert torch.autograd.gradcheck(function, inputs, fast_mode=True)


def alone(case: cases.LayerCase) -> tuple[run.Arbiter, dict[str, Array]]:
    """An arbiter of one Keras layer, exported, and the layer's variables."""
    given = [keras.Input(shape[1:], batch_size=shape[0]) for shape in case.inputs]
    arguments = dict(case.arguments)
    if case.layer in cases.ON_MAPS:
        arguments["data_format"] = "channels_last"
    layer = getattr(layers, case.layer)(caffe_name="it", caffe_order=0, **arguments)
    model = keras.Model(given, layer(given if len(given) > 1 else given[0]))
    values = {f"it/{x.name}": cases.value(x.name, tuple(x.shape)) for x in layer.variables}
    net = graph.build(prototxt.parse(to_prototxt(model, case.name)))
    shapes = {x.name: nchw(shape) for x, shape in zip(net.inputs, case.inputs, strict=True)}
    return run.Arbiter(net, shapes), values


def nchw(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0], shape[3], *shape[1:3]) if len(shape) == 4 else shape


def transposed(x: Array) -> Array:
    return x.transpose(0, 3, 1, 2) if x.ndim == 4 else x


@pytest.mark.parametrize(
    "name", [name for name, case in cases.LAYERS.items() if case.layer not in NOT_ALONE]
)
def test_values_are_those_of_caffes_loops(name: str) -> None:
    case = cases.LAYERS[name]
    arbiter, values = alone(case)
    inputs = {
        given.name: transposed(x)
        for given, x in zip(arbiter.graph.inputs, cases.inputs(case), strict=True)
    }
    found = arbiter.forward(
        run.tensors(inputs),
        run.tensors(caffe_weights.named(values)),
        training=case.training,
    )
    (step,) = arbiter.steps
    blobs = [found.blobs[top].numpy() for top in step.node.outputs]
    wanted = expected(case)
    for place, blob in enumerate(blobs):
        assert error(blob, transposed(wanted[f"y{place or ''}"])) <= cases.FLOAT64
    statistics = {what for what in wanted if not what.startswith("y")}
    assert {name.removeprefix("it/") for name in found.statistics} == statistics
    for what in statistics:
        assert error(found.statistics[f"it/{what}"].numpy(), wanted[what]) <= cases.FLOAT64


def test_a_slice_cuts_where_it_is_told_to() -> None:
    params = "slice_param { axis: 1 slice_point: 1 slice_point: 4 }"
    row = tables.Case("Slice", params, [(2, 6)], [(2, 1), (2, 3), (2, 2)])
    given = call(row, training=False)
    x = given.bottoms[0].detach().numpy()
    for top, part in zip(made(given).tops, np.split(x, [1, 4], axis=1), strict=True):
        np.testing.assert_array_equal(top.detach().numpy(), part)


def test_batch_norm_keeps_sums_and_a_factor() -> None:
    """Two steps of training, then inference with the sums over the factor, by Caffe's loops."""
    row = next(row for row in ROWS if row.type == "BatchNorm" and len(row.bottoms[0]) == 4)
    given = call(row, training=True)
    (x,) = (bottom.detach().numpy() for bottom in given.bottoms)
    axes, count = (0, 2, 3), x.size / x.shape[1]
    fraction = float(given.facts.attributes["moving_average_fraction"])
    kept = {name: value.numpy() for name, value in given.statistics.items()}
    found = made(given)
    batch = {"mean": x.mean(axes), "variance": x.var(axes) * count / (count - 1), "factor": 1.0}
    for name, value in batch.items():
        np.testing.assert_allclose(found.statistics[name], fraction * kept[name] + value)
    frozen = call(row, training=False)
    mean, variance = (kept[name] / kept["factor"] for name in ("mean", "variance"))
    eps = float(frozen.facts.attributes["eps"])
    wanted = (x - mean[:, None, None]) / np.sqrt(variance[:, None, None] + eps)
    np.testing.assert_allclose(made(frozen).tops[0].detach().numpy(), wanted)


def test_use_global_stats_decides_in_every_phase() -> None:
    for stated in (True, False):
        params = f"batch_norm_param {{ use_global_stats: {str(stated).lower()} }}"
        row = tables.Case("BatchNorm", params, [(4, 3)], (4, 3))
        tops = [made(call(row, training=training)).tops[0] for training in (False, True)]
        torch.testing.assert_close(tops[0], tops[1], rtol=0, atol=0)
        assert bool(made(call(row, training=True)).statistics) is not stated


def test_a_decision_takes_the_place_of_the_bottoms() -> None:
    row = tables.Case("ReLU", "", [(1, 2, 1, 1)], (1, 2, 1, 1))
    given = call(row, training=True)
    passes = torch.tensor([True, False]).reshape(1, 2, 1, 1)
    forced = Call(given.node, given.facts, given.bottoms, {}, {}, training=True, decision=passes)
    first, second = made(forced).tops[0].detach().flatten()
    assert (float(first), float(second)) == (float(given.bottoms[0].detach().flatten()[0]), 0.0)


def test_a_max_pool_takes_the_element_that_was_decided_on() -> None:
    params = "pooling_param { pool: MAX kernel_size: 2 stride: 2 }"
    row = tables.Case("Pooling", params, [(1, 1, 2, 2)], (1, 1, 1, 1))
    given = call(row, training=True)
    flat = given.bottoms[0].detach().flatten()
    largest = made(given)
    assert int(largest.decision.flatten()) == int(flat.argmax())
    for place in range(4):
        index = torch.full((1, 1, 1, 1), place)
        forced = Call(given.node, given.facts, given.bottoms, {}, {}, training=True, decision=index)
        assert float(made(forced).tops[0].detach()) == float(flat[place])
