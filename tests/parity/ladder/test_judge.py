"""The judge on evidence that is made of the arbiter's own numbers, as it is and altered."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranparity.caffe import prototxt
from ranparity.caffe.arbiter import run
from ranparity.caffe.arbiter.explained import answer
from ranparity.caffe.arbiter.solver import Solver
from ranparity.parity.ladder import decisions, judge, references, rounding
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.judge import FAIL, PASS, Result
from ranparity.parity.ladder.references import Asked, References
from ranparity.parity.ladder.store import Store, Writer

TEXT = """
name: "Small"
input: "data" input_shape { dim: 2 dim: 3 dim: 8 dim: 8 }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 6 bias_term: false kernel_size: 3 pad: 1 } }
layer { name: "conv1/bn" type: "BN" bottom: "conv1" top: "conv1/bn" }
layer { name: "relu" type: "ReLU" bottom: "conv1/bn" top: "conv1/bn" }
layer { name: "pool" type: "Pooling" bottom: "conv1/bn" top: "pool"
  pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool" top: "conv2"
  convolution_param { num_output: 6 bias_term: false kernel_size: 3 pad: 1 } }
layer { name: "conv2/bn" type: "BN" bottom: "conv2" top: "conv2/bn" }
layer { name: "sum" type: "Eltwise" bottom: "pool" bottom: "conv2/bn" top: "sum" }
layer { name: "fc" type: "InnerProduct" bottom: "sum" top: "fc"
  inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
CASE = Case("small", (8, 8), 2, levels=(1, 2, 3))
Alter = Callable[[dict[str, np.ndarray[Any, Any]]], None]


def scaled(factor: float, *names: str) -> Alter:
    """Multiplies the tensors of some names, where they are."""

    def alter(tensors: dict[str, Any]) -> None:
        for name in names:
            if name in tensors:
                tensors[name] = tensors[name] * np.float32(factor)

    return alter


def nothing(tensors: dict[str, Any]) -> None:
    del tensors


KERAS = {"weight": "kernel", "mean": "moving_mean", "variance": "moving_variance"}


def asked(*, training: bool) -> Asked:
    net = prototxt.parse(TEXT)
    random = np.random.default_rng(0)
    weights: dict[str, Any] = {}
    slots: dict[str, Any] = {}
    for layer, shape in (("conv1", (6, 3, 3, 3)), ("conv2", (6, 6, 3, 3))):
        weights[f"{layer}/weight"] = random.standard_normal(shape)
        weights |= {f"{layer}/bn/{name}": random.uniform(0.5, 2, 6) for name in ("slope", "bias")}
        weights |= {f"{layer}/bn/mean": random.standard_normal(6)}
        weights |= {f"{layer}/bn/variance": random.uniform(0.5, 2, 6)}
    weights |= {"fc/weight": random.standard_normal((5, 96)), "fc/bias": random.standard_normal(5)}
    weights = {name: x.astype(np.float32) for name, x in weights.items()}
    for name, value in weights.items():
        if not name.endswith(("mean", "variance")):
            slots[f"{name}/velocity"] = 0.01 * random.standard_normal(value.shape)
    images = random.standard_normal((2, 3, 8, 8)).astype(np.float32)
    if not training:
        return Asked(net, images, weights, training)
    targets = np.eye(5, dtype=np.float32)[:2]
    solver = Solver("caffe-sgd", 0.1, 0.9, 1e-4, 7)
    return Asked(net, images, weights, training, targets, slots, solver)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, References]:
    cache = tmp_path_factory.mktemp("references")
    return {x: references.find(asked(training=x), cache) for x in (False, True)}


def _in_keras(name: str, x: np.ndarray[Any, Any]) -> tuple[str, np.ndarray[Any, Any]]:
    layer, _, part = name.rpartition("/")
    if layer.endswith("/bn"):
        part = {"slope": "gamma", "bias": "beta"}.get(part, KERAS.get(part, part))
        return f"{layer}/{part}", x
    if part == "weight":
        return f"{layer}/kernel", x.transpose(2, 3, 1, 0) if x.ndim == 4 else x.T
    return name, x


