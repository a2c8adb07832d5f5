"""A process that times one way of a net: `python -m ranparity.benchmarks.worker CASE`.

It says when the net is built, and then answers a request a line: how many times to do what, with
the seconds of each. Of a convolution it is told which, and how many times to do it before. It ends
when nobody asks any more.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ranparity import memory
from ranparity.benchmarks.case import (
    DECAY,
    FORWARD,
    MOMENTUM,
    NATIVE,
    OURS,
    RATE,
    STEP,
    Case,
    Way,
    heard,
)
from ranparity.training import backends
from ranparity.workers import serve

PRODUCT = "matrix_product"
CONVOLUTION = "convolution"  # and its gradients, and the matrix product of the same work
FORGET = "forget"  # the most memory that the process has had until now
SIDE = 2048  # of the matrices whose product is the measure of a machine

Array = NDArray[np.float32]


class Subject(Protocol):
    """One way of a net, built."""

    def training_step(self, images: Array, targets: Array) -> None:
        """Forward, backward and update of images (NHWC); ends when the loss is a number."""

    def forward(self, images: Array) -> None:
        """Outputs of images (NHWC) in inference mode, as an array."""


class Ours:
    """This package's model and step."""

    def __init__(self, case: Case, trainer: Callable[..., Any]) -> None:
        from ranparity.models import zoo
        from ranparity.training import starting
        from ranparity.training.update import Update

        entry = zoo.entry(case.model)
        self._update = Update("caffe-nesterov", MOMENTUM, DECAY)
        model = starting.network(entry, entry.parts[0], entry.classes)
        self._trainer = trainer(model, self._update, remat=case.remat)

    def training_step(self, images: Array, targets: Array) -> None:
        """A step as a run takes it."""
        self._trainer.step(images, targets, self._update.scalars(0, RATE))

    def forward(self, images: Array) -> None:
        """Logits as an evaluation takes them."""
        self._trainer.logits(images)


def product_of_keras(one: Array, other: Array) -> Callable[[], None]:
    """Give what multiplies two matrices on Keras's backend, and waits for it."""
    from keras import ops

    left, right = ops.convert_to_tensor(one), ops.convert_to_tensor(other)

    def multiply() -> None:
        float(ops.convert_to_numpy((left @ right)[0, 0]))

    return multiply


def build(case: Case, way: Way) -> tuple[Subject, dict[str, Any], Callable[[], None]]:
    """Import the framework and build the net.

    Returns:
        The net, what the record says of where it runs, and a product of matrices.

    Raises:
        InputError: The net is not known, or there is no device of the kind.
    """
    from ranparity.training import environment

    if case.device == backends.CPU:
        os.environ.update(backends.HIDDEN)
    random = np.random.Generator(np.random.Philox(1))
    matrices = [random.standard_normal((SIDE, SIDE), np.float32) for _ in range(2)]
    if way.implementation == NATIVE:
        from ranparity.benchmarks.native import Native

        native = Native(case, way.layout)
        backends.check_device(way.backend, case.device, native.devices)
        device, switches, product = native.device, native.switches, native.product(*matrices)
        subject: Subject = native
    else:
        subject, device, switches = _of_keras(case, way)
        product = product_of_keras(*matrices)
    return subject, environment.describe(way.backend, device, switches), product


def _of_keras(case: Case, way: Way) -> tuple[Subject, str, dict[str, Any]]:
    """A net of Keras, what it computes on, and what is set there; plain Keras has its defaults."""
    if way.implementation == OURS:
        backend, switches = backends.start(way.backend, many_steps=True, device=case.device)
        return Ours(case, backend.trainer), backend.device(), switches
    from ranparity.benchmarks.plain import Plain

    plain = Plain(case)
    seen = backends.loaded(way.backend)
    backends.check_device(way.backend, case.device, seen.devices())
    return plain, seen.device(), {"threads": backends.processors()}


def main(arguments: Sequence[str]) -> None:
    """Builds, says so, and answers."""
    case, way = heard(arguments[0])
    subject, place, product = build(case, way)
    images, targets = batch(case)
    actions: Mapping[str, Callable[[], None]] = {
        STEP: lambda: subject.training_step(images, targets),
        FORWARD: lambda: subject.forward(images),
        PRODUCT: product,
        FORGET: memory.forget_peak,
    }
    _say({"environment": place})
    for line in sys.stdin:
        request = json.loads(line)
        if request["what"] == CONVOLUTION:
            _say({"seconds": _convolving(way, request)})
            continue
        seconds = [_timed(actions[request["what"]]) for _ in range(request["count"])]
        _say({"seconds": seconds, "peak_memory_bytes": memory.peak()})


def _convolving(way: Way, request: Mapping[str, Any]) -> dict[str, list[float]]:
    """The seconds of what a step does of a convolution, and of the product."""
    from ranparity.benchmarks import convolutions, convolving

    convolution = convolutions.heard(request["of"])
    return convolving.timed(way.backend, convolution, request["warm_up"], request["count"])


def batch(case: Case) -> tuple[Array, Array]:
    """Give normal pixels (NHWC) and one-hot targets, always the same."""
    from ranparity.models import zoo

    entry = zoo.entry(case.model)
    random = np.random.Generator(np.random.Philox(0))
    images = random.standard_normal((case.batch_size, *entry.input_shape), np.float32)
    labels = random.integers(0, entry.classes, case.batch_size)
    return images, np.eye(entry.classes, dtype=np.float32)[labels]


def _timed(action: Callable[[], None]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def _say(found: Mapping[str, Any]) -> None:
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    serve(main)
