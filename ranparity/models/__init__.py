"""Keras 3 models in the conventions of keras.applications.

There is a function for every network of the zoo, such as `Attention56`, `AttentionNeXt92`,
`Attention56CIFAR`, `ResNet18` and `DRANet`; `preprocess_input` prepares images for the ImageNet
nets of the attention family. Keras is imported when one of them is first asked for, not before.
"""

from __future__ import annotations

import importlib
from typing import Any

from ranparity.models.entry import function_name
from ranparity.models.zoo import ENTRIES

_ENTRIES = {function_name(entry): entry for entry in ENTRIES.values()}
__all__ = [*_ENTRIES, "preprocess_input"]


def __getattr__(name: str) -> Any:
    """Imports the models, and Keras with them, on first use."""
    if name == "preprocess_input":
        return importlib.import_module("ranparity.models.attention").preprocess_input
    if name in _ENTRIES:
        return importlib.import_module("ranparity.models.named").function_of(_ENTRIES[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
