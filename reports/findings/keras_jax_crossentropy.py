"""The cross-entropy of Keras on JAX is never above 16.118, and on TensorFlow it is.

Expected: results of Keras's operations "are identical across backends up to 1e-7 precision in
float32" (its documentation of Conv2D, which is excepted there). For the logits 0 and 30, of which
the first was right, the loss is 30. Their softmax is 9.4e-14 and 1, which float32 holds, and of
which TensorFlow makes 30.

Found: 16.118. Probabilities are clipped at 1e-7 before their logarithm is taken; so the gradient of
that image is 0. On TensorFlow Keras looks for the logits behind a softmax and takes those.

Seen with Keras 3.15.1 on JAX 0.10.2.

It matters because a net that is wrong and sure of it goes on learning on TensorFlow and not here:
trainings from one start part. ranparity trains on logits.
"""

import os
from importlib.metadata import version

os.environ["KERAS_BACKEND"] = "jax"
try:
    import keras
    import numpy as np
except ImportError as error:
    print(f"not installed: {error.name}")
    raise SystemExit(2) from None

keras.config.set_epsilon(1e-7)
print(f"versions: keras {version('keras')}, jax {version('jax')}")
logits = keras.ops.convert_to_tensor(np.array([[0.0, 30.0]]), dtype="float32")
right = keras.ops.convert_to_tensor(np.array([[1.0, 0.0]]), dtype="float32")
probabilities = keras.ops.softmax(logits)
found = float(keras.ops.categorical_crossentropy(right, probabilities)[0])
print("expected: 30.0")
print(f"found:    {found!r}")
has = abs(found - 30) > 1e-3
print("still there" if has else "gone")
raise SystemExit(int(has))
