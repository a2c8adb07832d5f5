"""Keras on PyTorch makes float32 of float64 and float64.

Expected: `keras.backend.result_type` is documented to give the least upper bound of its types in
Keras's lattice of types. float64 is one of them, so that of float64 and float64 is float64, as it
is on TensorFlow.

Found: float32. On every backend but TensorFlow keras/src/backend/common/dtypes.py makes 32 bits of
64 at the end of each promotion. So `ops.maximum`, `ops.matmul`, `ops.var` and others give float32
for float64 tensors, and a symbolic `ops.add` says float32 where the computed one is float64.

Seen with Keras 3.15.1 on PyTorch 2.13.0; issues 23223 and 23704 of keras-team/keras tell of it.

It matters because a net is told from another by float64: what differs there is no rounding. Here
much of a model of Keras's own layers is float32 all the same. The layers of ranparity are made of
`sum`, `einsum` and convolutions, which are not.
"""

import os
from importlib.metadata import version

os.environ["KERAS_BACKEND"] = "torch"
try:
    import keras
except ImportError as error:
    print(f"not installed: {error.name}")
    raise SystemExit(2) from None

keras.config.set_floatx("float64")
print(f"versions: keras {version('keras')}, torch {version('torch')}")
found = keras.backend.result_type("float64", "float64")
one = keras.ops.ones(1, dtype="float64")
symbolic = keras.KerasTensor((1,), dtype="float64")
print("expected: float64 everywhere")
print(f"found:    {found} as the result type of float64 and float64")
print(f"          {keras.backend.standardize_dtype(keras.ops.maximum(one, one).dtype)} of maximum")
print(f"          {keras.ops.add(symbolic, symbolic).dtype} of a symbolic add")
has = found != "float64"
print("still there" if has else "gone")
raise SystemExit(int(has))
