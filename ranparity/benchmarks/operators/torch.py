"""A convolution on PyTorch, eagerly: autograd's gradients of a forward pass made before."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ranparity.training.backends.torch import arranged

Convolve = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Do = Callable[[], torch.Tensor]


def forward(convolve: Convolve, x: torch.Tensor, weight: torch.Tensor) -> Do:
    """See `Operators.forward`; what gradients need is kept, as in a step."""
    leaf = _leaf(arranged(weight))
    return lambda: convolve(x, leaf)


def weight_gradient(
    convolve: Convolve, x: torch.Tensor, weight: torch.Tensor, top: torch.Tensor
) -> Do:
    """See `Operators.weight_gradient`."""
    leaf = _leaf(arranged(weight))
    return _gradient(convolve(x, leaf), leaf, top)


def input_gradient(
    convolve: Convolve, x: torch.Tensor, weight: torch.Tensor, top: torch.Tensor
) -> Do:
    """See `Operators.input_gradient`."""
    leaf = _leaf(x)
    return _gradient(convolve(leaf, arranged(weight)), leaf, top)


def product(left: torch.Tensor, right: torch.Tensor) -> Do:
    """See `Operators.product`; of a single group as the matrices that they are."""
    if len(left) == 1:
        left, right = left[0], right[0]
    return lambda: left @ right


def wait(made: torch.Tensor) -> None:
    """See `Operators.wait`."""
    if made.is_cuda:
        torch.cuda.synchronize()


def _leaf(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor, from whose gradient nothing goes further back."""
    return tensor.detach().requires_grad_()


def _gradient(made: torch.Tensor, leaf: torch.Tensor, top: torch.Tensor) -> Do:
    return lambda: torch.autograd.grad(made, leaf, top, retain_graph=True)[0]
