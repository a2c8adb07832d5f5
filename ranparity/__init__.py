"""Is this network the same network everywhere?

ranparity checks Keras 3 models against their Caffe descriptions and across PyTorch, TensorFlow
and JAX, and ships the Residual Attention Networks as models that pass. Importing it loads no
framework.
"""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Imports what needs Keras on first use."""
    if name == "caffe_to_keras":
        from ranparity.models.from_caffe import caffe_to_keras

        return caffe_to_keras
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
