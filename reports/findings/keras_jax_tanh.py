"""`keras.ops.tanh` on JAX computes float64 in float32.

Expected: with JAX's 64 bits switched on the hyperbolic tangent of a float64 array is a float64
array, as `keras.ops.exp` of one is, and `keras.activations.sigmoid`.

Found: a float32 array. The argument is cast to the result type of its own and a Python float, which
outside TensorFlow is float32 for float64 too. `ops.sin`, `ops.cos`, `ops.sinh`, `ops.arctan` and
others do the same; on PyTorch they do not.

Seen with Keras 3.15.1 on JAX 0.10.2.

It matters because a net with a TanH is float32 from there on. ranparity calls `jax.numpy.tanh`.
"""

import math
import os
from importlib.metadata import version

os.environ["KERAS_BACKEND"] = "jax"
try:
    import jax
    import keras
except ImportError as error:
    print(f"not installed: {error.name}")
    raise SystemExit(2) from None

jax.config.update("jax_enable_x64", True)
keras.config.set_floatx("float64")
print(f"versions: keras {version('keras')}, jax {version('jax')}")
made = keras.ops.tanh(keras.ops.convert_to_tensor(0.1, dtype="float64"))
expected, found = math.tanh(0.1), float(made)
print(f"expected: {expected!r}, float64")
print(f"found:    {found!r}, {keras.backend.standardize_dtype(made.dtype)}")
has = abs(found - expected) > 1e-14
print("still there" if has else "gone")
raise SystemExit(int(has))
