"""The arbiter of a model without a prototxt: its noise, and that it catches what differs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from ranparity.caffe.arbiter.noise import Noise
from ranparity.parity.ladder import keras_arbiter
from ranparity.parity.ladder import run as ladder_run
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.keras_arbiter import Noisy, terms
from ranparity.parity.ladder.probe import Factors
from ranparity.parity.ladder.run import Found, Ladder


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (layers.Conv2D(6, 3, padding="same"), (8, 8, 4), (36, 54, 2 * 64)),
        (layers.Conv2D(6, 3, data_format="channels_first"), (4, 8, 8), (36, 54, 2 * 36)),
        (layers.DepthwiseConv2D(3, padding="same"), (8, 8, 4), (9, 9, 2 * 64)),
        (layers.Dense(5), (7,), (7, 5, 2)),
        (layers.GlobalAveragePooling2D(), (8, 8, 4), (64, 1, 2)),
        (layers.UpSampling2D(2), (8, 8, 4), (1, 4, 2 * 256)),
        (layers.ReLU(), (8, 8, 4), (1, 1, 2 * 64)),
    ],
)
def test_how_many_terms_a_layer_adds_up_is_read_off_its_shapes(
    layer: Any, shape: tuple[int, ...], expected: tuple[int, int, int]
) -> None:
    x = keras.Input(shape)
    found = terms(layer, [x], [layer(x)], batch=2)
    assert (found.forward, found.backward, found.weights) == expected


@pytest.mark.parametrize("gradient", [False, True])
def test_factors_are_of_the_value_or_of_the_gradient(gradient: bool) -> None:
    import torch

    layer = Factors("any", 2, gradient=gradient)
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert torch.equal(layer(x), x), "as new, they are ones"
    layer.factors.assign([[2.0, 4.0], [8.0, 16.0]])
    made = layer(x)
    (slope,) = torch.autograd.grad(made.sum(), x)
    factors, ones = [[2.0, 4.0], [8.0, 16.0]], [[1.0, 1.0], [1.0, 1.0]]
    assert slope.tolist() == (factors if gradient else ones)
    moved = [[2.0, 8.0], [24.0, 64.0]]
    assert made.tolist() == (x.tolist() if gradient else moved)


def test_a_noisy_model_says_what_each_call_reads_and_makes() -> None:
    x = keras.Input((4, 4, 3), name="given")
    shared = layers.Conv2D(3, 1, name="shared")
    y = layers.BatchNormalization(name="bn")(shared(shared(x)))
    model = keras.Model(x, y)
    found = Noisy(model, 2)
    said = [(each["name"], each["inputs"], each["outputs"]) for each in found.layers]
    assert said == [
        ("shared", ["given"], ["shared"]),
        ("shared:2", ["shared"], ["shared:2"]),
        ("bn", ["shared:2"], ["bn"]),
    ]
    assert found.layers[2]["weights"] == ["bn/gamma", "bn/beta"]
    assert found.layers[2]["statistics"] == ["bn/moving_mean", "bn/moving_variance"]
    assert found.layers[0]["attributes"]["filters"] == 3
    batch = np.random.default_rng(0).standard_normal((2, 4, 4, 3)).astype(np.float32)
    exact, noisy = (keras.ops.convert_to_numpy(net(batch)) for net in (model, found.model))
    assert np.array_equal(exact, noisy), "with factors of 1 it is the model"


def test_noise_is_the_mean_square_over_runs() -> None:
    def give(moment: Any, noise: Noise | None) -> Iterator[tuple[str, Any]]:
        del moment
        yield "blob/a", np.ones(3) + (noise.run + 1 if noise else 0)

    moment: Any = None
    exact = dict(give(moment, None))
    found = keras_arbiter._squares(give, moment, exact, 1.0, 3)
    assert found["blob/a"] == pytest.approx(3 * (1 + 4 + 9) / 3)


SOURCE = """
import keras
from keras import layers

FAULTY = {faulty!r}

def build():
    backend = keras.backend.backend() if FAULTY else ""
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(6, 3, padding="same", activation="relu", name="conv1")(x)
    eps = 1.1e-3 if backend == "jax" else 1e-3
    y = layers.BatchNormalization(epsilon=eps, name="bn1")(y)
    z = layers.Conv2D(6, 3, padding="same", use_bias=False, name="conv2")(y)
    momentum = 0.98 if backend == "torch" else 0.99
    z = layers.BatchNormalization(momentum=momentum, name="bn2")(z)
    y = layers.MaxPooling2D(name="pool")(layers.Add(name="add")([y, z]))
    y = layers.Flatten(name="flat")(y)
    y = layers.Reshape((16, 6), name="tokens")(y)
    y = layers.MultiHeadAttention(2, 4, name="attention")(y, y)
    return keras.Model(x, layers.Dense(4, name="fc")(layers.Flatten(name="row")(y)))
"""


def run(
    faulty: bool, levels: tuple[int, ...], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Found:
    (folder / f"faulty_{faulty}.py").write_text(SOURCE.format(faulty=faulty), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    ladder = Ladder(["torch", "jax"], folder / "work", folder / "cache", lambda _: None)
    return ladder.run(Case(f"faulty_{faulty}:build", (), 4, levels=levels, steps=4, twins=2))


def test_a_model_passes_all_levels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its attention's key bias has a gradient of 0, of which every backend has roundings alone."""
    found = run(False, (1, 2, 3, 4, 5), tmp_path, monkeypatch)
    assert not found.failures
    assert found.arbiter == "tensorflow, float64"
    assert found.verdict == "pass"
    assert [(r.backend, r.level) for r in found.results] == [
        (backend, level) for backend in ("torch", "jax") for level in (1, 2, 3, 4)
    ]
    for result in found.results:
        assert 0 < max(result.rhos) < 20
    rows = {row.tensor: row for row in found.results[1].rows}
    assert {"blob/attention", "gradient/attention/key/bias", "statistic/bn2/moving_mean"} <= set(
        rows
    )
    assert set(found.runs["verdicts"].values()) == {"pass"}


def test_what_each_backend_computes_otherwise_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JAX has another eps in one layer, torch another momentum in another one."""
    found = run(True, (1, 2), tmp_path, monkeypatch)
    firsts = {(result.backend, result.level): result.first for result in found.results}
    assert firsts[("torch", 1)] is None
    for key, tensor in {
        ("torch", 2): "statistic/bn2/moving_mean",
        ("jax", 1): "blob/bn1",
        ("jax", 2): "blob/bn1",
    }.items():
        first = firsts[key]
        assert first is not None
        assert (first.tensor, first.type) == (tensor, "BatchNormalization")
        assert first.inputs_agreed


@pytest.mark.parametrize("whole", [True, False])
def test_an_arbiter_of_which_keras_makes_float32_says_so(
    whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def done(*_: Any) -> Iterator[dict[str, Any]]:
        yield {"whole": whole, "peak_memory": 1}

    monkeypatch.setattr(ladder_run, "stream", done)
    ladder = Ladder(["torch"], tmp_path / "work", tmp_path / "cache", print, arbiter="torch")
    found = Found(Case("any:build", (), 2), arbiter="torch, float64")
    ladder._ask_keras(found, tmp_path)
    end = "" if whole else ", of which Keras makes float32 in places"
    assert found.arbiter == f"torch, float64{end}"
