"""Processes of TensorFlow that compute together, found by TF_CONFIG."""

from __future__ import annotations

import functools
import os
import re
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ranparity.training import launching
from ranparity.training.backends import following
from ranparity.training.update import IDLE

LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)


class _Link:
    """See `following.Link`.

    Args:
        strategy: What runs something in all processes.
    """

    def __init__(self, strategy: Any) -> None:
        launch = launching.of("tensorflow", os.environ)
        assert launch  # noqa: S101  (there is a link where there are several processes)
        self.leads, self._strategy = launch.rank == 0, strategy
        self._sum = tf.function(self._traced_sum)

    def broadcast(self, array: NDArray[Any]) -> NDArray[Any]:
        given = array if self.leads else np.zeros_like(array)
        found: NDArray[Any] = self._sum(tf.constant(given)).numpy()
        return found

    def loss(self, error: Exception) -> str:
        if not isinstance(error, LOST):
            return ""
        *_, said = re.split(
            r'^  File ".*\n', str(error), flags=re.MULTILINE
        )  # where, and then what
        return said.strip().partition("\n")[0] or type(error).__name__

    def _traced_sum(self, x: Any) -> Any:
        """Build the graph of a sum, to which the first replica alone gives what it has."""

        def replica() -> Any:
            context = tf.distribute.get_replica_context()
            mine = tf.cast(tf.equal(context.replica_id_in_sync_group, 0), x.dtype) * x
            return context.all_reduce(tf.distribute.ReduceOp.SUM, mine)

        return self._strategy.experimental_local_results(self._strategy.run(replica))[0]


@functools.cache
def link(strategy: Any) -> following.Link:
    """Give this process's link to the others."""
    return _Link(strategy)


def follow(backend: Any, devices: int) -> None:
    """Be another process than the first, until there is no more to do.

    Args:
        backend: TensorFlow's, which has been started.
        devices: How many compute together, of all processes.
    """

    def start(told: following.Told) -> following.Follow:
        how: dict[str, Any] = {"remat": told.remat, "devices": devices}
        found: following.Follow = backend.trainer(told.built(), IDLE, **how).follow
        return found

    following.follow(link(backend.strategy(devices)), start)
