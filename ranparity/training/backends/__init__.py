"""Training on a framework: one file each, all to the protocols below.

A framework is chosen when Keras is imported, so `prepare` comes first in a process, before Keras or
the framework is imported, and only one backend can be used in it.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from ranparity.errors import InputError
from ranparity.training import launching, precisions
from ranparity.training.backends import startup

if TYPE_CHECKING:  # so that the names can be listed for `--help` at no cost
    import numpy as np
    from numpy.typing import NDArray

    from ranparity.training.scaling import Scaling
    from ranparity.training.update import Update
    from ranparity.training.variables import Model, State

NAMES = ("torch", "tensorflow", "jax")
PRECISIONS = precisions.NAMES
AUTO, CPU, GPU, TPU = "auto", "cpu", "gpu", "tpu"
DEVICES = (AUTO, CPU, GPU, TPU)
DEVICE_HELP = "what computes: auto is a GPU by CUDA, on JAX a TPU too, where the framework sees one"
HIDDEN = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}  # what keeps frameworks on the CPU


class Trainer(Protocol):
    """A model in training on one framework: its weights, BN statistics and optimizer slots."""

    scaling: Scaling | None
    """Of the loss; None where it is taken as it is."""

    def step(
        self,
        images: NDArray[np.float32],
        targets: NDArray[np.float32],
        scalars: Sequence[float],
    ) -> float:
        """Take one step of training; layers whose `trainable` is false stay as they are.

        Where the loss is scaled, a step whose gradients are not all finite changes nothing but
        `scaling`.

        Args:
            images: NHWC.
            targets: Probabilities, shape (N, classes); one-hot for plain labels. A network may have
                more outputs than these.
            scalars: The step's numbers, from `Update.scalars`.

        Returns:
            The loss on this batch before the update, without the decay: mean softmax cross-entropy,
            and what the model's layers add to it (Keras's `add_loss`), such as DRA-Net's
            regulariser.
        """

    def logits(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """Give the model's outputs for images (NHWC) in inference mode, shape (N, outputs)."""

    def weights(self) -> dict[str, NDArray[Any]]:
        """Give all variables of the model, BN statistics included, by name."""

    def weight(self, name: str) -> NDArray[Any]:
        """Give one of them."""

    def slots(self) -> dict[str, NDArray[Any]]:
        """Give what the update rule keeps of each trainable variable, by NAME/SLOT."""

    def restore(self, weights: State, slots: State, scaling: Scaling | None = None) -> None:
        """Go on from these variables and slots.

        Args:
            weights: All variables by name.
            slots: What the update rule keeps, by NAME/SLOT.
            scaling: Where the scale of a loss that is scaled is; by default at its beginning.

        Raises:
            InputError: They are not those of the model and the update rule.
        """

    def finish(self) -> Model:
        """Give the Keras model with the present variables in it."""


class Backend(Protocol):
    """A framework: a module of this package."""

    def prepare(
        self,
        threads: int,
        precision: str,
        *,
        many_steps: bool,
        device: str = AUTO,
        tf32: bool = False,
        devices: int = 1,
    ) -> dict[str, Any]:
        """Set what makes runs repeatable, and give it by name, for the record.

        Args:
            threads: Number of threads to compute with, where the framework can be told.
            precision: One of `PRECISIONS`, for what the framework has to be told of it.
            many_steps: Whether what makes steps faster may cost time before the first one.
            device: One of `DEVICES`; with `CPU` the others are not seen any more.
            tf32: Whether a GPU may compute products of float32 numbers in less.
            devices: How many are to compute a step together.

        Raises:
            InputError: There are not so many.
        """

    def devices(self) -> tuple[str, ...]:
        """Give the kinds of devices that there are, of `DEVICES`; the first is what computes."""

    def device(self) -> str:
        """Say what computes: `cpu`, or a GPU's name."""

    def trainer(
        self,
        model: Model,
        update: Update,
        *,
        remat: bool = False,
        accumulate: int = 1,
        devices: int = 1,
        scaled: bool = False,
    ) -> Trainer:
        """Start to train a model, with logits as its outputs, from the values that it has.

        Args:
            model: The model.
            update: How its variables move.
            remat: Whether a step computes parts of the net twice, in place of keeping what they
                compute until it has their gradients: less memory, longer steps.
            accumulate: Into how many parts a batch is divided, whose gradients a step adds up: less
                memory again; see `apart`.
            devices: How many compute each batch together, a part each; the gradients are those of
                the whole batch, batch statistics included (`ranparity.kernels.replicas`).
            scaled: Whether the loss is scaled; see `ranparity.training.scaling`.
        """


