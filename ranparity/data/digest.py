"""SHA-256 digests of arrays, equal on every machine and framework for equal contents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def of_arrays(arrays: Iterable[Array]) -> str:
    """Digest of several arrays in their order: each one's type, shape and little-endian bytes."""
    digest = hashlib.sha256()
    for array in arrays:
        _add(digest, array)
    return digest.hexdigest()


def of_named_arrays(arrays: Mapping[str, Array]) -> str:
    """Digest of arrays by name, in the order of the names, whatever the mapping's own is."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode() + b"\0")
        _add(digest, arrays[name])
    return digest.hexdigest()


def of_texts(texts: Iterable[str]) -> str:
    """Digest of texts (such as other digests) in their order, one a line."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode() + b"\n")
    return digest.hexdigest()


def _add(digest: hashlib._Hash, array: Array) -> None:
    array = np.asarray(array)
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    digest.update(f"{little.dtype.str} {array.shape} ".encode())
    digest.update(little.data)
