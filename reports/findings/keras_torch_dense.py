"""A float64 Dense layer of Keras on PyTorch multiplies in float32.

Expected: a layer whose `dtype` is float64 computes in it; its output is of that type, and has its
digits: 0.1 times a kernel of 0.1 is 0.01 to 16 digits.

Found: 0.01 to 8 digits. `ops.matmul` casts both of its inputs to their result type, which outside
TensorFlow is float32 for float64 too, and so do `ops.dot`, `ops.tensordot` and `ops.maximum`. With
a bias, as here, the sum of the product and the float64 bias is float64 again, so the type does not
show it; without one the layer gives float32.

Seen with Keras 3.15.1 on PyTorch 2.13.0; issue 23704 of keras-team/keras tells of it.

It matters because in a comparison in float64 this looks like a fault of the classifier. ranparity
multiplies with `ops.einsum`, which keeps float64.
"""

import os
from importlib.metadata import version

os.environ["KERAS_BACKEND"] = "torch"
try:
    import keras
    import numpy as np
except ImportError as error:
    print(f"not installed: {error.name}")
    raise SystemExit(2) from None

keras.config.set_floatx("float64")
print(f"versions: keras {version('keras')}, torch {version('torch')}")
layer = keras.layers.Dense(1, dtype="float64")
layer.build((None, 1))
layer.set_weights([np.array([[0.1]]), np.zeros(1)])
made = layer(np.array([[0.1]]))
found = float(made[0, 0])
print("expected: 0.01, float64")
print(f"found:    {found!r}, {keras.backend.standardize_dtype(made.dtype)}")
has = abs(found - 0.01) > 1e-14
print("still there" if has else "gone")
raise SystemExit(int(has))
