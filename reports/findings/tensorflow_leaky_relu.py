"""`tf.nn.leaky_relu` of float64 has a slope in float32.

Expected: it is documented for float64 features, and its `alpha` is their slope below 0: with 0.1 it
makes -0.1 of -1, to 16 digits.

Found: -0.10000000149. The operation keeps its slope as a float32 attribute, whatever the type of
the features. `keras.ops.leaky_relu` on TensorFlow is this one.

Seen with TensorFlow 2.21.0.

It matters because in a comparison in float64 this looks like a fault of the layer. ranparity makes
a ReLU with a slope of two without one.
"""

import os
from importlib.metadata import version

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
try:
    import tensorflow as tf
except ImportError as error:
    print(f"not installed: {error.name}")
    raise SystemExit(2) from None

print(f"versions: tensorflow {version('tensorflow')}")
made = tf.nn.leaky_relu(tf.constant(-1.0, tf.float64), alpha=0.1)
found = float(made)
print("expected: -0.1, float64")
print(f"found:    {found!r}, {made.dtype.name}")
has = abs(found + 0.1) > 1e-14
print("still there" if has else "gone")
raise SystemExit(int(has))
