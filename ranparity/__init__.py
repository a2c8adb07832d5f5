"""Is this network the same network everywhere?

ranparity checks Keras 3 models against their Caffe descriptions and across PyTorch, TensorFlow
and JAX, and ships the Residual Attention Networks as models that pass. Importing it loads no
framework.
"""

__version__ = "0.1.0"
