"""Training on JAX, as one compiled function a step whose inputs' memory becomes its outputs'."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity import memory
from ranparity.training import launching, variables
from ranparity.training.backends import AUTO, CPU, GPU, TPU, apart, compiled
from ranparity.training.backends.bookkeeping import Bookkeeping, check_devices
from ranparity.training.backends.following import Together
from ranparity.training.backends.lean import Flat, Lean
from ranparity.training.scaling import Scaling
from ranparity.training.update import Arithmetic, Update
from ranparity.training.variables import Model, State

_GPU_FLAG = "--xla_gpu_deterministic_ops=true"
_CPUS_FLAG = "--xla_force_host_platform_device_count="  # into how many devices a CPU is divided
REPLICA = "replica"  # the axis of a mesh of devices


def prepare(
    threads: int,
    precision: str,
    *,
    many_steps: bool,
    device: str = AUTO,
    tf32: bool = False,
    devices: int = 1,
) -> dict[str, Any]:
    """Fix the device, the algorithms and the precision; XLA takes all processors that it may use.

    A step asks for all of its memory at once. Where there are many, it is kept for the next one,
    for which the compiler takes up to half as long again.
    """
    kept_memory = many_steps and memory.keep()
    flags = os.environ.get("XLA_FLAGS", "")
    if _GPU_FLAG not in flags:
        flags += f" {_GPU_FLAG}"
    launch = launching.of("jax", os.environ) if devices > 1 else None
    here = devices // launch.processes if launch else devices
    if here > 1 and _CPUS_FLAG not in flags:
        flags += f" {_CPUS_FLAG}{here}"
    os.environ["XLA_FLAGS"] = flags.strip()
    import jax

    config: Any = jax.config  # its type lacks the options
    if device == CPU:
        config.update("jax_platforms", "cpu")
    if launch:
        from ranparity.training.backends import jax_processes

        jax_processes.join(launch)
    check_devices(here, jax.local_device_count())
    config.update("jax_default_matmul_precision", "tensorfloat32" if tf32 else "highest")
    config.update("jax_enable_x64", precision == "float64")
    kept = compiled.keep(config)
    return {
        "XLA_FLAGS": os.environ["XLA_FLAGS"],
        "threads": threads,
        "compilation_cache": kept,
        "freed_memory_kept": kept_memory,
        "jax_default_matmul_precision": config.jax_default_matmul_precision,
        "jax_enable_x64": config.jax_enable_x64,
    }


def devices() -> tuple[str, ...]:
    """Give the kinds of devices that there are; the first is what computes."""
    import jax

    kind = {"cpu": CPU, "tpu": TPU}.get(jax.devices()[0].platform, GPU)  # gpu, or its maker's word
    return (CPU,) if kind == CPU else (kind, CPU)


def device() -> str:
    """Say what computes: `cpu`, or a GPU's name."""
    import jax

    return str(jax.devices()[0].device_kind)


def trainer(
    model: Model,
    update: Update,
    *,
    remat: bool = False,
    accumulate: int = 1,
    devices: int = 1,
    scaled: bool = False,
) -> JaxTrainer:
    """Start to train a model."""
    scaling = Scaling() if scaled else None
    return JaxTrainer(model, update, remat, accumulate, devices, scaling)


