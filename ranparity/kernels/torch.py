"""PyTorch's own forms: padding inside the operation, and the fused batch normalisation.

PyTorch wants NCHW. A map in NHWC is passed as a permuted view, which PyTorch knows as its
channels_last memory format, so nothing is copied.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import torch
from torch.nn import functional

from ranparity.kernels import plain
from ranparity.kernels.plain import Pads, Pair


def convolution(
    x: torch.Tensor,
    weight: torch.Tensor,
    *,
    stride: Pair,
    pad: Pair,
    dilation: Pair,
    group: int,
    data_format: str,
) -> torch.Tensor:
    """See `plain.convolution`; the zeros are not written out.

    A 1x1 convolution with a stride reads what it needs first: see `plain.leaves_out`. (Without a
    stride there is nothing to leave out, and a slice of everything would have a gradient that is
    copied.)
    """
    x = _nchw(x, data_format)
    if plain.leaves_out(weight, stride, pad):
        x, stride = x[:, :, :: stride[0], :: stride[1]], (1, 1)
    weight = weight.permute(3, 2, 0, 1)  # HWIO to OIHW
    y = functional.conv2d(x, weight, None, stride, pad, dilation, group)
    return _as_given(y, data_format)


def deconvolution(
    x: torch.Tensor,
    weight: torch.Tensor,
    *,
    stride: Pair,
    pad: Pair,
    dilation: Pair,
    group: int,
    data_format: str,
) -> torch.Tensor:
    """See `plain.deconvolution`."""
    y = functional.conv_transpose2d(
        _nchw(x, data_format), weight, None, stride, pad, 0, group, dilation
    )
    return _as_given(y, data_format)


_spare: list[torch.Tensor] = []


@contextlib.contextmanager
def spare(tensor: torch.Tensor) -> Iterator[None]:
    """Let an operation write over a tensor, which nothing else reads, nor any gradient."""
    _spare.append(tensor)
    try:
        yield
    finally:
        _spare.pop()


def relu(x: torch.Tensor) -> torch.Tensor:
    """See `plain.relu`; in the place of a `spare` tensor.

    What a convolution or a normalisation made is a view here. Autograd would copy what is written
    over through a view, so the maps beneath it are, and the view is taken again.
    """
    if not _spare or _spare[-1] is not x:
        return functional.relu(x)
    if x._base is None or not torch.is_grad_enabled():
        return torch.relu_(x)
    below, axes = x._base, (0, 2, 3, 1)
    if x.ndim != 4 or below.ndim != 4:
        return functional.relu(x)
    for view in (below, below.permute(axes)):
        if (view.shape, view.stride()) == (x.shape, x.stride()):
            made = torch.relu_(below)
            return made if view is below else made.permute(axes)
    return functional.relu(x)


def max_pool(
    x: torch.Tensor, *, kernel: Pair, stride: Pair, pads: Pads, data_format: str
) -> torch.Tensor:
    """See `plain.max_pool`; PyTorch's ceil mode where its rule gives the same windows."""
    before = (pads[0][0], pads[1][0])
    shape = _nchw(x, data_format).shape[2:]
    wanted = tuple(
        (size + sum(pad) - k) // s + 1
        for size, pad, k, s in zip(shape, pads, kernel, stride, strict=True)
    )
    ceil = tuple(_ceil_size(*axis) for axis in zip(shape, kernel, stride, before, strict=True))
    if ceil != wanted or any(2 * pad > k for pad, k in zip(before, kernel, strict=True)):
        return plain.max_pool(  # type: ignore[no-any-return]
            x, kernel=kernel, stride=stride, pads=pads, data_format=data_format
        )
    y = functional.max_pool2d(_nchw(x, data_format), kernel, stride, before, ceil_mode=True)
    return _as_given(y, data_format)


def interpolation(
    x: torch.Tensor, height: torch.Tensor, width: torch.Tensor, *, data_format: str
) -> torch.Tensor:
    """See `plain.interpolation`; products of matrices as they lie in memory, nothing is moved."""
    batch, *sides = x.shape
    if data_format == "channels_last":
        rows = torch.bmm(_each(height, batch), x.reshape(batch, sides[0], -1))
        cells = rows.reshape(-1, *sides[1:])
        return torch.bmm(_each(width, len(cells)), cells).reshape(batch, len(height), -1, sides[2])
    maps = x.reshape(-1, *sides[1:])
    made = torch.bmm(_each(height, len(maps)), maps) @ width.T
    return made.reshape(batch, sides[0], *made.shape[1:])


def moving_average(old: torch.Tensor, new: torch.Tensor, momentum: float) -> torch.Tensor:
    """See `plain.moving_average`, in fewer passes."""
    return torch.add(old * momentum, new.to(old.dtype), alpha=1 - momentum)


def batch_normalization(
    x: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor, *, epsilon: float, axis: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """See `plain.batch_normalization`.

    With momentum 1 PyTorch's running statistics are the batch's; its variance is the unbiased
    one, which is scaled back.
    """
    count = math.prod(x.shape) // x.shape[axis]
    if count < 2:  # PyTorch refuses to normalise a single value
        return plain.batch_normalization(x, gamma, beta, epsilon=epsilon, axis=axis)
    mean, variance = torch.zeros_like(gamma), torch.zeros_like(gamma)
    y = functional.batch_norm(
        x.movedim(axis, 1), mean, variance, gamma, beta, training=True, momentum=1.0, eps=epsilon
    )
    return y.movedim(1, axis), mean, variance * ((count - 1) / count)


def affine_normalization(
    x: torch.Tensor,
    mean: torch.Tensor,
    variance: torch.Tensor,
    gamma: torch.Tensor,
    beta: torch.Tensor,
    *,
    epsilon: float,
    axis: int,
) -> torch.Tensor:
    """See `plain.affine_normalization`."""
    y = functional.batch_norm(x.movedim(axis, 1), mean, variance, gamma, beta, eps=epsilon)
    return y.movedim(1, axis)


def _ceil_size(size: int, kernel: int, stride: int, pad: int) -> int:
    """PyTorch's size in ceil mode: the last window must start inside the map or its padding."""
    out = -(-(size + 2 * pad - kernel) // stride) + 1
    return out - 1 if (out - 1) * stride >= size + pad else out


def _each(matrix: torch.Tensor, count: int) -> torch.Tensor:
    """A matrix so many times, without copies of it."""
    return matrix.expand(count, *matrix.shape)


def _nchw(x: torch.Tensor, data_format: str) -> torch.Tensor:
    return x if data_format == "channels_first" else x.permute(0, 3, 1, 2)


def _as_given(y: torch.Tensor, data_format: str) -> torch.Tensor:
    return y if data_format == "channels_first" else y.permute(0, 2, 3, 1)
