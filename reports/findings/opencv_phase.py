"""OpenCV's reader of Caffe runs layers that are for training alone.

Expected: a layer with `include { phase: TRAIN }` is not in the net that is tested (FilterNet in
Caffe's src/caffe/net.cpp), and OpenCV tests: of -1 the net here makes -1.

Found: 0. The layer is there and has taken the negative away: `include` and `exclude` are passed
over.

Seen with OpenCV 4.14.0 (5 reads no Caffe).

It matters because a file for training and testing is read without a word, and is another net.
ranparity takes such layers out before it asks OpenCV.
"""

try:
    import cv2
    import numpy as np
except ImportError as error:
    print(f"not installed: {error.name}")
    raise SystemExit(2) from None

PROTOTXT = b"""
input: "data" input_shape { dim: 1 dim: 1 dim: 1 dim: 1 }
layer { name: "relu" type: "ReLU" bottom: "data" top: "data" include { phase: TRAIN } }
layer { name: "same" type: "Power" bottom: "data" top: "same" }
"""

print(f"versions: opencv {cv2.__version__}")
net = cv2.dnn.readNetFromCaffe(np.frombuffer(PROTOTXT, np.uint8))
net.setInput(np.full((1, 1, 1, 1), -1, np.float32))
found = float(net.forward()[0, 0, 0, 0])
print("expected: -1.0")
print(f"found:    {found!r}")
has = found != -1
print("still there" if has else "gone")
raise SystemExit(int(has))
