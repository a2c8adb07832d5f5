"""Trains a small net of plain Keras layers on one backend in several ways, for test_backends.py.

Usage: python backend_worker.py BACKEND FOLDER [WEIGHTS...]. Writes into FOLDER `report.json` and,
for each way of training, the weights and optimizer slots after it; the WEIGHTS files, written by
workers of other backends, are loaded and held against the arrays beside them.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ranparity.data import digest, digits, normalisation
from ranparity.data.augment import Augmentation
from ranparity.data.batches import Batches, held_out
from ranparity.data.tape import Tape
from ranparity.errors import InputError
from ranparity.training import backends, update, variables
from ranparity.training.backends import Backend, Trainer, lean
from ranparity.training.update import Update

STEPS, RATE, MOMENTUM, DECAY = 6, 0.01, 0.9, 0.1
NESTEROV = Update("caffe-nesterov", MOMENTUM, DECAY)
TAPE = Tape(5)


def build() -> Any:
    """Two convolutions, batch normalisation and a classifier; 32x32x3."""
    import keras
    from keras import layers

    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(8, 3, strides=2, use_bias=False, name="conv1")(inputs)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="conv1-bn")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.Conv2D(16, 3, strides=2, name="conv2")(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="conv2-bn")(x)
    x = layers.ReLU(name="relu2")(x)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, layers.Dense(10, name="classifier")(x), name="small")


def build_upper() -> Any:
    """A fixed convolution and BN, a head with more outputs than classes, and a layer with a loss.

    The loss is the sum of the squares of the layer's own weights.
    """
    import keras
    from keras import layers, ops

    class Penalty(layers.Layer):
        def build(self, _: Any) -> None:
            self.kernel = self.add_weight(shape=(4, 2), name="kernel")

        def call(self, x: Any) -> Any:
            self.add_loss(ops.sum(ops.square(self.kernel)))
            return x

    inputs = keras.Input((32, 32, 3))
    fixed = {"trainable": False}
    x = layers.Conv2D(8, 3, strides=4, use_bias=False, name="conv1", **fixed)(inputs)
    x = layers.BatchNormalization(name="conv1-bn", **fixed)(x)
    x = layers.Flatten(name="flatten")(layers.ReLU(name="relu")(x))
    x = Penalty(name="penalty")(layers.Dense(12, name="classifier")(x))
    return keras.Model(inputs, x, name="upper")


def upper(backend: Backend, folder: Path, batches: Batches) -> dict[str, list[float]]:
    """Train a part of a net on top of what is fixed; gives the losses."""
    model = build_upper()
    variables.initialise(model, TAPE)
    trained = backend.trainer(model, NESTEROV)
    same = batches.at(0)
    still = NESTEROV.scalars(0, 0.0)  # a rate of 0 changes nothing
    losses = {"still": [trained.step(same.images, same.targets, still) for _ in range(3)]}
    trained = backend.trainer(trained.finish(), NESTEROV)
    save(folder, "upper-start", trained)
    losses["upper"] = train(trained, batches, range(1))
    save(folder, "upper-one", trained)
    losses["upper"] += train(trained, batches, range(1, 3))
    save(folder, "upper", trained)
    outputs = trained.logits(same.images)
    assert outputs.shape == (len(same.images), 12)
    return losses


def trainer(backend: Backend, rule: Update = NESTEROV) -> Trainer:
    model = build()
    variables.initialise(model, TAPE)
    return backend.trainer(model, rule)


def train(trained: Trainer, batches: Batches, steps: range, rule: Update = NESTEROV) -> list[float]:
    seen = {step: batches.at(step) for step in steps}
    return [
        trained.step(batch.images, batch.targets, rule.scalars(step, RATE))
        for step, batch in seen.items()
    ]


def save(folder: Path, name: str, trained: Trainer) -> None:
    np.savez(folder / f"{name}-weights.npz", **trained.weights())
    np.savez(folder / f"{name}-slots.npz", **trained.slots())


def decoupled(
    update: Update, weight: Any, gradient: Any, slots: Any, scalars: Any, _: Any
) -> tuple[Any, Any]:
    """A fault: the decay beside the velocity, as Keras's `SGD(weight_decay=...)` has it."""
    (velocity,), (rate,) = slots, scalars
    moved = update.momentum * velocity + rate * gradient
    step = (1 + update.momentum) * moved - update.momentum * velocity
    return weight - step - rate * update.weight_decay * weight, (moved,)


