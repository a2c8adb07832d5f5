"""Processes of PyTorch that compute together, found by torch.distributed: gloo, or NCCL on GPUs.

On PyTorch each device is a process. On one machine the run starts the others, `python -m
ranparity.training.backends.torch_processes`. On several, `torchrun` starts the same command on all
of them, and each but the first follows. What they tell one another is in `following`; variables and
images alone go from tensor to tensor here, by way of no array.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import IO, Any

import numpy as np
import torch
import torch.distributed
from numpy.typing import NDArray

from ranparity import workers
from ranparity.errors import LostDeviceError
from ranparity.kernels import replicas
from ranparity.training import backends, launching, variables
from ranparity.training.backends import following
from ranparity.training.update import IDLE

PROGRAM = ("-m", "ranparity.training.backends.torch_processes")
HOST = "127.0.0.1"
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
PATIENCE = timedelta(minutes=30)  # that a replica waits for the others: a test may lie between
GRACE = 5.0  # seconds that a process has to end after one that it needs has been lost
READY = b"ready\n"  # what a process says once it can be told of the model
distributed: Any = torch.distributed  # its type lacks what it hands on
LOST = (distributed.DistBackendError, distributed.DistNetworkError, distributed.DistStoreError)

Variables = Sequence[Any]  # tensors, in the model's order
Differentiate = Callable[[Any, Any, float], tuple[Any, Sequence[Any]]]
"""Of images (NHWC) and targets as tensors, the loss and its gradients, times a scale."""


class Replicas:
    """The first replica's view of all of them.

    Args:
        model: The Keras model, in this process.
        count: How many there are, this process included.
        remat: As the trainer's.

    Raises:
        LostDeviceError: One has ended before it was ready.
    """

    def __init__(self, model: Any, count: int, *, remat: bool) -> None:
        self._count = count
        self._variables = _tensors(model)
        self._others: list[_Other] = []
        with self._watched():
            if not launching.of("torch", os.environ):
                self._start()
            elif not distributed.is_initialized():
                _join(None, 0, count)
            following.tell(_LINK, model, remat=remat)

    def _start(self) -> None:
        """Start the others on this machine."""
        os.environ.update(LOOPBACK)
        count = self._count
        store = distributed.TCPStore(HOST, 0, count, is_master=True, wait_for_workers=False)
        how: Any = torch.backends  # its type lacks the precision
        told = {"port": store.port, "count": count, "device": _kind()}
        told |= {"threads": torch.get_num_threads(), "tf32": how.fp32_precision == "tf32"}
        self._others = [_Other({**told, "rank": rank}) for rank in range(1, count)]
        for other in self._others:
            other.wait_until_ready()
        _join(store, 0, count)

    def gradients(
        self, images: Any, targets: Any, scale: float, differentiate: Differentiate
    ) -> tuple[float, list[Any]]:
        """Give the loss of a batch and its gradients, times a scale.

        Args:
            images: NHWC, as many as can be divided by the replicas.
            targets: (N, outputs).
            scale: Of the gradients.
            differentiate: Computes this process's part.

        Raises:
            LostDeviceError: A replica has ended. Statistics may have moved.
        """
        with self._watched():
            return self._together(images, targets, scale, differentiate)

    def end(self) -> None:
        """Have the others end that were started here, and wait until they have."""
        if self._others:
            end_all()
            for other in self._others:
                other.end()
            self._others = []

    def _together(
        self, images: Any, targets: Any, scale: float, differentiate: Differentiate
    ) -> tuple[float, list[Any]]:
        parts = images.chunk(self._count), targets.chunk(self._count)
        following.announce(_LINK, following.BATCH, *parts[0][0].shape, targets.shape[1])
        _agreed(scale)
        _share(self._variables)
        for given in parts:
            distributed.scatter(given[0].contiguous(), [part.contiguous() for part in given])
        loss, found = _part(parts[0][0], parts[1][0], scale, differentiate)
        return float(loss), found

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Turn the end of another process into an error that says which, and how."""
        try:
            yield
        except RuntimeError as error:
            lost = [how for other in self._others if (how := other.lost())]
            for other in self._others:
                other.end()
            self._others = []
            said = _LINK.loss(error)
            if not lost and not said:  # an error of this process
                raise
            raise LostDeviceError("; ".join(lost) or f"another process was lost: {said}") from error