def choose(
    asked: str | None, environment: Mapping[str, str], where: str = "--backend"
) -> tuple[str, str]:
    """Decide on a backend: what is asked for, or KERAS_BACKEND, or the first one installed.

    Args:
        asked: A backend's name, if one is asked for.
        environment: The process's variables.
        where: What asks for it.

    Returns:
        The backend's name and why it was chosen, in a few words.

    Raises:
        InputError: The backend is unknown or not installed.
    """
    wanted = environment.get("KERAS_BACKEND")
    if asked:
        return _installed(asked, where), f"{where} asks for it"
    if wanted:
        return _installed(wanted, "KERAS_BACKEND"), "KERAS_BACKEND asks for it"
    for name in NAMES:
        if importlib.util.find_spec(name):
            return name, "the first one installed; --backend or KERAS_BACKEND sets another"
    raise InputError(f"backend: none of {', '.join(NAMES)} is installed: {_advice(NAMES[0])}")


def start(
    name: str,
    precision: str = "float32",
    *,
    many_steps: bool = False,
    device: str = AUTO,
    tf32: bool = False,
    devices: int = 1,
) -> tuple[Backend, dict[str, Any]]:
    """Choose the backend for this process, before Keras is imported, and set its switches.

    Args:
        name: One of `NAMES`.
        precision: One of `PRECISIONS`.
        many_steps: Whether what makes steps faster may cost time before the first one.
        device: One of `DEVICES`.
        tf32: Whether a GPU may compute products of float32 numbers in TF32.
        devices: How many are to compute a step together.

    Returns:
        The backend, and the switches by name.

    Raises:
        InputError: This process has imported Keras with another backend, or there is no such
            device, or there are not so many.
    """
    keras = sys.modules.get("keras")
    if keras and keras.backend.backend() != name:
        raise InputError(
            f"backend: this process uses {keras.backend.backend()} already, and Keras cannot "
            f"change that: start another process for {name}"
        )
    os.environ["KERAS_BACKEND"] = name
    backend = loaded(name)
    how: dict[str, Any] = {"many_steps": many_steps, "device": device, "tf32": tf32}
    switches = backend.prepare(processors(), precision, **how, devices=devices)
    check_device(name, device, backend.devices(), tf32=tf32)
    with startup.hidden(*startup.OPTIONAL), startup.uncompiled():
        importlib.import_module("keras")
    if devices > 1:
        switches["devices"] = devices
        if launch := launching.of(name, os.environ):
            switches["launched_by"] = f"{launch.by}, {launch.processes} processes"
    set_precision(precision)
    return backend, switches


def set_precision(precision: str) -> None:
    """Let the models that are built from now on be of a precision.

    Keras's `clear_session` forgets it.
    """
    config = importlib.import_module("keras").config
    config.set_floatx(precisions.kept(precision))  # whatever the user's keras.json says
    config.set_dtype_policy(precisions.policy(precision))


def check_device(name: str, device: str, there: Sequence[str], *, tf32: bool = False) -> None:
    """See that a backend has the device that it is to compute on.

    Args:
        name: Of the backend.
        device: One of `DEVICES`.
        there: What `Backend.devices` gives.
        tf32: Whether products in TF32 are asked for, which a GPU alone has.

    Raises:
        InputError: It has not.
    """
    if device not in (AUTO, there[0]):
        raise InputError(
            f"--device {device}: {name} sees none here. There is {' and '.join(there)}: ask for "
            f"{there[0]}, or leave --device out"
        )
    if tf32 and there[0] != GPU:
        raise InputError(f"--tf32: expected a GPU, and {name} computes on {there[0]}: leave it out")


def loaded(name: str) -> Backend:
    """Give a backend as it is, with nothing set."""
    return cast(Backend, importlib.import_module(f"ranparity.training.backends.{name}"))


def processors() -> int:
    """Give the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _installed(name: str, where: str) -> str:
    if name not in NAMES:
        raise InputError(f"{where}: expected one of {', '.join(NAMES)}. Received: {name!r}")
    if not importlib.util.find_spec(name):
        raise InputError(f"{where}: {name} is not installed: {_advice(name)}")
    return name


def _advice(name: str) -> str:
    return f"python -m pip install 'ranparity[{name}]'"
