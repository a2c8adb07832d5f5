"""Training on TensorFlow, as one graph a step."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.training import launching, variables
from ranparity.training.backends import AUTO, CPU, GPU, apart
from ranparity.training.backends.bookkeeping import Bookkeeping, check_devices
from ranparity.training.backends.following import Together
from ranparity.training.backends.lean import Lean
from ranparity.training.backends.startup import OPTIONAL, hidden, is_error, stderr_filtered
from ranparity.training.launching import Launch
from ranparity.training.scaling import Scaling
from ranparity.training.update import Arithmetic, Update
from ranparity.training.variables import Model, State


def prepare(
    threads: int,
    precision: str,
    *,
    many_steps: bool,
    device: str = AUTO,
    tf32: bool = False,
    devices: int = 1,
) -> dict[str, Any]:
    """Fix the device, the algorithms, the precision and the number of threads."""
    del precision, many_steps  # operations have their own precision
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors only, once it is loaded
    with stderr_filtered(is_error), hidden(*OPTIONAL):
        import tensorflow as tf  # which loads Keras

        tf.config.list_physical_devices()
    if device == CPU and tf.config.get_visible_devices("GPU"):
        tf.config.set_visible_devices([], "GPU")
    launch = launching.of("tensorflow", os.environ) if devices > 1 else None
    _divide(devices, launch)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(tf32)
    # Rewriting the graph costs 3 s at the first step and makes the others no faster.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    if launch:  # before anything is computed
        strategy(devices)
    return {
        "threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads(),
        "enable_op_determinism": True,
        **tf.config.optimizer.get_experimental_options(),
        "tensor_float_32": tf.config.experimental.tensor_float_32_execution_enabled(),
        "TF_ENABLE_ONEDNN_OPTS": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
    }


def _divide(devices: int, launch: Launch | None) -> None:
    """See that there are devices for replicas: GPUs, or as many parts of the CPU.

    Processes that a launcher has started take the same number each, and one part of a CPU.
    """
    import tensorflow as tf

    here = devices // launch.processes if launch else devices
    if gpus := tf.config.get_visible_devices("GPU"):
        check_devices(here, len(gpus))
        if launch:
            tf.config.set_visible_devices(gpus[:here], "GPU")
    elif launch:
        check_devices(here, 1)
    elif devices > 1:
        (cpu,) = tf.config.list_physical_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration() for _ in range(devices)]
        tf.config.set_logical_device_configuration(cpu, parts)


def devices() -> tuple[str, ...]:
    """Give the kinds of devices that there are; the first is what computes."""
    import tensorflow as tf

    return (GPU, CPU) if tf.config.get_visible_devices("GPU") else (CPU,)


def device() -> str:
    """Say what computes: `cpu`, or a GPU's name."""
    import tensorflow as tf

    for gpu in tf.config.get_visible_devices("GPU"):
        details = tf.config.experimental.get_device_details(gpu)
        return str(details.get("device_name", gpu.name))
    return "cpu"


def trainer(
    model: Model,
    update: Update,
    *,
    remat: bool = False,
    accumulate: int = 1,
    devices: int = 1,
    scaled: bool = False,
) -> TensorFlowTrainer:
    """Start to train a model."""
    scaling = Scaling() if scaled else None
    return TensorFlowTrainer(model, update, remat, accumulate, devices, scaling)