class JaxTrainer:
    """A model in training; its variables are kept here and given back to Keras by `finish`."""

    def __init__(
        self,
        model: Model,
        update: Update,
        remat: bool,
        parts: int,
        devices: int,
        scaling: Scaling | None,
    ) -> None:
        import jax

        self._jax, self._devices = jax, devices
        self._parts, self.scaling = parts, scaling
        self._together = _together(model, remat) if devices > 1 else None
        self._lean = Lean(model, recompute=_recompute if remat else None)
        self._books = Bookkeeping(model, update)
        values = {name: np.asarray(v.value) for name, v in self._books.variables.items()}
        self._weights: list[Any] = []
        self._others: list[Any] = []
        self._slots: list[Any] = []
        self._take(values, self._books.empty_slots())
        arithmetic = Arithmetic(jax.numpy.sqrt)
        self._move = jax.jit(functools.partial(update, arithmetic=arithmetic))  # once a shape
        self._step = jax.jit(self._traced_step, donate_argnums=(0, 1, 2))
        self._differentiate = jax.jit(
            self._on_all_devices() if devices > 1 else self._differentiated
        )
        self._update = jax.jit(self._updated, donate_argnums=(0, 2))
        self._add = jax.jit(_sums, donate_argnums=(0,))
        self._multiply = jax.jit(_products, donate_argnums=(0,))
        self._find_finite = jax.jit(_are_finite)
        self._infer = jax.jit(self._traced_logits)

    def step(
        self,
        images: NDArray[np.float32],
        targets: NDArray[np.float32],
        scalars: Sequence[float],
    ) -> float:
        """Take one step; see `Trainer.step`."""
        if self._parts > 1 or self._devices > 1 or self.scaling:
            return apart.step(self, images, targets, scalars, self._parts)
        self._weights, self._others, self._slots, loss = self._step(
            self._weights,
            self._others,
            self._slots,
            *self._books.batch(images, targets),
            tuple(self._books.floats(scalars)),
        )
        return float(loss)

    def gradients(
        self, images: NDArray[Any], targets: NDArray[Any], scale: float
    ) -> tuple[float, list[Any]]:
        """Give a loss and its gradients; see `Separable.gradients`."""
        batch = self._books.batch(images, targets)
        if self._together:
            with self._together.watched():
                return self._with_others(self._together, *batch, scale)
        factor = [] if scale == 1 and self._devices == 1 else self._books.floats((scale,))
        given = self._weights, self._others, *batch, *factor
        loss, self._others, gradients = self._differentiate(*given)
        return float(loss), gradients

    def follow(self, shape: Sequence[int], outputs: int) -> None:
        """Compute a part of a batch that another process has; see `following.Follow`."""
        assert self._together  # noqa: S101  (whoever follows is one of several)
        images, targets = self._books.floats((np.zeros(shape), np.zeros((shape[0], outputs))))
        self._with_others(self._together, images, targets, 1.0)

    def added(self, one: list[Any], other: list[Any]) -> list[Any]:
        """Give the sums of gradients."""
        found: list[Any] = self._add(one, other)
        return found

    def multiplied(self, gradients: list[Any], factor: float) -> list[Any]:
        """Give gradients times a factor."""
        found: list[Any] = self._multiply(gradients, *self._books.floats((factor,)))
        return found

    def are_finite(self, gradients: list[Any]) -> bool:
        """Whether every element is a finite number."""
        return bool(self._find_finite(gradients))

    def statistics(self) -> list[Any]:
        """Give what is not trained, as it is now."""
        return self._others

    def put_back(self, statistics: list[Any]) -> None:
        """Have it as it was."""
        self._others = statistics

    def move(self, gradients: list[Any], scalars: Sequence[float]) -> None:
        """Update all weights and their slots."""
        self._weights, self._slots = self._update(
            self._weights, gradients, self._slots, tuple(self._books.floats(scalars))
        )

    def logits(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """Give the outputs in inference mode; see `Trainer.logits`."""
        return np.array(self._infer(self._weights, self._others, *self._books.floats((images,))))

    def weights(self) -> dict[str, NDArray[Any]]:
        """Give all variables by name."""
        names = self._books.trainable + self._books.others
        return dict(zip(names, map(np.array, self._weights + self._others), strict=True))

    def weight(self, name: str) -> NDArray[Any]:
        """Give a variable."""
        names = self._books.trainable + self._books.others
        return np.array((self._weights + self._others)[names.index(name)])

    def slots(self) -> dict[str, NDArray[Any]]:
        """Give the slots by name."""
        return self._books.named_slots(
            [[np.array(slot) for slot in slots] for slots in self._slots]
        )

    def restore(self, weights: State, slots: State, scaling: Scaling | None = None) -> None:
        """Go on from these variables and slots."""
        grouped = self._books.grouped_slots(slots)
        variables.check(self._books.variables, weights)
        self._take(weights, grouped)
        self.scaling = scaling or (Scaling() if self.scaling else None)

    def finish(self) -> Model:
        """Give the Keras model, once the present variables are in it."""
        variables.assign(self._books.variables, self.weights())
        return self._books.model

    def _take(self, weights: State, slots: Sequence[Sequence[NDArray[Any]]]) -> None:
        """Put variables and slots into arrays of JAX's own, whose memory a step may take over.

        They get the model's type: float32 weights among float64 ones would have float32 gradients.
        """
        array = functools.partial(self._jax.numpy.array, dtype=self._books.dtype)
        self._weights = [array(weights[name]) for name in self._books.trainable]
        self._others = [array(weights[name]) for name in self._books.others]
        self._slots = [tuple(array(slot) for slot in arrays) for arrays in slots]

    def _traced_step(
        self,
        weights: list[Any],
        others: list[Any],
        slots: list[Any],
        images: Any,
        targets: Any,
        scalars: tuple[Any, ...],
    ) -> tuple[list[Any], list[Any], list[Any], Any]:
        """Forward, backward and update; gives the three lists after the step, and the loss."""
        loss, others, gradients = self._differentiated(weights, others, images, targets)
        weights, slots = self._updated(weights, gradients, slots, scalars)
        return weights, others, slots, loss

    def _differentiated(
        self, weights: list[Any], others: list[Any], images: Any, targets: Any, scale: Any = None
    ) -> tuple[Any, list[Any], list[Any]]:
        """Forward and backward: the loss, the statistics after it, and its gradients, scaled."""

        def scaled(weights: list[Any]) -> tuple[Any, tuple[Any, list[Any]]]:
            loss, after = self._loss(weights, others, images, targets)
            return loss if scale is None else loss * scale, (loss, after)

        (_, (loss, after)), gradients = self._jax.value_and_grad(scaled, has_aux=True)(weights)
        return loss, after, gradients

    def _with_others(
        self, together: Together, images: NDArray[Any], targets: NDArray[Any], scale: float
    ) -> tuple[float, list[Any]]:
        """Give the loss and the gradients of a batch that processes compute together."""
        jax: Any = self._jax  # its type lacks the specifications

        def placed(array: NDArray[Any], *axes: str) -> Any:
            sharding = jax.sharding.NamedSharding(self._mesh, jax.P(*axes))
            part = jax.make_array_from_callback
            return part(array.shape, sharding, lambda index: np.asarray(array[index]))

        state = list(map(np.asarray, self._weights + self._others))
        *state, images, targets, factor = together.agreed(state, images, targets, scale)
        whole, count = list(map(placed, state)), len(self._weights)
        batch = placed(images, REPLICA), placed(targets, REPLICA), placed(factor)
        made = self._differentiate(whole[:count], whole[count:], *batch)
        loss, self._others, gradients = jax.tree.map(lambda x: x.addressable_data(0), made)
        return float(loss), gradients

    @functools.cached_property
    def _mesh(self) -> Any:
        """All devices, as many of each process."""
        jax: Any = self._jax
        processes = jax.process_count()
        each = self._devices // processes
        devices = [jax.local_devices(process_index=place)[:each] for place in range(processes)]
        return jax.sharding.Mesh(np.array(devices).reshape(-1), (REPLICA,))

    def _on_all_devices(self) -> Callable[..., tuple[Any, list[Any], list[Any]]]:
        """Give `_differentiated` as devices compute it together, each a part of the batch."""
        from ranparity.kernels import replicas

        jax: Any = self._jax  # its type lacks the specifications
        whole, parts = jax.P(), jax.P(REPLICA)
        mean = functools.partial(jax.lax.pmean, axis_name=REPLICA)

        def replica(*given: Any) -> tuple[Any, list[Any], list[Any]]:
            with replicas.together(mean):
                loss, others, gradients = self._differentiated(*given)
            return mean(loss), others, mean(gradients)

        def together(*given: Any) -> tuple[Any, list[Any], list[Any]]:
            scale = [whole for _ in given[4:]]
            mapped = jax.shard_map(
                replica,
                mesh=self._mesh,
                in_specs=(whole, whole, parts, parts, *scale),
                out_specs=(whole, whole, whole),
                check_vma=False,  # so that a gradient of a mean is the mean of the gradients
            )
            return mapped(*given)  # type: ignore[no-any-return]  # of what it is given

        return together

    def _updated(
        self,
        weights: list[Any],
        gradients: list[Any],
        slots: list[Any],
        scalars: tuple[Any, ...],
    ) -> tuple[list[Any], list[Any]]:
        """The update: weights and slots after it."""
        updated = [
            self._move(weight, gradient, kept, scalars)
            for weight, gradient, kept in zip(weights, gradients, slots, strict=True)
        ]
        return [new for new, _ in updated], [kept for _, kept in updated]

    def _loss(
        self, weights: list[Any], others: list[Any], images: Any, targets: Any
    ) -> tuple[Any, list[Any]]:
        """Mean softmax cross-entropy with penalties, and the BN statistics after it.

        What is fixed is among the others: a step gives it back as it is.
        """
        with self._lean.running(training=True):
            logits, others, penalties = self._books.model.stateless_call(
                weights, others, images, training=True, return_losses=True
            )
        log_probabilities = self._jax.nn.log_softmax(self._kept(logits))
        loss = -(targets * log_probabilities).sum(axis=1).mean()
        for penalty in penalties:
            loss = loss + self._kept(penalty)
        return loss, others

    def _traced_logits(self, weights: list[Any], others: list[Any], images: Any) -> Any:
        with self._lean.running(training=False):
            call = self._books.model.stateless_call
            return self._kept(call(weights, others, images, training=False)[0])

    def _kept(self, x: Any) -> Any:
        """A tensor in the type of the variables, where the model computes in a narrower one."""
        return x if x.dtype == self._books.dtype else x.astype(self._books.dtype)


def _together(model: Model, remat: bool) -> Together | None:
    """Give this process's part in batches that several compute together; None of a sole one."""
    import jax

    if jax.process_count() == 1:
        return None
    from ranparity.training.backends import jax_processes

    return Together(jax_processes.link(), model, remat=remat)


def _sums(one: list[Any], other: list[Any]) -> list[Any]:
    return [a + b for a, b in zip(one, other, strict=True)]


def _products(gradients: list[Any], factor: Any) -> list[Any]:
    return [gradient * factor for gradient in gradients]


def _are_finite(gradients: list[Any]) -> Any:
    import jax

    return jax.numpy.stack([jax.numpy.isfinite(each).all() for each in gradients]).all()


def _recompute(function: Flat) -> Flat:
    """Have a function keep its arguments alone, and be computed again once its gradient begins.

    On a CPU XLA takes `jax.checkpoint`'s barriers out before it shares what is computed twice
    (JAX 0.10: neither its memory nor its peak was less with it). So the second time depends on a
    gradient, through a zero that the compiler cannot know.
    """
    import jax

    def forward(*given: Any) -> tuple[Any, Any]:
        return function(*given), given

    def backward(given: Any, gradients: Any) -> Any:
        one = gradients[0].ravel()[0]
        zero = jax.numpy.where(one == one, 0.0, jax.numpy.nan)  # a NaN does not equal itself
        later = [each + zero.astype(each.dtype) for each in given]
        _, pull_back = jax.vjp(lambda *again: tuple(function(*again)), *later)
        return pull_back(tuple(gradients))

    recomputed = jax.custom_vjp(function)
    recomputed.defvjp(forward, backward)
    return recomputed
