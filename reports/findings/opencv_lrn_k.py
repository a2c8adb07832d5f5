"""OpenCV's reader of Caffe passes over the k of an LRN layer.

Expected: `lrn_param { k: 3 }` adds 3 to alpha times the mean of the squares, as Caffe's
lrn_layer.cpp does. With alpha 1, of 1 in the middle of five channels of ones an LRN makes 4 to the
power of -0.75, 0.3536.

Found: 0.5946, which is 2 to that power: k is 1 whatever the file says.

Seen with OpenCV 4.14.0 (5 reads no Caffe).

It matters because AlexNet's paper has k 2, and a net that states it is another net in OpenCV,
without a word. ranparity does not ask OpenCV about such a layer.
"""

try:
    import cv2
    import numpy as np
except ImportError as error:
    print(f"not installed: {error.name}")
    raise SystemExit(2) from None

PROTOTXT = b"""
input: "data" input_shape { dim: 1 dim: 5 dim: 1 dim: 1 }
layer { name: "norm" type: "LRN" bottom: "data" top: "norm" lrn_param { alpha: 1 k: 3 } }
"""

print(f"versions: opencv {cv2.__version__}")
net = cv2.dnn.readNetFromCaffe(np.frombuffer(PROTOTXT, np.uint8))
net.setInput(np.ones((1, 5, 1, 1), np.float32))
found, expected = float(net.forward()[0, 2, 0, 0]), 4**-0.75
print(f"expected: {expected:.4f}")
print(f"found:    {found:.4f}")
has = abs(found - expected) > 1e-4
print("still there" if has else "gone")
raise SystemExit(int(has))