def ways(backend: Backend, folder: Path, batches: Batches) -> dict[str, list[float]]:
    """Train in every way; gives the losses of each."""
    losses = {}
    first = trainer(backend)
    losses["first"] = train(first, batches, range(STEPS))
    save(folder, "first", first)
    again = trainer(backend)
    losses["again"] = train(again, batches, range(STEPS // 2))
    save(folder, "half", again)
    weights, slots = again.weights(), again.slots()
    resumed = trainer(backend, NESTEROV)
    resumed.restore(weights, slots)
    losses["resumed"] = train(resumed, batches, range(STEPS // 2, STEPS))
    save(folder, "resumed", resumed)
    losses["again"] += train(again, batches, range(STEPS // 2, STEPS))
    save(folder, "again", again)
    for name, decay in (("one-step", DECAY), ("one-step-without-decay", 0.0)):
        once = trainer(backend, Update("caffe-nesterov", MOMENTUM, decay))
        losses[name] = train(once, batches, range(1))
        save(folder, name, once)
    fault = replace(update.RULES["caffe-nesterov"], move=decoupled)
    update.RULES = {**update.RULES, "decoupled": fault}
    faulty = trainer(backend, Update("decoupled", MOMENTUM, DECAY))
    losses["decoupled"] = train(faulty, batches, range(STEPS))
    known, update.NESTEROV = update.NESTEROV, {}
    written_out = trainer(backend)
    losses["written-out"] = train(written_out, batches, range(STEPS))
    save(folder, "written-out", written_out)
    update.NESTEROV = known
    other_order = replace(batches, tape=Tape(6))
    losses["other-order"] = train(trainer(backend), other_order, range(STEPS))
    for name in ("adamw-pytorch", "adamw-keras"):
        rule = Update(name, MOMENTUM, DECAY)
        moments = trainer(backend, rule)
        losses[name] = train(moments, batches, range(STEPS), rule)
        save(folder, name, moments)
    mixed = replace(batches, augmentation=Augmentation(padding=4, flip=True, mixup=1.0))
    losses["mixed"] = train(trainer(backend), mixed, range(STEPS))
    losses |= recomputed(backend, folder, batches)
    return losses | upper(backend, folder, batches)


def recomputed(backend: Backend, folder: Path, batches: Batches) -> dict[str, list[float]]:
    """Train with every layer but the last computed twice; gives the losses."""
    losses, divided = {}, lean.parts
    lean.parts = lambda sizes, _: list(range(1, len(sizes) + 1))
    for name, make in (("remat", build), ("remat-upper", build_upper)):
        model = make()
        variables.initialise(model, TAPE)
        trained = backend.trainer(model, NESTEROV, remat=True)
        losses[name] = train(trained, batches, range(STEPS if make is build else 3))
        save(folder, name, trained)
    lean.parts = divided
    return losses


def test_mode(backend: Backend, folder: Path, batches: Batches) -> bool:
    """Save the outputs of a trained model, and say whether giving them left the model alone."""
    trained = trainer(backend)
    train(trained, batches, range(2))
    before = digest.of_named_arrays(trained.weights())
    outputs = trained.logits(next(held_out(batches.dataset, batches.normalisation, 32))[0])
    np.save(folder / "logits.npy", outputs)
    return digest.of_named_arrays(trained.weights()) == before


def exchanged(backend: Backend, folder: Path, batches: Batches, files: list[str]) -> dict[str, Any]:
    """Save a finished model in Keras's format, and load those that others have saved."""
    trained = trainer(backend)
    train(trained, batches, range(2))
    model = trained.finish()
    model.save_weights(folder / "final.weights.h5")
    kept = digest.of_named_arrays(trained.weights())
    np.savez(folder / "final.npz", **trained.weights())
    for file in files:
        model.load_weights(file)
        loaded = backend.trainer(model, NESTEROV).weights()
        with np.load(Path(file).with_name("final.npz")) as saved:
            assert all(np.array_equal(loaded[name], saved[name]) for name in saved.files)
            assert set(loaded) == set(saved.files)
    return {"final": kept, "loaded": files}


def refusals(trained: Trainer) -> list[str]:
    """What is said of slots that are not the model's, which must be left as they are."""
    weights, slots = trained.weights(), trained.slots()
    before = digest.of_named_arrays(weights | slots)
    (first, array), *others = slots.items()
    zeros = {name: np.zeros_like(weight) for name, weight in weights.items()}
    said = []
    for wrong in (dict(others), {**slots, first: array[:1]}):
        try:
            trained.restore(zeros, wrong)
        except InputError as error:
            said.append(str(error))
    assert digest.of_named_arrays(trained.weights() | trained.slots()) == before
    return said


def main(name: str, folder: Path, files: list[str]) -> None:
    backend, switches = backends.start(name)
    model = build()
    initial = variables.initialise(model, TAPE)
    started = backend.trainer(model, NESTEROV)
    dataset = digits.load()
    batches = Batches(dataset, TAPE, 32, normalisation.fit("range", dataset))
    report = {
        "switches": switches,
        "device": backend.device(),
        "initial": digest.of_named_arrays(initial),
        "initial_in_model": digest.of_named_arrays(started.weights()),
        "batches": [batches.at(step).digest for step in range(STEPS)],
        "losses": ways(backend, folder, batches),
        "test_mode_changes_nothing": test_mode(backend, folder, batches),
        "exchanged": exchanged(backend, folder, batches, files),
        "refusals": refusals(started),
    }
    (folder / "report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
