"""Training on PyTorch, eagerly."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.training import variables
from ranparity.training.backends import AUTO, CPU, GPU, apart
from ranparity.training.backends.bookkeeping import Bookkeeping, check_devices
from ranparity.training.backends.lean import Flat, Lean
from ranparity.training.scaling import Scaling
from ranparity.training.update import Arithmetic, Update
from ranparity.training.variables import Model, State

KERAS_DEVICE = "KERAS_TORCH_DEVICE"  # Keras 3.15 reads it when it is imported


def prepare(
    threads: int,
    precision: str,
    *,
    many_steps: bool,
    device: str = AUTO,
    tf32: bool = False,
    devices: int = 1,
) -> dict[str, Any]:
    """Fix the device, the algorithms, the precision and the number of threads.

    Products on a GPU would else be in TF32 in convolutions, and sums of products of 16 bits partly
    in 16 bits.
    """
    del precision, many_steps  # operations have their own precision
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # cuBLAS reads it when it is loaded
    # Idle threads that spin for long make a step many times slower beside another busy process.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # OpenMP reads it when it is loaded
    import torch

    here = int(os.environ.get("LOCAL_WORLD_SIZE", devices))  # torchrun says so
    cuda = torch.cuda.is_available() and device != CPU
    if cuda and here > 1:
        check_devices(here, torch.cuda.device_count())
    torch.set_num_threads(max(1, threads // here))  # each of them is a process
    # As use_deterministic_algorithms(True), which loads PyTorch's compiler to tell it too; nothing
    # here is compiled by it.
    torch.set_deterministic_debug_mode("error")
    filling: Any = torch.utils.deterministic  # its type lacks the switch
    filling.fill_uninitialized_memory = False  # a tenth of a step, and no operation reads it
    torch.backends.cudnn.benchmark = False
    backends: Any = torch.backends  # its type lacks the precision
    backends.fp32_precision = "tf32" if tf32 else "ieee"
    products = backends.cuda.matmul
    products.allow_fp16_reduced_precision_reduction = False
    products.allow_bf16_reduced_precision_reduction = False
    os.environ[KERAS_DEVICE] = "cuda" if cuda else "cpu"
    return {
        "CUBLAS_WORKSPACE_CONFIG": os.environ["CUBLAS_WORKSPACE_CONFIG"],
        "GOMP_SPINCOUNT": os.environ["GOMP_SPINCOUNT"],
        "threads": torch.get_num_threads(),
        "use_deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "fill_uninitialized_memory": filling.fill_uninitialized_memory,
        "cudnn.benchmark": torch.backends.cudnn.benchmark,
        "fp32_precision": backends.fp32_precision,
        "reduced_precision_reduction": False,
        KERAS_DEVICE: os.environ[KERAS_DEVICE],
    }


def devices() -> tuple[str, ...]:
    """Give the kinds of devices that there are; the first is what computes."""
    import torch

    hidden = os.environ.get(KERAS_DEVICE) == "cpu"
    return (GPU, CPU) if torch.cuda.is_available() and not hidden else (CPU,)


def device() -> str:
    """Say what computes: `cpu`, or a GPU's name."""
    import torch

    return torch.cuda.get_device_name() if devices()[0] == GPU else "cpu"


def trainer(
    model: Model,
    update: Update,
    *,
    remat: bool = False,
    accumulate: int = 1,
    devices: int = 1,
    scaled: bool = False,
) -> TorchTrainer:
    """Start to train a model."""
    scaling = Scaling() if scaled else None
    return TorchTrainer(model, update, remat, accumulate, devices, scaling)


