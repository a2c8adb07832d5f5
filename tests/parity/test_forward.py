from __future__ import annotations

import numpy as np
import pytest

from ranparity.models import zoo
from ranparity.parity import forward
from ranparity.training import backends, variables
from tests.narrow_run import NARROW


def test_a_net_is_run_on_its_image_with_the_tapes_weights() -> None:
    backend, _ = backends.start("torch")
    found = forward.run(NARROW, backend)
    model = NARROW.build(data_format="channels_last", classifier_activation=None)
    variables.initialise(model, forward.TAPE)
    logits = backend.trainer(model, forward.IDLE).logits(forward.image(NARROW))
    np.testing.assert_array_equal(found["logits"], logits)
    assert np.sum(found["probabilities"]) == pytest.approx(1, abs=1e-6)
    assert np.argmax(found["probabilities"]) == np.argmax(logits)
    heights = [each["inputs"][0]["shape"][2] for each in found["descriptions"]]
    assert heights == [32, NARROW.odd_size]
    assert set(found["seconds"]) == {"build", "forward", "describe"}


def test_images_are_of_the_nets_size_and_the_same_for_all_nets_of_it() -> None:
    image = forward.image(NARROW)
    assert (image.shape, image.dtype) == ((1, 32, 32, 3), np.float32)
    np.testing.assert_array_equal(image, forward.image(zoo.entry("attention92-cifar")))
    assert abs(image.mean()) < 0.05
    assert abs(image.std() - 1) < 0.05


def test_the_probabilities_of_a_net_that_adds_a_loss_are_its_own() -> None:
    entry = zoo.entry("dranet-cifar@16")
    model = entry.build(data_format="channels_last")
    found = forward._softmax(model)
    assert found.caffe_name == "prob"
    assert found.output is not model.outputs[0]
