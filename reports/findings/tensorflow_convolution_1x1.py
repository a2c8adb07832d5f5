"""TensorFlow's gradient of a 1x1 convolution with a stride is wrong on a CPU, or kills the process.

Expected: the gradient by the kernel of a 1x1 convolution with stride 2 is the sum, over all pixels
that it reads, of the products of maps and gradients.

Found: with maps of fewer channels than the processor's vectors hold numbers (8 with AVX2, 16 with
AVX-512), oneDNN writes past its workspace. So the gradient is wrong by as much as it is large, or
the process dies, as it happens. This program keeps to AVX2, so that all x86 processors show the
same. Issue 6035 of uxlfoundation/oneDNN tells of it.

Seen with TensorFlow 2.21.0.

It matters because the shortcuts of residual nets are such convolutions, and in narrow nets they
have so few channels. ranparity takes every second pixel first, and convolves without a stride.
"""

import os
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec

PROGRAM = """
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(2)
maps = tf.reshape(tf.range(7 * 32 * 32 * 4, dtype=tf.float32) % 7, (7, 32, 32, 4))
print(tf.reduce_sum(maps[:, ::2, ::2], (0, 1, 2)).numpy().tolist(), flush=True)
kernel = tf.ones((1, 1, 4, 8))
for _ in range(10):
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        made = tf.nn.conv2d(maps, kernel, strides=2, padding="SAME")
    print(tape.gradient(made, kernel)[0, 0, :, 0].numpy().tolist(), flush=True)
"""

if find_spec("tensorflow") is None:
    print("not installed: tensorflow")
    raise SystemExit(2)

print(f"versions: tensorflow {version('tensorflow')}")
process = subprocess.Popen(  # noqa: S603  (this same Python, and the program above)
    [sys.executable, "-c", PROGRAM],
    env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "TF_CPP_MIN_LOG_LEVEL": "3"},
    stdout=subprocess.PIPE,
    text=True,
)
with process:
    expected = process.stdout.readline().strip()
    try:
        found = process.communicate(timeout=60)[0].splitlines()
        if process.returncode < 0:
            found.append(f"killed by signal {-process.returncode}")
    except subprocess.TimeoutExpired:
        found = ["no end within 60 seconds"]
        process.kill()
if process.returncode > 0 or not expected:  # which says nothing of the gradient
    raise SystemExit(3)
wrong = [line for line in found if line != expected]
print(f"expected: {expected}, ten times")
print(f"found:    {wrong[-1] if wrong else expected}")
print("still there" if wrong else "gone")
raise SystemExit(int(bool(wrong)))
