"""Processes of JAX that compute together, found by `jax.distributed`."""

from __future__ import annotations

import functools
import os
import sys
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from numpy.typing import NDArray

from ranparity.training.backends import following
from ranparity.training.backends.startup import is_error, stderr_filtered, stdout_filtered
from ranparity.training.launching import Launch
from ranparity.training.update import IDLE

LOST = ("Gloo", "NCCL", "UNAVAILABLE", "heartbeat")  # what tells of a process that is gone


class _Link:
    """See `following.Link`."""

    def __init__(self) -> None:
        self.leads = jax.process_index() == 0

    def broadcast(self, array: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(multihost_utils.broadcast_one_to_all(array))

    def loss(self, error: Exception) -> str:
        told = isinstance(error, (jax.errors.JaxRuntimeError, ValueError))
        return str(error) if told and any(word in str(error) for word in LOST) else ""


@functools.cache
def link() -> following.Link:
    """Give this process's link to the others."""
    return _Link()


def join(launch: Launch) -> None:
    """Take one's place among the processes, and wait for the others.

    One that is lost does not end the others before they have said so.

    Args:
        launch: What the place is.
    """
    config: Any = jax.config  # its type lacks the options
    config.update("jax_enable_recoverability", True)
    config.update("jax_enable_preemption_service", False)  # SIGTERM is heeded between two steps
    with stderr_filtered(is_error), stdout_filtered(lambda line: not line.startswith("[Gloo]")):
        jax.distributed.initialize(
            launch.address,
            launch.processes,
            launch.rank,
            cluster_detection_method="deactivate",  # the place is known
        )
        multihost_utils.sync_global_devices("ranparity")


def follow(backend: Any, devices: int) -> None:
    """Be another process than the first, until there is no more to do.

    Args:
        backend: JAX's, which has been started.
        devices: How many compute together, of all processes.
    """

    def start(told: following.Told) -> following.Follow:
        config: Any = jax.config
        config.update("jax_enable_x64", told.precision == "float64")
        how: dict[str, Any] = {"remat": told.remat, "devices": devices}
        found: following.Follow = backend.trainer(told.built(), IDLE, **how).follow
        return found

    following.follow(link(), start)
    sys.stderr.flush()
    os._exit(0)  # JAX would take leave of the first process, which may be gone, and abort then
