"""Keras on PyTorch loses small variances of large means, and makes them negative.

Expected: the variance of 180.00 and 180.01 is 2.5e-5, and so say `keras.ops.var`, and
`keras.ops.moments` on TensorFlow and JAX. A variance is never below 0.

Found: -3.9e-3. `keras.ops.moments` takes the square of the mean from the mean of the squares here;
both are near 32,400, where float32 numbers are 2.0e-3 apart, and so is what comes of it.
BatchNormalization adds its epsilon, 1e-3 by default, and makes NaN of the root. (Keras computed so
everywhere, and mended it on TensorFlow and JAX: pull request 18795 of keras-team/keras.)

Seen with Keras 3.15.1 on PyTorch 2.13.0.

It matters because small variances of large means are what a net's first layers see of images from 0
to 255 that are nearly of one colour. ranparity squares the deviations.
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

print(f"versions: keras {version('keras')}, torch {version('torch')}")
x = keras.ops.convert_to_tensor(np.array([[180.0], [180.01]]), dtype="float32")
found = float(keras.ops.moments(x, axes=[0])[1][0])
layer = keras.layers.BatchNormalization(epsilon=1e-3, dtype="float32")
print("expected: 2.5e-05")
print(f"found:    {found:.1e}")
print(f"          {float(layer(x, training=True)[0, 0])} of BatchNormalization")
has = abs(found - 2.5e-5) > 1e-6
print("still there" if has else "gone")
raise SystemExit(int(has))
