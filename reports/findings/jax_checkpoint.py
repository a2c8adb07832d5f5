"""`jax.checkpoint` recomputes nothing on a CPU, and saves no memory.

Expected: what a function under `jax.checkpoint` computes is computed again on the way back, in
place of being kept. `prevent_cse` is documented to keep the compiler from merging what is computed
twice, and to be true by default because under `jax.jit` "CSE can defeat the purpose of this
decorator".

Found: the compiled program has no more arithmetic than without the decorator, and needs no less
memory. The program that goes into the compiler has the second computation, behind a barrier; XLA
takes the barriers out on a CPU, and then merges both.

Seen with JAX 0.10.2.

It matters because a batch that fits with PyTorch's checkpoints, or TensorFlow's, does not fit here.
ranparity makes the second computation depend on a gradient.
"""

import os
from importlib.metadata import version

os.environ["JAX_PLATFORMS"] = "cpu"
try:
    import jax
except ImportError as error:
    print(f"not installed: {error.name}")
    raise SystemExit(2) from None


def four_layers(x, kernels):
    """Four products of matrices, with a tanh after each."""
    for kernel in kernels:
        x = jax.numpy.tanh(x @ kernel)
    return x


def costs(part):
    """The operations and the bytes of the gradient of eight layers, in two parts, compiled."""

    def loss(kernels, x):
        return part(part(x, kernels[:4]), kernels[4:]).sum()

    kernels, x = [jax.numpy.ones((64, 64))] * 8, jax.numpy.ones((1024, 64))
    compiled = jax.jit(jax.grad(loss)).lower(kernels, x).compile()
    return compiled.cost_analysis()["flops"], compiled.memory_analysis().temp_size_in_bytes


print(f"versions: jax {version('jax')}")
flops, size = costs(four_layers)
again, size_again = costs(jax.checkpoint(four_layers))
print(f"expected: more than {flops:,.0f} operations, and less than {size:,} bytes")
print(f"found:    {again:,.0f} operations, and {size_again:,} bytes")
has = again < 1.1 * flops
print("still there" if has else "gone")
raise SystemExit(int(has))
