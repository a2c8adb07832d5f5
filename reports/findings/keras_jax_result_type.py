"""Keras on JAX makes float32 of float64 and float64, with JAX's 64 bits switched on.

Expected: `keras.backend.result_type` is documented to match `jax.numpy.result_type`. With
`jax_enable_x64` that gives float64 for float64 and float64.

Found: float32. On every backend but TensorFlow keras/src/backend/common/dtypes.py makes 32 bits of
64 at the end of each promotion, whatever JAX is told. So `ops.var`, `ops.floor`, `ops.average` and
others give float32 for float64 arrays, and a symbolic `ops.add` says float32 where the computed one
is float64.

Seen with Keras 3.15.1 on JAX 0.10.2; issue 23223 of keras-team/keras tells of it.

It matters because a net is told from another by float64: what differs there is no rounding. Here
some of a model of Keras's own layers is float32 all the same. The layers of ranparity are made of
`sum`, `einsum` and convolutions, which are not.
"""

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
expected = str(jax.numpy.result_type("float64", "float64"))
found = keras.backend.result_type("float64", "float64")
print(f"expected: {expected}, which jax.numpy.result_type gives")
print(f"found:    {found}")
print(f"          {keras.ops.var(keras.ops.ones(1, dtype='float64')).dtype} of var of float64")
has = found != expected
print("still there" if has else "gone")
raise SystemExit(int(has))
