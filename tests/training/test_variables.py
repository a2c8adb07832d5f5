from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ranparity.data import initial
from ranparity.data.tape import Tape
from ranparity.errors import InputError
from ranparity.training import variables


class Variable:
    """What is used of a keras.Variable."""

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.name, self.path, self.shape = name, name, shape
        self.value = np.zeros(shape, np.float32)

    def assign(self, value: Any) -> None:
        self.value = value


def model() -> Any:
    kernel, bias = Variable("kernel", (1, 1, 2, 3)), Variable("bias", (3,))
    mean = Variable("moving_mean", (3,))
    layers = [
        SimpleNamespace(name="a-conv", caffe_name="a/conv", variables=[kernel, bias]),
        SimpleNamespace(name="relu", variables=[]),
        SimpleNamespace(name="bn", variables=[mean]),
    ]
    return SimpleNamespace(
        name="net",
        layers=layers,
        trainable_variables=[kernel, bias],
        non_trainable_variables=[mean],
    )


def test_variables_go_by_the_caffe_name_where_there_is_one() -> None:
    net = model()
    assert list(variables.named(net)) == ["a/conv/kernel", "a/conv/bias", "bn/moving_mean"]
    assert variables.names(net, net.trainable_variables) == ["a/conv/kernel", "a/conv/bias"]
    assert variables.names(net, net.non_trainable_variables) == ["bn/moving_mean"]


def test_two_variables_of_one_name_are_refused() -> None:
    net = model()
    net.layers.append(net.layers[0])
    with pytest.raises(InputError) as caught:
        variables.named(net)
    assert str(caught.value) == "model net: two variables are called a/conv/kernel"


def test_variables_are_set_to_the_tape() -> None:
    net = model()
    values = variables.initialise(net, Tape(3))
    for name, variable in variables.named(net).items():
        expected = initial.weight(Tape(3), name, variable.shape)
        assert np.array_equal(variable.value, expected)
        assert np.array_equal(values[name], expected)


def test_a_layer_with_a_bound_starts_uniformly() -> None:
    net = model()
    net.layers[0].bound = 0.5
    values = variables.initialise(net, Tape(3))
    for name in ("a/conv/kernel", "a/conv/bias"):
        shape = values[name].shape
        assert np.array_equal(values[name], initial.weight(Tape(3), name, shape, 0.5))
        assert not np.array_equal(values[name], initial.weight(Tape(3), name, shape))


def test_values_of_other_names_are_refused_before_anything_is_set() -> None:
    net = model()
    values = {"a/conv/kernel": np.ones((1, 1, 2, 3)), "a/conv/bias": np.ones(3), "x": np.ones(1)}
    with pytest.raises(InputError) as caught:
        variables.assign(variables.named(net), values)
    assert str(caught.value) == (
        "weights: expected the names of the model. Not in both: bn/moving_mean, x"
    )
    assert not net.layers[0].variables[0].value.any()


def test_values_of_another_shape_are_refused_before_anything_is_set() -> None:
    net = model()
    values = {
        "a/conv/kernel": np.ones((1, 1, 2, 3)),
        "a/conv/bias": np.ones(3),
        "bn/moving_mean": np.ones(4),
    }
    with pytest.raises(InputError) as caught:
        variables.assign(variables.named(net), values)
    assert str(caught.value) == "weights of bn/moving_mean: expected shape (3,). Received: (4,)"
    assert not net.layers[0].variables[0].value.any()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("bn/gamma", "bn/gamma"),
        ("sequential/bn/gamma", "bn/gamma"),
        ("bn/query/gamma", "bn/query/gamma"),
        ("other/gamma", "bn/other/gamma"),
    ],
)
def test_a_layer_without_a_caffe_name_has_its_variables_by_their_paths(
    path: str, name: str
) -> None:
    variable = Variable("gamma", (3,))
    variable.path = path
    layer = SimpleNamespace(name="bn", variables=[variable])
    assert list(variables.named(SimpleNamespace(name="net", layers=[layer]))) == [name]
