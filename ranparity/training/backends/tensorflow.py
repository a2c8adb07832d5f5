"""Training on TensorFlow, as one graph a step."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.training import variables
from ranparity.training.backends.startup import stderr_filtered
from ranparity.training.update import Update
from ranparity.training.variables import Model, State


def prepare(threads: int) -> dict[str, Any]:
    """Fix the algorithms, the precision and the number of threads."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors only, once it is loaded
    with stderr_filtered(_is_error):
        import tensorflow as tf

        tf.config.list_physical_devices()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    # Rewriting the graph costs 3 s at the first step and makes the others no faster.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    return {
        "threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads(),
        "enable_op_determinism": True,
        **tf.config.optimizer.get_experimental_options(),
        "tensor_float_32": tf.config.experimental.tensor_float_32_execution_enabled(),
        "TF_ENABLE_ONEDNN_OPTS": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
    }


def trainer(model: Model, update: Update) -> TensorFlowTrainer:
    """Start to train a model."""
    return TensorFlowTrainer(model, update)


class TensorFlowTrainer:
    """A model in training; its weights are the Keras variables, updated by the step's graph."""

    def __init__(self, model: Model, update: Update) -> None:
        import tensorflow as tf

        self._tf = tf
        self._model = model
        self._update = update
        self._variables = variables.named(model)
        self._names = variables.names(model, model.trainable_variables)
        self._weights = [self._variables[name].value for name in self._names]
        self._velocities = [tf.Variable(tf.zeros_like(weight)) for weight in self._weights]
        self._step = tf.function(self._traced_step)
        self._infer = tf.function(lambda images: self._model(images, training=False))

    def step(
        self, images: NDArray[np.float32], labels: NDArray[np.int64], learning_rate: float
    ) -> float:
        """Take one step; see `Trainer.step`."""
        constant = self._tf.constant
        rate = constant(learning_rate, self._weights[0].dtype)
        return float(self._step(constant(images), constant(labels), rate))

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the outputs in inference mode; see `Trainer.logits`."""
        return _array(self._infer(self._tf.constant(images)))

    def weights(self) -> dict[str, NDArray[Any]]:
        """Give all variables by name."""
        return {name: _array(variable.value) for name, variable in self._variables.items()}

    def velocities(self) -> dict[str, NDArray[Any]]:
        """Give the velocities by name."""
        return dict(zip(self._names, map(_array, self._velocities), strict=True))

    def restore(self, weights: State, velocities: State) -> None:
        """Go on from these variables and velocities."""
        variables.assign(self._variables, weights)
        for name, velocity in zip(self._names, self._velocities, strict=True):
            velocity.assign(velocities[name])

    def finish(self) -> Model:
        """Give the Keras model, which has the present variables all along."""
        return self._model

    def device(self) -> str:
        """Say what computes: `cpu`, or a GPU's name."""
        config = self._tf.config
        for gpu in config.list_physical_devices("GPU"):
            return str(config.experimental.get_device_details(gpu).get("device_name", gpu.name))
        return "cpu"

    def _traced_step(self, images: Any, labels: Any, learning_rate: Any) -> Any:
        """Build the graph of forward, backward and update; gives the loss."""
        tf = self._tf
        with tf.GradientTape() as tape:
            logits = self._model(images, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, self._weights)
        for weight, gradient, velocity in zip(
            self._weights, gradients, self._velocities, strict=True
        ):
            moved, velocity_after = self._update(weight, gradient, velocity, learning_rate)
            weight.assign(moved)
            velocity.assign(velocity_after)
        return loss


def _is_error(line: str) -> bool:
    """Say of a line of the start-up's log whether it matters.

    The libraries log before TF_CPP_MIN_LOG_LEVEL has an effect on them. Errors begin with E and
    fatal ones with F; error 303 of cuInit says that there is no CUDA driver, which is no error.
    """
    return line[:1] in ("E", "F") and not ("cuInit" in line and "(303)" in line)


def _array(tensor: Any) -> NDArray[Any]:
    """Copy a tensor into an array."""
    return np.array(tensor.numpy())