def evidence(
    folder: Path,
    given: References,
    alter: Alter = nothing,
    *,
    run_too: Alter = nothing,
) -> Store:
    """What a backend would write, in float32, of the arbiter's answer; altered on the way."""
    made = answer(given.question)
    tensors = {name: x.numpy().astype(np.float32) for name, x in made.tensors.items()}
    alter(tensors)
    out = Writer(folder)
    level = "2" if given.question.training else "1"
    after = dict(tensors)
    run_too(after)
    same = ("weight/", "statistic/", "kept/") if run_too is nothing and level == "2" else ()
    _write(out, level, {n: x for n, x in tensors.items() if not n.startswith(tuple(same))})
    if level == "2":
        _write(out, "3", after)
    out.close()
    return Store(folder)


def _write(out: Writer, level: str, tensors: dict[str, Any]) -> None:
    for name, x in tensors.items():
        kind, _, rest = name.partition("/")
        if kind == "blob" and level != "3":
            out.add(f"{level}/blob/{rest}", x.transpose(0, 2, 3, 1) if x.ndim == 4 else x)
        elif kind in ("weight", "statistic"):
            out.add(f"{level}/weights/{_in_keras(rest, x)[0]}", _in_keras(rest, x)[1])
        elif kind in ("gradient", "kept"):
            of, slot = (rest, "gradient") if kind == "gradient" else rest.rsplit("/", 1)
            variable, value = _in_keras(of, x)
            out.add(f"{level}/slots/{variable}/{slot}", value)
        elif kind == "loss":
            out.add(f"{level}/loss", x)


def levels(found: dict[bool, References], folder: Path, alter: Alter = nothing) -> Iterator[Result]:
    one = evidence(folder / "1", found[False], alter)
    yield judge.forward(CASE, "it", one, found[False])
    two = evidence(folder / "2", found[True], alter)
    yield from judge.training(CASE, "it", two, found[True])


def test_the_arbiters_own_numbers_pass(found: dict[bool, References], tmp_path: Path) -> None:
    forward, gradient, update = levels(found, tmp_path)
    assert [r.verdict for r in (forward, gradient, update)] == [PASS] * 3
    assert [r.level for r in (forward, gradient, update)] == [1, 2, 3]
    assert [row.tensor for row in forward.rows] == [
        f"blob/{name}"
        for name in ("conv1", "conv1/bn", "relu", "pool", "conv2", "conv2/bn", "sum", "fc", "prob")
    ]
    names = [row.tensor for row in gradient.rows]
    assert "blob/prob" not in names, "training ends before the probabilities"
    assert names[8:10] == ["loss", "gradient/fc/bias"], "from the loss on back"
    assert len(gradient.rows) == 8 + 1 + 8 + 4
    assert len(update.rows) == 8 + 8 + 4
    content = gradient.to_json()
    assert (content["tensors"], content["first_difference"]) == (21, None)
    assert 0 < content["median_rho"] <= content["worst_rho"] < rounding.LIMIT


@pytest.mark.parametrize("blob", ["conv1", "relu", "pool", "sum", "fc"])
def test_the_first_blob_that_differs_is_named(
    found: dict[bool, References], tmp_path: Path, blob: str
) -> None:
    """And so are its layer's attributes and inputs, which agreed."""
    forward, gradient, _ = levels(found, tmp_path, scaled(1.01, f"blob/{blob}"))
    for result in (forward, gradient):
        assert result.verdict == FAIL
        assert result.first is not None
        assert (result.first.name, result.first.layer) == (blob, blob)
        assert result.first.inputs_agreed
    assert forward.first is not None
    if blob == "conv1":
        assert forward.first.attributes["kernel"] == "3x3"
    assert forward.to_json()["first_difference"] == blob


@pytest.mark.parametrize(
    ("tensor", "layer"),
    [
        ("statistic/conv1/bn/variance", "conv1/bn"),
        ("gradient/conv1/bn/slope", "conv1/bn"),
        ("weight/conv1/weight", "conv1"),
        ("kept/conv1/weight/velocity", "conv1"),
        ("kept/conv1/bn/bias/velocity", "conv1/bn"),
        ("run/weight/fc/bias", "fc"),
        ("blob/conv1/bn", "conv1/bn"),
        ("loss", ""),
    ],
)
def test_a_tensor_is_of_its_layer_and_not_of_one_whose_name_begins_it(
    found: dict[bool, References], tensor: str, layer: str
) -> None:
    arbiter = found[True].arbiter
    assert judge._difference(tensor, [], arbiter, judge._owners(arbiter)).layer == layer


