"""Keras 3 models in the conventions of keras.applications.

`Attention56`, `Attention92`, `AttentionNeXt56`, `AttentionNeXt92` and `Attention56CIFAR` build
models; `preprocess_input` prepares images. Keras is imported when one of them is first asked
for, not before.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = [
    "Attention56",
    "Attention56CIFAR",
    "Attention92",
    "AttentionNeXt56",
    "AttentionNeXt92",
    "preprocess_input",
]


def __getattr__(name: str) -> Any:
    """Imports the models, and Keras with them, on first use."""
    if name in __all__:
        return getattr(importlib.import_module("ranparity.models.attention"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
