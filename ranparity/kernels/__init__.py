"""Operations in the form that a framework computes faster or more exactly.

`kernel(name)` returns the running backend's own form of an operation where
kernels/<backend>.py has one, and the form in plain `keras.ops` otherwise. Every form takes the
same arguments and is held against the plain one by the tests.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import keras

from ranparity.kernels import plain, replicas

AGREED = ("batch_normalization",)
"""What replicas compute in the plain form, in which they agree on means."""


def kernel(name: str) -> Callable[..., Any]:
    """Returns the running backend's form of an operation of kernels/plain.py."""
    if name in AGREED and replicas.several():
        return getattr(plain, name)  # type: ignore[no-any-return]  # as below
    module = f"ranparity.kernels.{keras.backend.backend()}"
    if importlib.util.find_spec(module) is not None:
        own = getattr(importlib.import_module(module), name, None)
        if own is not None:
            return own  # type: ignore[no-any-return]  # each form has the plain one's type
    return getattr(plain, name)  # type: ignore[no-any-return]
