"""OpenCV's reader of Caffe multiplies the wrong bottom of an Axpy layer.

Expected: an Axpy layer (of hujie-frank/SENet, include/caffe/layers/axpy_layer.hpp) has the bottoms
a, x and y and makes a x + y. Of a = 2, x = 3 and y = 5 it makes 11.

Found: 13, which is x + a y: OpenCV has read the layer since its pull request 14682.

Seen with OpenCV 4.14.0 (5 reads no Caffe).

It matters because SENet's published nets have one in each block, where y is the shortcut. ranparity
translates the layer to Scale and Eltwise before it asks OpenCV.
"""

try:
    import cv2
    import numpy as np
except ImportError as error:
    print(f"not installed: {error.name}")
    raise SystemExit(2) from None

PROTOTXT = b"""
input: "a" input_shape { dim: 1 dim: 1 dim: 1 dim: 1 }
input: "x" input_shape { dim: 1 dim: 1 dim: 1 dim: 1 }
input: "y" input_shape { dim: 1 dim: 1 dim: 1 dim: 1 }
layer { name: "sum" type: "Axpy" bottom: "a" bottom: "x" bottom: "y" top: "sum" }
"""

print(f"versions: opencv {cv2.__version__}")
net = cv2.dnn.readNetFromCaffe(np.frombuffer(PROTOTXT, np.uint8))
for name, value in (("a", 2), ("x", 3), ("y", 5)):
    net.setInput(np.full((1, 1, 1, 1), value, np.float32), name)
found = float(net.forward()[0, 0, 0, 0])
print("expected: 11.0")
print(f"found:    {found!r}")
has = abs(found - 11) > 1e-4
print("still there" if has else "gone")
raise SystemExit(int(has))
