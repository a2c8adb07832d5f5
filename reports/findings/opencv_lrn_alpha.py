"""OpenCV's reader of Caffe takes 1e-4 for the alpha of an LRN layer that states none.

Expected: what a prototxt leaves out has the default of Caffe's caffe.proto, where LRNParameter's
alpha is 1 (local_size 5, beta 0.75, k 1). Of 1 in the middle of five channels of ones an LRN makes
2 to the power of -0.75, 0.5946.

Found: 0.9999, as with an alpha of 1e-4, which is what most published nets state.

Seen with OpenCV 4.14.0 (5 reads no Caffe).

It matters because a net that leaves it out is another net in OpenCV, without a word. ranparity
states all of an LRN before it asks OpenCV.
"""

try:
    import cv2
    import numpy as np
except ImportError as error:
    print(f"not installed: {error.name}")
    raise SystemExit(2) from None

PROTOTXT = b"""
input: "data" input_shape { dim: 1 dim: 5 dim: 1 dim: 1 }
layer { name: "norm" type: "LRN" bottom: "data" top: "norm" }
"""

print(f"versions: opencv {cv2.__version__}")
net = cv2.dnn.readNetFromCaffe(np.frombuffer(PROTOTXT, np.uint8))
net.setInput(np.ones((1, 5, 1, 1), np.float32))
found, expected = float(net.forward()[0, 2, 0, 0]), 2**-0.75
print(f"expected: {expected:.4f}")
print(f"found:    {found:.4f}")
has = abs(found - expected) > 1e-4
print("still there" if has else "gone")
raise SystemExit(int(has))
