"""Keras on JAX averages float64 in float32, and calls the result float64.

Expected: `keras.ops.mean` of a float64 tensor is a float64 tensor, which it is, with the digits of
one: the mean of 0.1, 0.2 and 0.3 is 0.2 to 16 digits.

Found: 0.2 to 8 digits. What is averaged is cast to the type of `result_type(x.dtype, "float32")`,
which outside TensorFlow is float32 for float64 too, and the result is cast back to float64: so its
type does not show it. GlobalAveragePooling2D and the means of losses are made of it.

Seen with Keras 3.15.1 on JAX 0.10.2.

It matters because in a comparison in float64 this looks like a fault of the net, a hundred million
roundings large. ranparity divides a sum by its count.
"""

import os
from importlib.metadata import version

os.environ["KERAS_BACKEND"] = "jax"
try:
    import jax
    import keras
    import numpy as np
except ImportError as error:
    print(f"not installed: {error.name}")
    raise SystemExit(2) from None

jax.config.update("jax_enable_x64", True)
keras.config.set_floatx("float64")
print(f"versions: keras {version('keras')}, jax {version('jax')}")
x = keras.ops.convert_to_tensor(np.array([0.1, 0.2, 0.3]), dtype="float64")
mean = keras.ops.mean(x)
found = float(mean)
print("expected: 0.2, float64")
print(f"found:    {found!r}, {keras.backend.standardize_dtype(mean.dtype)}")
has = abs(found - 0.2) > 1e-12
print("still there" if has else "gone")
raise SystemExit(int(has))
