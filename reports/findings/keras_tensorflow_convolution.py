"""`keras.ops.conv` on TensorFlow refuses a stride together with a dilation.

Expected: `keras.ops.conv` is documented to take `strides` and `dilation_rate`, without a word that
one excludes the other (as the documentation of the Conv2D layer has it). On PyTorch and JAX both
together give what they say: here every second pixel of a dilated convolution.

Found: ValueError, from `tf.nn.convolution`, which has no such form.

Seen with Keras 3.15.1 on TensorFlow 2.21.0.

It matters because a model that calls it runs on two backends of three, and Caffe's nets have such
layers. ranparity convolves without the stride, and takes the pixels of the stride afterwards.
"""

import os
from importlib.metadata import version

os.environ["KERAS_BACKEND"] = "tensorflow"
try:
    import keras
    import numpy as np
except ImportError as error:
    print(f"not installed: {error.name}")
    raise SystemExit(2) from None

print(f"versions: keras {version('keras')}, tensorflow {version('tensorflow')}")
maps = np.arange(49, dtype="float32").reshape(1, 7, 7, 1)
kernel = np.ones((3, 3, 1, 1), "float32")
whole = keras.ops.conv(
    maps, kernel, strides=1, dilation_rate=2, padding="valid", data_format="channels_last"
)
expected = keras.ops.convert_to_numpy(whole)[:, ::2, ::2].ravel().tolist()
print(f"expected: {expected}")
try:
    made = keras.ops.conv(
        maps, kernel, strides=2, dilation_rate=2, padding="valid", data_format="channels_last"
    )
    found = keras.ops.convert_to_numpy(made).ravel().tolist()
    has = found != expected
    print(f"found:    {found}")
except ValueError as refusal:
    has = True
    print(f"found:    ValueError: {refusal}")
print("still there" if has else "gone")
raise SystemExit(int(has))