def test_inputs_that_differ_are_told(found: dict[bool, References]) -> None:
    rows = [
        rounding.Row("blob/pool", rounding.DIFFERS),
        rounding.Row("blob/sum", rounding.DIFFERS),
    ]
    arbiter = found[False].arbiter
    difference = judge._difference("blob/sum", rows, arbiter, judge._owners(arbiter))
    assert difference.inputs == ("pool", "conv2/bn")
    assert difference.inputs_agreed is False


def test_a_gradient_is_named_with_the_layers_behind_it(
    found: dict[bool, References], tmp_path: Path
) -> None:
    """Gradients go back: conv2's weight is the first that differs, and conv1's come after."""
    names = ("conv1/bn/slope", "conv1/weight", "conv2/weight")
    alter = scaled(2, *(f"gradient/{name}" for name in names))
    _, gradient, _ = levels(found, tmp_path, alter)
    assert gradient.first is not None
    assert gradient.first.tensor == "gradient/conv2/weight"
    assert gradient.first.behind == ("conv2/bn",)


@pytest.mark.parametrize(
    ("tensor", "level"),
    [
        ("statistic/conv2/bn/variance", 2),
        ("weight/conv2/weight", 3),
        ("kept/fc/weight/velocity", 3),
        ("loss", 2),
    ],
)
def test_every_kind_of_tensor_can_fail(
    found: dict[bool, References], tmp_path: Path, tensor: str, level: int
) -> None:
    results = {r.level: r for r in levels(found, tmp_path, scaled(1.001, tensor))}
    assert results[1].verdict == PASS
    assert results[level].verdict == FAIL
    assert results[level].first is not None
    assert results[level].first.tensor == tensor


def test_each_layer_has_the_largest_rho_of_its_tensors(
    found: dict[bool, References], tmp_path: Path
) -> None:
    """A scale's gradient is of the layer alone, and rho is infinite where nothing was given."""

    def alter(tensors: dict[str, Any]) -> None:
        scaled(2, "gradient/conv1/bn/slope")(tensors)
        tensors.pop("kept/fc/bias/velocity", None)

    forward, gradient, update = levels(found, tmp_path, alter)
    names = ["conv1", "conv1/bn", "relu", "pool", "conv2", "conv2/bn", "sum", "fc", "prob"]
    for result in (forward, gradient, update):
        assert list(result.layers) == names
    assert list(forward.layers.values()) == [row.rho for row in forward.rows]
    far = [name for name, rho in gradient.layers.items() if rho and rho > rounding.LIMIT]
    assert far == ["conv1/bn"]
    rows = {row.tensor: row.rho or 0 for row in gradient.rows}
    assert gradient.layers["conv2"] == max(rows["blob/conv2"], rows["gradient/conv2/weight"])
    assert gradient.layers["prob"] is None
    assert update.layers["relu"] is None
    assert update.layers["fc"] == float("inf")
    assert judge.lockstep(CASE, "it", [(1, update)]).layers == {}


def test_what_is_not_given_is_not_passed_over(
    found: dict[bool, References], tmp_path: Path
) -> None:
    def alter(tensors: dict[str, Any]) -> None:
        tensors.pop("blob/pool")
        tensors.pop("gradient/conv1/weight", None)

    forward, gradient, _ = levels(found, tmp_path, alter)
    for result, tensor in ((forward, "blob/pool"), (gradient, "gradient/conv1/weight")):
        (row,) = [row for row in result.rows if row.tensor == tensor]
        assert row.verdict == rounding.NOT_COMPARABLE
        assert row.reason == "the backend has not given it"
        assert result.verdict == FAIL


def test_a_step_of_other_bits_is_judged_too(found: dict[bool, References], tmp_path: Path) -> None:
    """The step without probes: a rounding off is fine, and a thousandth is not."""
    for size, verdict in ((1e-7, PASS), (1e-2, FAIL)):

        def other(after: dict[str, Any], size: float = size) -> None:
            after["weight/fc/weight"] = after["weight/fc/weight"] * np.float32(1 + size)
            after["weight/conv1/weight"] = after["weight/conv1/weight"] * np.float32(1 + size)

        one = evidence(tmp_path / str(size), found[True], run_too=other)
        _, update = judge.training(CASE, "it", one, found[True])
        assert update.verdict == verdict
        assert len(update.rows) == 2 * 20 + 1
        if verdict == FAIL:
            assert update.first is not None
            assert update.first.tensor.startswith("run/weight/")


