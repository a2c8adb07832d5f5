"""`keras.ops.cast` on TensorFlow takes a Python number to float64 by way of float32.

Expected: `keras.ops.cast(0.1, "float64")` is 0.1 to 16 digits, as it is on PyTorch and JAX, and as
`keras.ops.convert_to_tensor(0.1, dtype="float64")` is on TensorFlow too.

Found: 0.10000000149. The number becomes a float32 tensor, which is cast. So the initializer
Constant, which casts its value, gives a float64 weight the digits of float32.

Seen with Keras 3.15.1 on TensorFlow 2.21.0.

It matters because nets that start with a constant do not start alike in float64 on all backends.
ranparity draws initial weights in NumPy and assigns them.
"""

import os
from importlib.metadata import version

os.environ["KERAS_BACKEND"] = "tensorflow"
try:
    import keras
except ImportError as error:
    print(f"not installed: {error.name}")
    raise SystemExit(2) from None

print(f"versions: keras {version('keras')}, tensorflow {version('tensorflow')}")
made = keras.ops.cast(0.1, "float64")
found = float(made)
print("expected: 0.1, float64")
print(f"found:    {found!r}, {keras.backend.standardize_dtype(made.dtype)}")
has = abs(found - 0.1) > 1e-14
print("still there" if has else "gone")
raise SystemExit(int(has))
