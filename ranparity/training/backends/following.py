"""Processes that compute batches together, of which the first leads and the others follow.

The first has the data, the record and the optimizer. It tells the others of the model, and for each
batch gives them the variables and the images; all compute the gradients of a part, and agree on
means where a layer looks at the whole batch (`ranparity.kernels.replicas`); the step is taken by
the first one alone. So the others need no data, and keep nothing from one batch to the next. How
processes reach one another is the framework's matter: a `Link`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ranparity.errors import LostDeviceError
from ranparity.training import backends
from ranparity.training.backends.startup import hidden
from ranparity.training.variables import Model

END, MODEL, BATCH = range(3)  # what the first of six numbers says that follows
NUMBERS = 6

Follow = Callable[[Sequence[int], int], None]
"""Computes a part of a batch, of the images' shape (NHWC) and the number of outputs."""


@dataclass(frozen=True)
class Told:
    """What the first process tells of the model whose batches follow.

    Attributes:
        model: Keras's JSON of it.
        remat: As the trainer's.
        precision: One of `backends.PRECISIONS`.
    """

    model: str
    remat: bool
    precision: str

    def built(self) -> Model:
        """Build the model."""
        import keras

        import ranparity.models.layers  # noqa: F401  (what the model's layers are)

        backends.set_precision(self.precision)
        with hidden("tensorflow"):  # Keras 3.15 loads it, which takes seconds, to read a model
            return keras.models.model_from_json(self.model)


class Link(Protocol):
    """What processes that compute together talk through."""

    @property
    def leads(self) -> bool:
        """Whether this process is the first."""

    def broadcast(self, array: NDArray[Any]) -> NDArray[Any]:
        """Give the first process's array; the others' is one of the same shape and type.

        Raises:
            Exception: The framework's; `loss` says whether another process is gone.
        """

    def loss(self, error: Exception) -> str:
        """Give what an error says of a process that cannot be reached any more; else nothing."""


_ENDING: list[Link] = []  # whose other processes end when this one does


def announce(link: Link, what: int, *numbers: int) -> None:
    """Tell the others what follows."""
    given = [what, *numbers, *[0] * (NUMBERS - 1 - len(numbers))]
    link.broadcast(np.array(given, np.int32))


def tell(link: Link, model: Model, *, remat: bool) -> None:
    """Tell the others of the model whose batches follow.

    Args:
        link: To them.
        model: The Keras model.
        remat: As the trainer's.
    """
    with hidden("tensorflow"):  # Keras 3.15 loads it, which takes seconds, to write a model
        told = Told(model.to_json(), remat, model.dtype_policy.name.removeprefix("mixed_"))
    text = np.frombuffer(json.dumps(asdict(told)).encode(), np.uint8).astype(np.int32)
    announce(link, MODEL, text.size)
    link.broadcast(text)


def follow(link: Link, start: Callable[[Told], Follow]) -> None:
    """Compute parts of batches, as the first process gives them, until there are no more.

    Ctrl-C and SIGTERM are left to it: what a launcher sends to all processes would else lose this
    one before the first has written a checkpoint.

    Args:
        link: To the first process.
        start: Gives what computes parts of a model's batches, from what is told of the model.

    Raises:
        LostDeviceError: The first process is gone, or another one.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    compute: Follow | None = None
    with watched(link):
        while True:
            what, *given = link.broadcast(np.zeros(NUMBERS, np.int32)).tolist()
            if what == END:
                return
            if what == MODEL:
                text = link.broadcast(np.zeros(given[0], np.int32))
                compute = start(Told(**json.loads(text.astype(np.uint8).tobytes())))
            elif compute:
                compute(given[:4], given[4])


class Together:
    """A trainer's side of batches that processes compute together.

    Attributes:
        leads: Whether this is the first process's.

    Args:
        link: To the others.
        model: The trainer's.
        remat: As the trainer's.

    Raises:
        LostDeviceError: One has ended.
    """

    def __init__(self, link: Link, model: Model, *, remat: bool) -> None:
        self._link, self.leads = link, link.leads
        if self.leads:
            with self.watched():
                tell(link, model, remat=remat)
            if link not in _ENDING:
                _end_at_exit(link)

    def watched(self) -> contextlib.AbstractContextManager[None]:
        """Turn the end of another process into a `LostDeviceError`."""
        return watched(self._link)

    def agreed(
        self,
        state: Sequence[NDArray[Any]],
        images: NDArray[Any],
        targets: NDArray[Any],
        scale: float,
    ) -> list[NDArray[Any]]:
        """Give the first process's batch, and what it is computed with.

        Args:
            state: All variables, in the model's order; those of others than the first count for
                their shapes alone, as all that follows does.
            images: NHWC.
            targets: (N, outputs).
            scale: Of the gradients.

        Returns:
            The state, the images, the targets, and the scale of no axis.
        """
        if self.leads:
            announce(self._link, BATCH, *images.shape, targets.shape[1])
        arrays = [*state, images, targets, np.asarray(scale, images.dtype)]
        flat = self._link.broadcast(np.concatenate([np.ravel(array) for array in arrays]))
        ends = np.cumsum([math.prod(array.shape) for array in arrays])[:-1]
        return [
            piece.reshape(array.shape)
            for piece, array in zip(np.split(flat, ends), arrays, strict=True)
        ]


@contextlib.contextmanager
def watched(link: Link) -> Iterator[None]:
    """Turn the end of another process into an error that says so.

    Raises:
        LostDeviceError: Another process has ended.
    """
    try:
        yield
    except Exception as error:
        said = link.loss(error)
        if not said:  # an error of this process
            raise
        raise LostDeviceError(f"another process was lost: {said}") from error


def _end_at_exit(link: Link) -> None:
    """Have the others end once this process does, however that has come."""
    _ENDING.append(link)

    @atexit.register
    def end() -> None:
        with contextlib.suppress(Exception):  # who is lost already ends by itself
            announce(link, END)
