"""TensorFlow has no gradient of a dilated convolution in float64 on a CPU.

Expected: `tf.nn.conv2d` is documented for float64 and for `dilations`, and gives such a
convolution; what it gives has a gradient, as it has in float32.

Found: InvalidArgumentError: Current CPU implementations do not yet support dilation rates larger
than 1. In float32 the gradients are oneDNN's; with TF_ENABLE_ONEDNN_OPTS=0 there are none in
float32 either. Issue 28264 of tensorflow/tensorflow, which asks for them, is closed.

Seen with TensorFlow 2.21.0.

It matters because a net with dilations can be run in float64 and not trained in it, so what differs
in float32 cannot be told from rounding. ranparity leaves such convolutions to `tf.nn.convolution`,
which makes ones without dilations of them.
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
with tf.device("CPU:0"):
    maps = tf.ones((1, 5, 5, 1), tf.float64)
    kernel = tf.ones((3, 3, 1, 1), tf.float64)
    print("expected: a gradient of 9 ones")
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        made = tf.nn.conv2d(maps, kernel, strides=1, padding="VALID", dilations=2)
    try:
        found = tf.reshape(tape.gradient(made, kernel), -1).numpy().tolist()
        has = found != [1.0] * 9
        print(f"found:    {found}")
    except tf.errors.InvalidArgumentError as refusal:
        has = True
        print(f"found:    InvalidArgumentError: {refusal.message}")
print("still there" if has else "gone")
raise SystemExit(int(has))
