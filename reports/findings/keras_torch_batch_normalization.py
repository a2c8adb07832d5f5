"""A float64 BatchNormalization of Keras on PyTorch computes in float32.

Expected: a layer whose `dtype` is float64 computes in it; its output is of that type, and has its
digits: of -1 and 3 it makes -2 and 2 over the root of 4.001, which is 0.9998750234326181.

Found: the type is float64, and the digits are those of float32. The layer casts its input to
`result_type(inputs.dtype, "float32")`, which outside TensorFlow is float32 for float64 too, so as
not to overflow where the input is float16, and casts what it has made back.

Seen with Keras 3.15.1 on PyTorch 2.13.0.

It matters because every net here has more of these layers than of any other: none could be held
against another in float64. ranparity has a layer of its own.
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
layer = keras.layers.BatchNormalization(epsilon=1e-3, dtype="float64")
made = layer(np.array([[-1.0], [3.0]]), training=True)
expected = 2 / np.sqrt(4.001)
found = float(made[1, 0])
print(f"expected: {float(expected)!r}, float64")
print(f"found:    {found!r}, {keras.backend.standardize_dtype(made.dtype)}")
has = abs(found - expected) > 1e-12
print("still there" if has else "gone")
raise SystemExit(int(has))