class _Other:
    """A replica in another process."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._rank, self._count = told["rank"], told["count"]
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (`end` closes it)
        self._process = subprocess.Popen(  # noqa: S603  (this same Python)
            [sys.executable, *PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            start_new_session=True,  # Ctrl-C is for the first one
        )
        assert self._process.stdin  # noqa: S101  (PIPE was asked for)
        with contextlib.suppress(BrokenPipeError):  # it has ended, and is asked why
            self._process.stdin.write(f"{json.dumps(told)}\n".encode())
            self._process.stdin.flush()

    def wait_until_ready(self) -> None:
        """Wait until it has loaded PyTorch and Keras.

        Raises:
            RuntimeError: It has ended before.
        """
        assert self._process.stdout  # noqa: S101  (PIPE was asked for)
        if READY not in iter(self._process.stdout.readline, b""):
            raise RuntimeError("ended before it was ready")

    def lost(self) -> str:
        """Say how it has ended; nothing where it runs."""
        try:
            status = self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            return ""
        self._said.seek(0)
        said = workers.last_lines(self._said.read().decode(errors="replace"), 1)
        how = f"{workers.ending(status)}: {said}"
        return f"device {self._rank + 1} of {self._count} (process {self._process.pid}) was {how}"

    def end(self) -> None:
        """Wait for its end, and do not wait long."""
        with self._said, self._process:
            assert self._process.stdin  # noqa: S101  (PIPE was asked for)
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)
            self._process.kill()


def _tensors(model: Any) -> Variables:
    return [variable.value for variable in variables.named(model).values()]


def _kind() -> str:
    """What computes: one of `backends.DEVICES`."""
    return backends.loaded("torch").devices()[0]


def _device() -> Any:
    return torch.device("cuda" if distributed.get_backend() == "nccl" else "cpu")


class _Link:
    """See `following.Link`."""

    @property
    def leads(self) -> bool:
        return not distributed.get_rank()

    def broadcast(self, array: NDArray[Any]) -> NDArray[Any]:
        tensor = torch.tensor(array, device=_device())
        distributed.broadcast(tensor, 0)
        found: NDArray[Any] = tensor.cpu().numpy()
        return found

    def loss(self, error: Exception) -> str:
        return str(error) if isinstance(error, LOST) or "gloo" in str(error) else ""


_LINK = _Link()


def _join(store: Any, rank: int, count: int) -> None:
    """Take one's place among the replicas, and wait for the others.

    Args:
        store: Where they find one another; None is where torchrun says.
        rank: Which of them this is, from 0.
        count: How many there are.
    """
    gpus = _kind() == backends.GPU
    if gpus:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", rank)))
    name = "nccl" if gpus else "gloo"
    distributed.init_process_group(name, store=store, rank=rank, world_size=count, timeout=PATIENCE)
    distributed.barrier()


@atexit.register
def end_all() -> None:
    """Have the other replicas end, where this is the first."""
    if not distributed.is_initialized():
        return
    with contextlib.suppress(RuntimeError):  # who is lost hears nothing
        if not distributed.get_rank():
            following.announce(_LINK, following.END)
    with contextlib.suppress(RuntimeError):  # or its threads abort the process at its end
        distributed.destroy_process_group()


def _agreed(scale: float) -> float:
    """Give the first replica's scale."""
    return float(_LINK.broadcast(np.array(scale)))


def _share(tensors: Variables) -> None:
    """Give the first replica's variables to the others."""
    with torch.no_grad():
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.broadcast(flat, 0)
        if distributed.get_rank():
            for tensor, piece in zip(tensors, _pieces(flat, tensors), strict=True):
                tensor.data.copy_(piece)


class _Mean(torch.autograd.Function):
    """See `ranparity.kernels.replicas.mean`."""

    @staticmethod
    def forward(_ctx: Any, x: Any) -> Any:
        y = x.detach().clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(y)
        return y / distributed.get_world_size()

    @staticmethod
    def backward(_ctx: Any, gradient: Any) -> Any:
        return _mean(gradient)


_mean: Callable[[Any], Any] = _Mean.apply


def _part(
    images: Any, targets: Any, scale: float, differentiate: Differentiate
) -> tuple[Any, list[Any]]:
    """Compute a part of the batch; in the first replica give the loss and gradients of all."""
    with replicas.together(_mean):
        loss, gradients = differentiate(images, targets, scale)
    flat = torch.cat([loss.detach().reshape(1), *(each.reshape(-1) for each in gradients)])
    distributed.reduce(flat, 0)
    flat /= distributed.get_world_size()
    return flat[0], _pieces(flat[1:], gradients)


def _pieces(flat: Any, tensors: Variables) -> list[Any]:
    """Give the parts of a flat tensor that follow one another as these do, in their shapes."""
    parts = flat.split([tensor.numel() for tensor in tensors])
    return [part.reshape(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]


def _serve(backend: Any) -> None:
    """Compute parts of batches, as the first replica gives them, until there are no more."""

    def start(told: following.Told) -> following.Follow:
        model = told.built()
        trainer, tensors = backend.trainer(model, IDLE, remat=told.remat), _tensors(model)

        def compute(shape: Sequence[int], outputs: int) -> None:
            scale = _agreed(1.0)
            _share(tensors)
            images = tensors[0].new_empty(shape)
            targets = tensors[0].new_empty((shape[0], outputs))
            for given in (images, targets):
                distributed.scatter(given)
            _part(images, targets, scale, trainer.differentiated)

        return compute

    following.follow(_LINK, start)


def follow(backend: Any, devices: int) -> None:
    """Be the replica as which `torchrun` has started this process, until there is no more to do.

    Args:
        backend: PyTorch's, which has been started.
        devices: How many there are.
    """
    launch = launching.of("torch", os.environ)
    assert launch  # noqa: S101  (whoever follows has been started with others)
    _join(None, launch.rank, devices)
    _serve(backend)


def _end_with(stream: IO[str]) -> None:
    """End this process once the one that has started it is gone, however that has ended."""
    stream.read()
    os._exit(0)


def main() -> None:
    """Be a replica that the first one has started; it has written on stdin how."""
    told = json.loads(sys.stdin.readline())
    os.environ["KERAS_BACKEND"] = "torch"
    os.environ.update(LOOPBACK)
    threading.Thread(target=_end_with, args=(sys.stdin,), daemon=True).start()
    backend, _ = backends.start("torch", device=told["device"], tf32=told["tf32"])
    torch.set_num_threads(told["threads"])
    store = distributed.TCPStore(HOST, told["port"], told["count"])
    print(READY.decode(), end="", flush=True)
    _join(store, told["rank"], told["count"])
    _serve(backend)


if __name__ == "__main__":
    main()
