"""Anyone's model: what is refused and how, what tensors are called, what is fed to it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from ranparity.data.tape import Tape
from ranparity.errors import InputError
from ranparity.parity.ladder import imported, probe
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.imported import Imported

SOURCE = """
import keras
from keras import layers

def plain():
    x = keras.Input((4, 4, 3))
    y = layers.Conv2D(6, 3, padding="same", name="conv")(x)
    y = layers.BatchNormalization(name="bn")(y)
    return keras.Model(x, layers.Dense(5, name="fc")(layers.Flatten(name="flat")(y)))

def nested():
    x, inner = keras.Input((4,)), keras.Input((4,), name="given")
    block = keras.Model(inner, layers.Dense(4, name="dense")(inner), name="block")
    shared = layers.Dense(4, name="shared")
    y = keras.ops.relu(shared(shared(block(x))))
    return keras.Model(x, [layers.Dense(1, name="one")(y), layers.Reshape((2, 2), name="map")(y)])

def tokens():
    x = keras.Input((6,), dtype="int32")
    y = layers.LSTM(3, name="lstm")(layers.Embedding(7, 4, name="known")(x))
    return keras.Model(x, layers.Dense(1, name="fc")(y))

def sequential():
    return keras.Sequential([keras.Input((4,)), layers.Dense(3, name="fc")])

def random():
    return keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dropout(0.5, name="drop")])

def recurrent():
    x = keras.Input((6, 2))
    return keras.Model(x, layers.LSTM(3, recurrent_dropout=0.1, name="lstm")(x))

def half():
    x = keras.Input((4,))
    return keras.Model(x, layers.Dense(3, dtype="bfloat16", name="low")(x))

def two():
    x, y = keras.Input((4,)), keras.Input((4,))
    return keras.Model([x, y], layers.Dense(3)(x + y))

def open_sides():
    x = keras.Input((None, None, 3))
    return keras.Model(x, layers.Conv2D(3, 1)(x))

def fixed():
    x = keras.Input((4,))
    return keras.Model(x, 2 * x)

class Sub(keras.Model):
    def call(self, x):
        return x

def sub():
    return Sub()

def number():
    return 3

def broken():
    raise ValueError("no such\\n  thing")

def greedy(size):
    return size
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imported_models.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "imported_models", raising=False)


def subject(function: str, batch: int = 2) -> Imported:
    return Imported(Case(f"imported_models:{function}", (), batch))


@pytest.mark.parametrize(
    ("function", "line"),
    [
        ("random", "layer drop (Dropout) draws random numbers"),
        ("recurrent", "layer lstm (LSTM) draws random numbers"),
        ("half", "layer low (Dense) computes in bfloat16 by a dtype of its own, where float32"),
        ("two", "expected one input. Received: 2"),
        ("open_sides", "fixed shape. Received: (None, None, None, 3)"),
        ("fixed", "expected weights that are trained"),
        ("sub", "Received: Sub, whose layers cannot be seen: give keras.Model(x, model(x))"),
        ("number", "expected a Keras model. Received: int"),
        ("broken", "On torch it failed. ValueError: no such thing"),
        ("greedy", "a function without arguments that returns a Keras model. On torch it failed"),
        ("absent", "AttributeError: module 'imported_models' has no attribute 'absent'"),
    ],
)
def test_what_cannot_be_run_is_one_clear_line(function: str, line: str) -> None:
    with pytest.raises(InputError) as caught:
        subject(function)
    message = str(caught.value)
    assert message.startswith(f"imported_models:{function}: ")
    assert line in message
    assert "\n" not in message


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="ModuleNotFoundError: No module named 'absent'"):
        Imported(Case("absent.module:build", (), 2))


def blobs(made: Imported) -> dict[str, tuple[int | None, ...]]:
    return dict(probe.flat(made.inferred())[1])


def test_each_layer_and_operation_has_a_blob_of_its_name() -> None:
    assert blobs(subject("plain")) == {
        "conv": (None, 4, 4, 6),
        "bn": (None, 4, 4, 6),
        "flat": (None, 96),
        "fc": (None, 5),
    }


def test_a_layer_called_again_is_numbered_and_a_model_within_is_one_layer() -> None:
    made = subject("nested")
    found = blobs(made)
    assert list(found)[:3] == ["block", "shared", "shared:2"]
    assert {"one", "map"} <= set(found)
    assert found[list(found)[-1]] == (None, 5), "all outputs are logits in one row"
    assert made.trained().output_shape == (None, 5)


def test_variables_go_by_their_path_within_the_layer() -> None:
    trained = subject("nested").trained()
    start = subject("nested").start(trained, Tape(0), {})
    assert {"block/dense/kernel", "shared/kernel", "one/bias"} <= set(start)
    trained = subject("tokens").trained()
    assert "lstm/lstm_cell/recurrent_kernel" in subject("tokens").start(trained, Tape(0), {})


def test_one_unit_is_a_logit_beside_a_0_and_tokens_are_those_that_are_known() -> None:
    made = subject("tokens", batch=500)
    model = made.trained()
    inputs, targets = made.batch(Tape(3))
    assert inputs.shape == (500, 6)
    assert set(np.unique(inputs)) == set(range(7))
    assert targets.shape == (500, 2)
    found = keras.ops.convert_to_numpy(model(inputs[:4]))
    assert found.shape == (4, 2)
    assert not found[:, 1].any()
    feed, words = made.feed()
    assert words == "tokens of the tape"
    assert not np.array_equal(feed(0)[0], feed(1)[0])
    assert np.array_equal(feed(1)[0], feed(1)[0])


def test_a_sequential_model_is_taken_and_kept_as_it_begins() -> None:
    made = subject("sequential")
    model = made.trained()
    start = made.start(model, Tape(0), {})
    assert set(start) == {"fc/kernel", "fc/bias"}
    other = {name: value + 1 for name, value in start.items()}
    assert made.start(model, Tape(0), other).keys() == other.keys()
    assert np.array_equal(keras.ops.convert_to_numpy(model.weights[0].value), other["fc/kernel"])


def test_what_is_as_new_is_moved_and_what_the_model_brings_is_not() -> None:
    start: dict[str, Any] = {
        "bn/gamma": np.ones(50, np.float32),
        "bn/beta": np.zeros(50, np.float32),
        "fc/kernel": np.arange(50, dtype=np.float32),
        "fc/half": np.full(50, 0.5, np.float32),
        "seen/count": np.zeros(50, np.int32),
    }
    found = subject("plain").moved(Tape(1), start)
    for name in ("fc/kernel", "fc/half", "seen/count"):
        assert np.array_equal(found[name], start[name])
    assert 0.5 <= found["bn/gamma"].min() < found["bn/gamma"].max() <= 1.5
    assert 0.01 < np.abs(found["bn/beta"]).mean() < 0.3
    assert found["bn/beta"].dtype == np.float32


def test_a_model_is_built_alike_each_time_with_one_seed_and_otherwise_with_another() -> None:
    weights = []
    for seed in (0, 0, 1):
        made = Imported(Case("imported_models:plain", (), 2, seed=seed))
        weights.append(made.start(made.trained(), Tape(seed), {})["conv/kernel"])
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_a_rate_of_0_draws_nothing() -> None:
    x = keras.Input((6, 2))
    y = layers.Dropout(0.0)(layers.LSTM(3)(x))
    assert not list(imported.random_layers(keras.Model(x, y)))
    y = layers.GaussianNoise(0.1, name="noise")(layers.LSTM(3)(x))
    assert [layer.name for layer in imported.random_layers(keras.Model(x, y))] == ["noise"]