class TorchTrainer:
    """A model in training; its weights are the Keras variables themselves, updated in place."""

    def __init__(
        self,
        model: Model,
        update: Update,
        remat: bool,
        parts: int,
        devices: int,
        scaling: Scaling | None,
    ) -> None:
        import torch

        self._torch = torch
        self._parts, self.scaling = parts, scaling
        self._lean = Lean(model, overwrites=True, recompute=_recompute if remat else None)
        self._books = Bookkeeping(model, update)
        self._weights = [self._books.variables[name].value for name in self._books.trainable]
        for weight in self._weights:
            weight.data = arranged(weight.data)
        self._device = self._weights[0].device
        self._slots = self._tensors(self._books.empty_slots())
        self._arithmetic = Arithmetic(torch.sqrt, lambda a, x, y: torch.add(y, x, alpha=a))
        self._replicas: Any = None
        if devices > 1:
            from ranparity.training.backends.torch_processes import Replicas

            self._replicas = Replicas(model, devices, remat=remat)

    def step(
        self,
        images: NDArray[np.float32],
        targets: NDArray[np.float32],
        scalars: Sequence[float],
    ) -> float:
        """Take one step; see `Trainer.step`."""
        if self._parts > 1 or self._replicas or self.scaling:
            return apart.step(self, images, targets, scalars, self._parts)
        loss, gradients = self.gradients(images, targets, 1.0)
        self.move(gradients, scalars)
        return loss

    def gradients(
        self, images: NDArray[Any], targets: NDArray[Any], scale: float
    ) -> tuple[float, Sequence[Any]]:
        """Give a loss and its gradients; see `Separable.gradients`."""
        given, wanted = map(self._tensor, self._books.batch(images, targets))
        if self._replicas:
            how = self.differentiated
            found: tuple[float, Sequence[Any]] = self._replicas.gradients(given, wanted, scale, how)
            return found
        loss, gradients = self.differentiated(given, wanted, scale)
        return float(loss), gradients

    def added(self, one: Sequence[Any], other: Sequence[Any]) -> Sequence[Any]:
        """Give the sums of gradients."""
        return [a + b for a, b in zip(one, other, strict=True)]

    def multiplied(self, gradients: Sequence[Any], factor: float) -> Sequence[Any]:
        """Give gradients times a factor."""
        return [gradient * factor for gradient in gradients]

    def are_finite(self, gradients: Sequence[Any]) -> bool:
        """Whether every element is a finite number."""
        torch = self._torch
        return bool(torch.stack([torch.isfinite(each).all() for each in gradients]).all())

    def statistics(self) -> list[Any]:
        """Give what is not trained, as it is now."""
        return [self._books.variables[name].value.clone() for name in self._books.others]

    def put_back(self, statistics: list[Any]) -> None:
        """Have it as it was."""
        for name, value in zip(self._books.others, statistics, strict=True):
            self._books.variables[name].assign(value)

    def move(self, gradients: Sequence[Any], scalars: Sequence[float]) -> None:
        """Update all weights and their slots."""
        with self._torch.no_grad():
            if self._books.update.nesterov is None:
                for index, gradient in enumerate(gradients):
                    self._move(index, gradient, scalars)
            else:
                self._move_all(gradients, *scalars)

    def logits(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """Give the outputs in inference mode; see `Trainer.logits`."""
        with self._torch.no_grad():
            outputs = self._lean(self._tensor(images), training=False)
        return _array(self._kept(outputs))

    def weights(self) -> dict[str, NDArray[Any]]:
        """Give all variables by name."""
        return {name: self.weight(name) for name in self._books.variables}

    def weight(self, name: str) -> NDArray[Any]:
        """Give a variable."""
        return _array(self._books.variables[name].value)

    def slots(self) -> dict[str, NDArray[Any]]:
        """Give the slots by name."""
        return self._books.named_slots([[_array(slot) for slot in slots] for slots in self._slots])

    def restore(self, weights: State, slots: State, scaling: Scaling | None = None) -> None:
        """Go on from these variables and slots."""
        grouped = self._books.grouped_slots(slots)
        variables.assign(self._books.variables, weights)
        self._slots = self._tensors(grouped)
        self.scaling = scaling or (Scaling() if self.scaling else None)

    def finish(self) -> Model:
        """Give the Keras model, which has the present variables all along."""
        if self._replicas:
            self._replicas.end()
        return self._books.model

    def differentiated(self, images: Any, targets: Any, scale: float) -> tuple[Any, Sequence[Any]]:
        """Forward and backward, of tensors: the loss and its gradients, times a scale."""
        torch = self._torch
        logits = self._kept(self._lean(images, training=True))
        loss = torch.nn.functional.cross_entropy(logits, targets)
        for penalty in self._books.model.losses:  # of this call: each begins with none
            loss = loss + self._kept(penalty)
        scaled = loss if scale == 1 else loss * scale
        return loss.detach(), torch.autograd.grad(scaled, self._weights)

    def _kept(self, x: Any) -> Any:
        """A tensor in the type of the variables, where the model computes in a narrower one."""
        dtype = self._weights[0].dtype
        return x if x.dtype == dtype else x.to(dtype)

    def _move(self, index: int, gradient: Any, scalars: Sequence[float]) -> None:
        """Update one weight and its slots."""
        weight, slots = self._weights[index], self._slots[index]
        weight.data, self._slots[index] = self._books.update(
            weight.data, gradient, tuple(slots), tuple(scalars), self._arithmetic
        )

    def _move_all(self, gradients: Sequence[Any], rate: float) -> None:
        """Update all weights and velocities with PyTorch's fused step, which is Caffe's rule.

        See `Update.nesterov`. Weights, velocities and gradients must lie alike in memory for it,
        and it copies what does not lie in the order of its axes.
        """
        from torch.optim.sgd import sgd

        torch, update = self._torch, self._books.update
        weights = [_as_it_lies(weight.data) for weight in self._weights]
        scaled = [
            torch.mul(_as_it_lies(gradient), rate, out=torch.empty_like(weight))
            for gradient, weight in zip(gradients, weights, strict=True)
        ]
        sgd(
            weights,
            scaled,
            [_as_it_lies(velocity) for (velocity,) in self._slots],
            fused=True,
            weight_decay=rate * update.weight_decay,
            momentum=update.momentum,
            lr=1.0,
            dampening=0.0,
            nesterov=bool(update.nesterov),
            maximize=False,
        )

    def _tensor(self, array: NDArray[Any]) -> Any:
        return self._torch.tensor(array.astype(self._books.dtype), device=self._device)

    def _tensors(self, groups: Sequence[Sequence[NDArray[Any]]]) -> list[Any]:
        return [tuple(arranged(self._tensor(array)) for array in arrays) for arrays in groups]


def _recompute(function: Flat) -> Flat:
    """Have a function keep its arguments alone; the nets draw nothing, so no generator is kept."""
    from torch.utils.checkpoint import checkpoint

    how: dict[str, Any] = {"use_reentrant": False, "preserve_rng_state": False}
    return functools.partial(checkpoint, function, **how)


def arranged(tensor: Any) -> Any:
    """Lay a kernel (HWIO) out in memory as PyTorch's convolutions take it: O, H, W, I.

    Its shape and its values stay. As it was, each convolution would copy it into this order, and
    its gradient back out of it.
    """
    if tensor.ndim != 4:
        return tensor
    return _as_it_lies(tensor).contiguous().permute(1, 2, 3, 0)


def _as_it_lies(tensor: Any) -> Any:
    """Give a view with the axes in the order in which `arranged` lays them out."""
    return tensor.permute(3, 0, 1, 2) if tensor.ndim == 4 else tensor


def _array(tensor: Any) -> NDArray[Any]:
    """Copy a tensor into an array."""
    return np.array(tensor.detach().cpu().numpy())