def test_a_turned_decision_within_the_noise_is_followed(
    found: dict[bool, References], tmp_path: Path
) -> None:
    """An element at the ReLU's edge: with it turned, gradients are another's, and still right."""
    given = found[True]
    x = torch_blob(given, "conv1/bn")
    place = np.unravel_index(int(np.argmin(np.abs(x))), x.shape)
    decided = given.arbiter.decisions({n: given.value(f"blob/{n}") for n in ("conv1/bn", "relu")})
    decided["relu"][tuple(map(int, place))] ^= True
    turned = answer(given.question, decisions=decided)
    tensors = {name: value.numpy().astype(np.float32) for name, value in turned.tensors.items()}

    def alter(out: dict[str, Any]) -> None:
        own = out["blob/conv1/bn"].copy()
        out |= tensors
        own[place] = -own[place]
        out["blob/conv1/bn"] = own

    one = evidence(tmp_path / "it", given, alter)
    gradient, _ = judge.training(CASE, "it", one, given)
    (differing,) = gradient.differing
    assert (differing.layer, differing.count, differing.of) == ("relu", 1, x.size)
    within = [row for row in gradient.rows if row.tensor.startswith("gradient/")]
    assert all(row.verdict == rounding.ROUNDING for row in within)
    assert differing.is_fault == (differing.margin > rounding.LIMIT)


def torch_blob(given: References, name: str) -> np.ndarray[Any, Any]:
    return np.asarray(given.value(f"blob/{name}"))


def test_a_decision_beyond_the_noise_is_a_fault(found: dict[bool, References]) -> None:
    given = found[True]
    blobs = {name: given.value(f"blob/{name}") for name in ("conv1/bn", "relu")}
    ours, theirs = given.arbiter.decisions(blobs), given.arbiter.decisions(blobs)
    theirs["relu"] = ~theirs["relu"]
    theirs["pool"] = (theirs["pool"] // 8) * 8
    both = list(decisions.compare(given, theirs, ours))
    assert [each.layer for each in both] == ["relu", "pool"]
    assert all(each.is_fault for each in both)
    result = Result(CASE, "it", 2, [rounding.Row("loss", rounding.IDENTICAL)], both)
    assert result.verdict == FAIL
    assert list(decisions.compare(given, ours, ours)) == []


def test_references_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    what = asked(training=True)
    first = references.find(what, tmp_path)
    monkeypatch.setattr(references, "noise_squares", None)
    again = references.find(what, tmp_path)
    for name in first.tensors:
        assert np.array_equal(first.tensors[name], again.tensors[name])
    other = dataclasses.replace(what, images=what.images + np.float32(1))
    assert other.digest != what.digest
    assert dataclasses.replace(
        what, solver=dataclasses.replace(what.solver, step=8)
    ).digest not in (
        what.digest,
        other.digest,
    )


def test_pairs_are_held_against_each_other(found: dict[bool, References], tmp_path: Path) -> None:
    one = evidence(tmp_path / "one", found[True])
    other = evidence(tmp_path / "other", found[True], scaled(1.01, "gradient/conv2/weight"))
    same = judge.pair(CASE, ("a", "b"), one, one, found[True])
    apart = judge.pair(CASE, ("a", "b"), one, other, found[True])
    assert {row.verdict for row in same.rows} == {rounding.IDENTICAL}
    assert (same.backend, same.verdict, apart.verdict) == ("a~b", PASS, FAIL)
    assert apart.first is not None
    assert apart.first.tensor == "gradient/conv2/weight"


def test_lockstep_names_the_step(found: dict[bool, References], tmp_path: Path) -> None:
    alter = scaled(2, "weight/fc/bias")
    good = list(levels(found, tmp_path / "good"))[2]
    bad = list(levels(found, tmp_path / "bad", alter))[2]
    result = judge.lockstep(CASE, "it", [(1, good), (5, bad)])
    assert (result.level, result.verdict) == (4, FAIL)
    assert [row.step for row in result.rows if row.verdict == rounding.DIFFERS] == [5]
    assert judge.lockstep(CASE, "it", [(1, good), (5, good)]).verdict == PASS


def test_tensors_are_of_the_right_names() -> None:
    """All that the arbiter gives is either judged or is an input."""
    given = asked(training=True).question()
    made = answer(given)
    kinds = {name.partition("/")[0] for name in made.tensors}
    assert kinds == {"blob", "statistic", "gradient", "weight", "kept", "loss"}
    assert run.tensors({"a": np.ones(1)})["a"].dtype.is_floating_point
