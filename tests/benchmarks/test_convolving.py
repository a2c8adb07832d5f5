"""What is timed of a convolution is what a step does of it, and no more, on each backend."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from ranparity.benchmarks import convolving
from ranparity.benchmarks.convolutions import FORWARD, INPUT, PRODUCT, WEIGHT, Convolution
from ranparity.workers import stream
from tests.conftest import BACKENDS
from tests.models.test_attention import FLOAT32
from tests.models.test_layers import error
from tests.programs import ROOT

SHAPES = (  # without dilations, which TensorFlow has no gradients of on a CPU
    Convolution((2, 3, 9, 8), (2, 5, 5, 4), (3, 3), (2, 2), (1, 1), (1, 1), 1, False),
    Convolution((2, 6, 8, 8), (2, 4, 8, 8), (3, 3), (1, 1), (1, 1), (1, 1), 1, True),
    Convolution((2, 6, 7, 7), (2, 4, 7, 7), (1, 1), (1, 1), (0, 0), (1, 1), 1, True),
    Convolution((2, 6, 7, 7), (2, 16, 4, 4), (1, 1), (2, 2), (0, 0), (1, 1), 1, True),
    Convolution((2, 6, 8, 8), (2, 4, 4, 4), (3, 3), (2, 2), (1, 1), (1, 1), 2, True),
)


@pytest.fixture(scope="module", params=BACKENDS)
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a backend made, and the seconds of the slow pass and its gradients."""
    path = tmp_path_factory.mktemp("operated") / "made.npz"
    shapes = json.dumps([dataclasses.asdict(shape) for shape in SHAPES])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        (seconds,) = stream(request.param, "tests.benchmarks.operated", [str(path), shapes])
    return read(path), seconds


def read(path: Path) -> dict[str, Any]:
    with np.load(path) as file:
        return dict(file)


def expected(convolution: Convolution) -> dict[str, Any]:
    """The same in float64, by PyTorch's own convolution of NCHW maps and an OIHW weight."""
    x, weight, top, left, right = (
        torch.tensor(array, dtype=torch.float64) for array in convolving.numbers(convolution)
    )
    leaves = x.permute(0, 3, 1, 2).requires_grad_(), weight.permute(3, 2, 0, 1).requires_grad_()
    how = (convolution.stride, convolution.pad, convolution.dilation, convolution.group)
    y = functional.conv2d(*leaves, None, *how)
    assert y.shape == convolution.top
    by_input, by_weight = torch.autograd.grad(y, leaves, top.permute(0, 3, 1, 2))
    found = {FORWARD: y.permute(0, 2, 3, 1), WEIGHT: by_weight.permute(2, 3, 1, 0)}
    if convolution.input_gradient:
        found[INPUT] = by_input.permute(0, 2, 3, 1)
    product = left @ right if convolution.group > 1 else left[0] @ right[0]
    return {what: made.detach().numpy() for what, made in (found | {PRODUCT: product}).items()}


def test_the_passes_and_the_product_are_right(done: Any) -> None:
    made, _ = done
    wanted = {
        f"{place}/{what}": array
        for place, convolution in enumerate(SHAPES)
        for what, array in expected(convolution).items()
    }
    assert set(made) == set(wanted)
    assert {name: array.dtype for name, array in made.items()} == dict.fromkeys(made, np.float32)
    off = {name: error(made[name], wanted[name]) for name in made}
    assert {name: far for name, far in off.items() if not far <= FLOAT32} == {}


def test_a_gradient_is_timed_without_the_forward_pass(done: Any) -> None:
    _, seconds = done
    assert max(seconds[WEIGHT], seconds[INPUT]) < seconds[FORWARD] / 2


def test_passes_take_turns_after_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def actions(*_: Any) -> Any:
        return {what: lambda w=what: order.append(w) for what in ("a", "b")}  # type: ignore[misc]

    class Own:
        wait = staticmethod(order.append)

    monkeypatch.setattr(convolving, "actions", actions)
    monkeypatch.setattr(convolving.operators, "loaded", lambda _: Own)
    found = convolving.timed("torch", SHAPES[0], 2, 3)
    assert order == ["a", None, "b", None] * 5
    assert {what: len(seconds) for what, seconds in found.items()} == {"a": 3, "b": 3}
