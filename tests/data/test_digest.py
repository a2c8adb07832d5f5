from __future__ import annotations

import hashlib

import numpy as np

from ranparity.data import digest


def test_the_digest_is_of_type_shape_and_bytes() -> None:
    array = np.arange(3, dtype=np.float32)
    expected = hashlib.sha256(b"<f4 (3,) " + array.astype("<f4").tobytes()).hexdigest()
    assert digest.of_arrays([array]) == expected


def test_byte_order_and_memory_order_do_not_count() -> None:
    array = np.arange(6, dtype="<f4").reshape(2, 3)
    expected = digest.of_arrays([array])
    assert digest.of_arrays([array.astype(">f4")]) == expected
    assert digest.of_arrays([np.asfortranarray(array)]) == expected


def test_type_shape_values_and_order_count() -> None:
    a, b = np.arange(6, dtype=np.float32), np.arange(6, dtype=np.float64)
    digests = {
        digest.of_arrays([a, b]),
        digest.of_arrays([b, a]),
        digest.of_arrays([a, b.astype(np.float32)]),
        digest.of_arrays([a.reshape(2, 3), b]),
        digest.of_arrays([a + 1, b]),
    }
    assert len(digests) == 5


def test_a_negative_zero_is_not_zero() -> None:
    assert digest.of_arrays([np.array(0.0)]) != digest.of_arrays([np.array(-0.0)])


def test_names_count_and_their_order_does_not() -> None:
    x, y = np.zeros(2), np.ones(2)
    expected = digest.of_named_arrays({"a": x, "b": y})
    assert digest.of_named_arrays({"b": y, "a": x}) == expected
    assert digest.of_named_arrays({"a": y, "b": x}) != expected
    assert digest.of_named_arrays({"a": x, "c": y}) != expected


def test_texts_are_told_apart_by_their_ends() -> None:
    assert digest.of_texts(["ab", "c"]) != digest.of_texts(["a", "bc"])
