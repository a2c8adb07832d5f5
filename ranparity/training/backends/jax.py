"""Training on JAX, as one compiled function a step whose inputs' memory becomes its outputs'."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.training import variables
from ranparity.training.update import Update
from ranparity.training.variables import Model, State

_GPU_FLAG = "--xla_gpu_deterministic_ops=true"


def prepare(threads: int) -> dict[str, Any]:
    """Fix the algorithms and the precision; XLA takes all processors that the process may use."""
    flags = os.environ.get("XLA_FLAGS", "")
    if _GPU_FLAG not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_GPU_FLAG}".strip()
    import jax

    config: Any = jax.config  # its type lacks the options
    config.update("jax_default_matmul_precision", "highest")
    config.update("jax_enable_x64", False)
    return {
        "XLA_FLAGS": os.environ["XLA_FLAGS"],
        "threads": threads,
        "jax_default_matmul_precision": config.jax_default_matmul_precision,
        "jax_enable_x64": config.jax_enable_x64,
    }


def trainer(model: Model, update: Update) -> JaxTrainer:
    """Start to train a model."""
    return JaxTrainer(model, update)


class JaxTrainer:
    """A model in training; its variables are kept here and given back to Keras by `finish`."""

    def __init__(self, model: Model, update: Update) -> None:
        import jax

        self._jax = jax
        self._model = model
        self._update = update
        self._variables = variables.named(model)
        self._names = variables.names(model, model.trainable_variables)
        self._other_names = variables.names(model, model.non_trainable_variables)
        weights = {name: np.asarray(v.value) for name, v in self._variables.items()}
        self._weights: list[Any] = []
        self._others: list[Any] = []
        self._velocities: list[Any] = []
        self.restore(weights, {name: np.zeros_like(weights[name]) for name in self._names})
        self._step = jax.jit(self._traced_step, donate_argnums=(0, 1, 2))
        self._infer = jax.jit(self._traced_logits)

    def step(
        self, images: NDArray[np.float32], labels: NDArray[np.int64], learning_rate: float
    ) -> float:
        """Take one step; see `Trainer.step`."""
        self._weights, self._others, self._velocities, loss = self._step(
            self._weights,
            self._others,
            self._velocities,
            images,
            labels.astype(np.int32),
            np.asarray(learning_rate, self._weights[0].dtype),
        )
        return float(loss)

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the outputs in inference mode; see `Trainer.logits`."""
        return np.array(self._infer(self._weights, self._others, images))

    def weights(self) -> dict[str, NDArray[Any]]:
        """Give all variables by name."""
        names = self._names + self._other_names
        return dict(zip(names, map(np.array, self._weights + self._others), strict=True))

    def velocities(self) -> dict[str, NDArray[Any]]:
        """Give the velocities by name."""
        return dict(zip(self._names, map(np.array, self._velocities), strict=True))

    def restore(self, weights: State, velocities: State) -> None:
        """Go on from these variables and velocities."""
        array = self._jax.numpy.array
        variables.check(self._variables, weights)
        self._weights = [array(weights[name]) for name in self._names]
        self._others = [array(weights[name]) for name in self._other_names]
        self._velocities = [array(velocities[name]) for name in self._names]

    def finish(self) -> Model:
        """Give the Keras model, once the present variables are in it."""
        variables.assign(self._variables, self.weights())
        return self._model

    def device(self) -> str:
        """Say what computes: `cpu`, or a GPU's name."""
        return str(self._jax.devices()[0].device_kind)

    def _traced_step(
        self,
        weights: list[Any],
        others: list[Any],
        velocities: list[Any],
        images: Any,
        labels: Any,
        learning_rate: Any,
    ) -> tuple[list[Any], list[Any], list[Any], Any]:
        """Forward, backward and update; gives the three lists after the step, and the loss."""
        differentiate = self._jax.value_and_grad(self._loss, has_aux=True)
        (loss, others), gradients = differentiate(weights, others, images, labels)
        updated = [
            self._update(weight, gradient, velocity, learning_rate)
            for weight, gradient, velocity in zip(weights, gradients, velocities, strict=True)
        ]
        return [new for new, _ in updated], others, [velocity for _, velocity in updated], loss

    def _loss(
        self, weights: list[Any], others: list[Any], images: Any, labels: Any
    ) -> tuple[Any, list[Any]]:
        """Mean softmax cross-entropy in training mode, and the BN statistics after it."""
        logits, others = self._model.stateless_call(weights, others, images, training=True)
        log_probabilities = self._jax.nn.log_softmax(logits)
        chosen = self._jax.numpy.take_along_axis(log_probabilities, labels[:, None], axis=1)
        return -chosen.mean(), others

    def _traced_logits(self, weights: list[Any], others: list[Any], images: Any) -> Any:
        return self._model.stateless_call(weights, others, images, training=False)[0]
