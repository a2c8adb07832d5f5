"""TensorFlow has no gradient of a convolution in groups in float64 on a CPU.

Expected: `tf.nn.conv2d` gives the convolution of 2 channels with a kernel of 1 input channel, in 2
groups, in float64; what it gives has a gradient, as it has in float32.

Found: InvalidArgumentError: Gradients for grouped convolutions are not supported on CPU. In float32
the gradients are oneDNN's; with TF_ENABLE_ONEDNN_OPTS=0 there are none in float32 either. Within
`tf.function(jit_compile=True)` there are, in both, which is how Keras goes around it.

Seen with TensorFlow 2.21.0.

It matters because AttentionNeXt's convolutions are in 32 groups: its gradients could not be held
against others' in float64. ranparity leaves such convolutions to Keras.
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
    maps = tf.ones((1, 1, 1, 2), tf.float64)
    kernel = tf.ones((1, 1, 1, 2), tf.float64)
    print("expected: a gradient of 2 ones")
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        made = tf.nn.conv2d(maps, kernel, strides=1, padding="VALID")
    try:
        found = tf.reshape(tape.gradient(made, kernel), -1).numpy().tolist()
        has = found != [1.0] * 2
        print(f"found:    {found}")
    except tf.errors.InvalidArgumentError as refusal:
        has = True
        print(f"found:    InvalidArgumentError: {refusal.message}")
print("still there" if has else "gone")
raise SystemExit(int(has))
