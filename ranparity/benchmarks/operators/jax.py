"""A convolution on JAX, compiled: the forward pass that a gradient does not need falls away."""

from __future__ import annotations

from collections.abc import Callable

import jax

Convolve = Callable[[jax.Array, jax.Array], jax.Array]
Do = Callable[[], jax.Array]


def forward(convolve: Convolve, x: jax.Array, weight: jax.Array) -> Do:
    """See `Operators.forward`."""
    made = jax.jit(convolve)
    return lambda: made(x, weight)


def weight_gradient(convolve: Convolve, x: jax.Array, weight: jax.Array, top: jax.Array) -> Do:
    """See `Operators.weight_gradient`."""

    @jax.jit
    def made(x: jax.Array, weight: jax.Array, top: jax.Array) -> jax.Array:
        backward = jax.vjp(lambda weight: convolve(x, weight), weight)[1]
        gradient: jax.Array = backward(top)[0]
        return gradient

    return lambda: made(x, weight, top)


def input_gradient(convolve: Convolve, x: jax.Array, weight: jax.Array, top: jax.Array) -> Do:
    """See `Operators.input_gradient`."""

    @jax.jit
    def made(x: jax.Array, weight: jax.Array, top: jax.Array) -> jax.Array:
        backward = jax.vjp(lambda x: convolve(x, weight), x)[1]
        gradient: jax.Array = backward(top)[0]
        return gradient

    return lambda: made(x, weight, top)


def product(left: jax.Array, right: jax.Array) -> Do:
    """See `Operators.product`; of a single group as the matrices that they are."""
    if len(left) == 1:
        left, right = left[0], right[0]
    made = jax.jit(jax.numpy.matmul)
    return lambda: made(left, right)


def wait(made: jax.Array) -> None:
    """See `Operators.wait`."""
    made.block_until_ready()
