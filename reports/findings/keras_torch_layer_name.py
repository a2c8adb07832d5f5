"""Keras on PyTorch has no weights in a layer whose name has a dot.

Expected: a layer's name may be any that has no `/`: that is the one character which Keras forbids.
On TensorFlow and JAX a Dense layer called `conv1.score` is built, saved and loaded.

Found: KeyError: parameter name can't contain ".". The layer's weights are kept by PyTorch under
paths that begin with its name, and PyTorch parts such paths at dots.

Seen with Keras 3.15.1 on PyTorch 2.13.0.

It matters because a model that was made and saved on one backend cannot be opened on this one, and
because a net that is held against another keeps its names, such as those of Caffe's files.
"""

import os
from importlib.metadata import version

os.environ["KERAS_BACKEND"] = "torch"
try:
    import keras
except ImportError as error:
    print(f"not installed: {error.name}")
    raise SystemExit(2) from None

print(f"versions: keras {version('keras')}, torch {version('torch')}")
print("expected: a layer with a kernel and a bias")
layer = keras.layers.Dense(1, name="conv1.score")
try:
    layer.build((None, 1))
    has = False
    print(f"found:    {len(layer.weights)} weights")
except KeyError as refusal:
    has = True
    print(f"found:    KeyError: {refusal.args[0]}")
print("still there" if has else "gone")
raise SystemExit(int(has))