class TensorFlowTrainer:
    """A model in training; its weights are the Keras variables, updated by the step's graph."""

    def __init__(
        self,
        model: Model,
        update: Update,
        remat: bool,
        parts: int,
        devices: int,
        scaling: Scaling | None,
    ) -> None:
        import tensorflow as tf

        self._tf, self._devices = tf, devices
        self._parts, self.scaling = parts, scaling
        self._lean = Lean(model, recompute=tf.recompute_grad if remat else None)
        self._books = Bookkeeping(model, update)
        self._weights = [self._books.variables[name].value for name in self._books.trainable]
        self._slots = [[tf.Variable(slot) for slot in slots] for slots in self._books.empty_slots()]
        self._step = tf.function(self._traced_step)
        self._strategy: Any = strategy(devices) if devices > 1 else None
        self._differentiate = tf.function(
            self._on_all_devices if self._strategy else self._differentiated
        )
        self._update = tf.function(self._updated)
        self._infer = tf.function(lambda images: self._kept(self._lean(images, training=False)))
        self._together: Together | None = None
        if devices > 1 and launching.of("tensorflow", os.environ):
            from ranparity.training.backends import tensorflow_processes

            link = tensorflow_processes.link(self._strategy)
            self._together = Together(link, model, remat=remat)

    def step(
        self,
        images: NDArray[np.float32],
        targets: NDArray[np.float32],
        scalars: Sequence[float],
    ) -> float:
        """Take one step; see `Trainer.step`."""
        if self._parts > 1 or self._devices > 1 or self.scaling:
            return apart.step(self, images, targets, scalars, self._parts)
        batch = self._constants(self._books.batch(images, targets))
        return float(self._step(*batch, tuple(self._constants(scalars))))

    def gradients(
        self, images: NDArray[Any], targets: NDArray[Any], scale: float
    ) -> tuple[float, list[Any]]:
        """Give a loss and its gradients; see `Separable.gradients`."""
        batch = self._books.batch(images, targets)
        if self._together:
            with self._together.watched():
                return self._with_others(self._together, *batch, scale)
        factor = [] if scale == 1 and self._devices == 1 else [scale]
        loss, gradients = self._differentiate(*self._constants([*batch, *factor]))
        return float(loss), gradients

    def follow(self, shape: Sequence[int], outputs: int) -> None:
        """Compute a part of a batch that another process has; see `following.Follow`."""
        assert self._together  # noqa: S101  (whoever follows is one of several)
        images, targets = self._books.floats((np.zeros(shape), np.zeros((shape[0], outputs))))
        self._with_others(self._together, images, targets, 1.0)

    def added(self, one: Sequence[Any], other: Sequence[Any]) -> list[Any]:
        """Give the sums of gradients."""
        return [a + b for a, b in zip(one, other, strict=True)]

    def multiplied(self, gradients: Sequence[Any], factor: float) -> list[Any]:
        """Give gradients times a factor."""
        return [gradient * factor for gradient in gradients]

    def are_finite(self, gradients: Sequence[Any]) -> bool:
        """Whether every element is a finite number."""
        tf = self._tf
        return bool(tf.reduce_all([tf.reduce_all(tf.math.is_finite(each)) for each in gradients]))

    def statistics(self) -> list[Any]:
        """Give what is not trained, as it is now."""
        return [self._tf.identity(self._books.variables[name].value) for name in self._books.others]

    def put_back(self, statistics: list[Any]) -> None:
        """Have it as it was."""
        for name, value in zip(self._books.others, statistics, strict=True):
            self._books.variables[name].assign(value)

    def move(self, gradients: Sequence[Any], scalars: Sequence[float]) -> None:
        """Update all weights and their slots."""
        self._update(gradients, tuple(self._constants(scalars)))

    def logits(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """Give the outputs in inference mode; see `Trainer.logits`."""
        return _array(self._infer(*self._constants((images,))))

    def weights(self) -> dict[str, NDArray[Any]]:
        """Give all variables by name."""
        return {name: self.weight(name) for name in self._books.variables}

    def weight(self, name: str) -> NDArray[Any]:
        """Give a variable."""
        return _array(self._books.variables[name].value)

    def slots(self) -> dict[str, NDArray[Any]]:
        """Give the slots by name."""
        arrays = [[self._turned(_array(slot)) for slot in slots] for slots in self._slots]
        return self._books.named_slots(arrays)

    def restore(self, weights: State, slots: State, scaling: Scaling | None = None) -> None:
        """Go on from these variables and slots."""
        grouped = self._books.grouped_slots(slots)
        variables.assign(self._books.variables, weights)
        for mine, given in zip(self._slots, grouped, strict=True):
            for slot, array in zip(mine, given, strict=True):
                slot.assign(self._turned(array))
        self.scaling = scaling or (Scaling() if self.scaling else None)

    def finish(self) -> Model:
        """Give the Keras model, which has the present variables all along."""
        return self._books.model

    def _turned(self, slot: NDArray[Any]) -> NDArray[Any]:
        """A slot as it is kept or as it is given; TensorFlow's own step keeps -v."""
        return slot if self._books.update.nesterov is None else 0 - slot

    def _constants(self, arrays: Sequence[Any]) -> list[Any]:
        return [self._tf.constant(array) for array in self._books.floats(arrays)]

    def _traced_step(self, images: Any, targets: Any, scalars: tuple[Any, ...]) -> Any:
        """Build the graph of forward, backward and update; gives the loss."""
        loss, gradients = self._differentiated(images, targets)
        self._updated(gradients, scalars)
        return loss

    def _differentiated(
        self, images: Any, targets: Any, scale: Any = None
    ) -> tuple[Any, list[Any]]:
        """Build the graph of forward and backward: the loss and its gradients, times a scale."""
        with self._tf.GradientTape() as tape:
            logits = self._lean(images, training=True)
            penalties = self._books.model.losses  # of this call: each begins with none
            loss, scaled = self._loss(logits, targets, penalties, scale)
        return loss, tape.gradient(scaled, self._weights)

    def _loss(
        self, logits: Any, targets: Any, penalties: Sequence[Any], scale: Any
    ) -> tuple[Any, Any]:
        """Mean softmax cross-entropy with penalties, and that times a scale, if there is one."""
        tf, logits = self._tf, self._kept(logits)
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))
        for penalty in penalties:
            loss += self._kept(penalty)
        return loss, loss if scale is None else loss * scale

    def _kept(self, x: Any) -> Any:
        """A tensor in the type of the variables, where the model computes in a narrower one."""
        dtype = self._weights[0].dtype
        return x if x.dtype == dtype else self._tf.cast(x, dtype)

    def _with_others(
        self, together: Together, images: NDArray[Any], targets: NDArray[Any], scale: float
    ) -> tuple[float, list[Any]]:
        """Give the loss and the gradients of a batch that processes compute together."""
        *state, images, targets, factor = together.agreed(
            list(self.weights().values()), images, targets, scale
        )
        if not together.leads:
            given = dict(zip(self._books.variables, state, strict=True))
            variables.assign(self._books.variables, given)
        loss, gradients = self._differentiate(*self._constants([images, targets, factor]))
        return float(loss), gradients

    def _on_all_devices(
        self, images: Any, targets: Any, scale: Any = None
    ) -> tuple[Any, list[Any]]:
        """Build the graph of forward and backward on all devices, each a part of the batch.

        The model's variables are on the first device, and each of the others reads them there. A
        replica gives statistics back in place of writing them, since all of them have the same.
        """
        from ranparity.kernels import replicas

        tf, model, size = self._tf, self._books.model, images.shape[0] // self._devices
        weights = [weight.read_value() for weight in self._weights]
        fixed = [variable.value.read_value() for variable in model.non_trainable_variables]

        def replica() -> tuple[Any, list[Any], list[Any]]:
            context = tf.distribute.get_replica_context()
            first = context.replica_id_in_sync_group * size
            given, wanted = (
                tf.ensure_shape(each[first : first + size], (size, *each.shape[1:]))
                for each in (images, targets)
            )
            with tf.GradientTape() as tape:
                tape.watch(weights)
                logits, others, penalties = model.stateless_call(
                    weights, fixed, given, training=True, return_losses=True
                )
                loss, scaled = self._loss(logits, wanted, penalties, scale)
            return _mean(loss), others, _mean(tape.gradient(scaled, weights))

        with replicas.together(_mean), self._lean.running(training=True):
            made = self._strategy.run(replica)
        loss, others, gradients = self._tf.nest.map_structure(self._of_first, made)
        for variable, value in zip(model.non_trainable_variables, others, strict=True):
            variable.assign(value)
        return loss, gradients

    def _of_first(self, value: Any) -> Any:
        """Give the first replica's of what each of them has."""
        return self._strategy.experimental_local_results(value)[0]

    def _updated(self, gradients: Sequence[Any], scalars: tuple[Any, ...]) -> None:
        """Build the graph of the update."""
        if self._books.update.nesterov is not None:
            self._move_all(gradients, *scalars)
            return
        arithmetic = Arithmetic(self._tf.sqrt)
        for weight, gradient, slots in zip(self._weights, gradients, self._slots, strict=True):
            before = tuple(slot.read_value() for slot in slots)
            moved, after = self._books.update(
                weight.read_value(), gradient, before, scalars, arithmetic
            )
            weight.assign(moved)
            for slot, value in zip(slots, after, strict=True):
                slot.assign(value)

    def _move_all(self, gradients: Sequence[Any], rate: Any) -> None:
        """Update all weights and velocities with TensorFlow's own step, which is Caffe's rule.

        See `Update.nesterov`; what it accumulates is the velocity with the other sign.
        """
        update = self._books.update
        for weight, gradient, (slot,) in zip(self._weights, gradients, self._slots, strict=True):
            self._tf.raw_ops.ResourceApplyKerasMomentum(
                var=weight.handle,
                accum=slot.handle,
                lr=rate,
                grad=gradient + update.weight_decay * weight.read_value(),
                momentum=update.momentum,
                use_nesterov=update.nesterov,
            )


@functools.cache
def strategy(devices: int) -> Any:
    """Give what runs replicas: on GPUs where there are some, else on parts of the CPU.

    One for the process: a second one numbers its means as the first did, and TensorFlow 2.21 then
    takes a mean for the first one's of that number.
    """
    import tensorflow as tf

    with stderr_filtered(is_error):
        if launching.of("tensorflow", os.environ):
            return tf.distribute.MultiWorkerMirroredStrategy()
        kind = "GPU" if tf.config.get_visible_devices("GPU") else "CPU"
        return tf.distribute.MirroredStrategy([f"{kind}:{place}" for place in range(devices)])


def _mean(x: Any) -> Any:
    """See `ranparity.kernels.replicas.mean`."""
    import tensorflow as tf

    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, x)


def _array(tensor: Any) -> NDArray[Any]:
    """Copy a tensor into an array."""
    return np.array(tensor.numpy())
