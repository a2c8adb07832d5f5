"""Training on PyTorch, eagerly."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.training import variables
from ranparity.training.update import Update
from ranparity.training.variables import Model, State


def prepare(threads: int) -> dict[str, Any]:
    """Fix the algorithms, the precision and the number of threads."""
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # cuBLAS reads it when it is loaded
    # Idle threads that spin for long make a step many times slower beside another busy process.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # OpenMP reads it when it is loaded
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    filling: Any = torch.utils.deterministic  # its type lacks the switch
    filling.fill_uninitialized_memory = False  # a tenth of a step, and no operation reads it
    torch.backends.cudnn.benchmark = False
    backends: Any = torch.backends  # its type lacks the precision
    backends.fp32_precision = "ieee"
    return {
        "CUBLAS_WORKSPACE_CONFIG": os.environ["CUBLAS_WORKSPACE_CONFIG"],
        "GOMP_SPINCOUNT": os.environ["GOMP_SPINCOUNT"],
        "threads": torch.get_num_threads(),
        "use_deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "fill_uninitialized_memory": filling.fill_uninitialized_memory,
        "cudnn.benchmark": torch.backends.cudnn.benchmark,
        "fp32_precision": backends.fp32_precision,
    }


def trainer(model: Model, update: Update) -> TorchTrainer:
    """Start to train a model."""
    return TorchTrainer(model, update)


class TorchTrainer:
    """A model in training; its weights are the Keras variables themselves, updated in place."""

    def __init__(self, model: Model, update: Update) -> None:
        import torch

        self._torch = torch
        self._model = model
        self._update = update
        self._variables = variables.named(model)
        self._names = variables.names(model, model.trainable_variables)
        self._weights = [self._variables[name].value for name in self._names]
        self._velocities = [torch.zeros_like(weight) for weight in self._weights]
        self._device = self._weights[0].device

    def step(
        self, images: NDArray[np.float32], labels: NDArray[np.int64], learning_rate: float
    ) -> float:
        """Take one step; see `Trainer.step`."""
        torch = self._torch
        logits = self._model(self._tensor(images), training=True)
        loss = torch.nn.functional.cross_entropy(logits, self._tensor(labels))
        gradients = torch.autograd.grad(loss, self._weights)
        with torch.no_grad():
            for index, gradient in enumerate(gradients):
                self._move(index, gradient, learning_rate)
        return float(loss.detach())

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the outputs in inference mode; see `Trainer.logits`."""
        with self._torch.no_grad():
            outputs = self._model(self._tensor(images), training=False)
        return _array(outputs)

    def weights(self) -> dict[str, NDArray[Any]]:
        """Give all variables by name."""
        return {name: _array(variable.value) for name, variable in self._variables.items()}

    def velocities(self) -> dict[str, NDArray[Any]]:
        """Give the velocities by name."""
        return dict(zip(self._names, map(_array, self._velocities), strict=True))

    def restore(self, weights: State, velocities: State) -> None:
        """Go on from these variables and velocities."""
        variables.assign(self._variables, weights)
        self._velocities = [self._tensor(velocities[name]) for name in self._names]

    def finish(self) -> Model:
        """Give the Keras model, which has the present variables all along."""
        return self._model

    def device(self) -> str:
        """Say what computes: `cpu`, or a GPU's name."""
        if self._device.type == "cuda":
            return self._torch.cuda.get_device_name(self._device)
        return str(self._device)

    def _move(self, index: int, gradient: Any, learning_rate: float) -> None:
        """Update one weight and its velocity."""
        weight, velocity = self._weights[index], self._velocities[index]
        moved, self._velocities[index] = self._update(weight, gradient, velocity, learning_rate)
        weight.copy_(moved)

    def _tensor(self, array: NDArray[Any]) -> Any:
        return self._torch.tensor(array, device=self._device)


def _array(tensor: Any) -> NDArray[Any]:
    """Copy a tensor into an array."""
    return np.array(tensor.detach().cpu().numpy())
