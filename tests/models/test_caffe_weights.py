"""A Keras model's variables under Caffe's names, in Caffe's layouts."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from ranparity.caffe import graph, prototxt
from ranparity.caffe.arbiter.run import Arbiter
from ranparity.errors import InputError
from ranparity.models import caffe_weights, zoo
from ranparity.models.export import to_prototxt
from ranparity.training.variables import named


@pytest.mark.parametrize(
    "name", ["attentionnext56@16", "attention56-cifar-channel@16", "dranet-cifar@16"]
)
def test_every_variable_is_a_parameter_or_statistic_of_its_shape(name: str) -> None:
    model = zoo.entry(name).build(initializer=keras.initializers.Zeros)
    values = {path: keras.ops.convert_to_numpy(x) for path, x in named(model).items()}
    arbiter = Arbiter(graph.build(prototxt.parse(to_prototxt(model, "Net"))))
    found = {path: value.shape for path, value in caffe_weights.named(values).items()}
    assert found == arbiter.parameters | arbiter.statistics


def test_kernels_are_turned_round_and_nothing_else() -> None:
    hwio = np.arange(3 * 5 * 2 * 4).reshape(3, 5, 2, 4)
    turned = caffe_weights.laid_out("conv/kernel", hwio)
    assert turned.shape == (4, 2, 3, 5)
    assert turned[3, 1, 2, 4] == hwio[2, 4, 1, 3]
    product = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(caffe_weights.laid_out("fc/kernel", product), product.T)
    assert caffe_weights.laid_out("attractors/parameter", product) is product


def test_a_variable_without_a_name_in_caffe_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        caffe_weights.name_of("a/embeddings")
    assert str(caught.value) == (
        "variable a/embeddings: expected one of kernel, bias, gamma, beta, moving_mean, "
        "moving_variance, parameter, scale, weight, slope, shift, mean, variance, factor, which "
        "Caffe has names for"
    )
