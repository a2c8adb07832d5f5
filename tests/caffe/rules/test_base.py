"""The rules of sizes as properties, held against brute force; altered ones are found out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranparity.caffe.rules import base
from ranparity.caffe.rules.base import RuleError
from tests.caffe.rules.altered import Altered
from tests.caffe.rules.brute import SIZES, SMALL, brute_convolution, brute_pooling


def result(function: Callable[..., int], *arguments: Any, **options: Any) -> int | None:
    try:
        return function(*arguments, **options)
    except RuleError:
        return None


def convolution_agrees(
    function: Callable[..., int], size: int, kernel: int, stride: int, pad: int, dilation: int
) -> bool:
    geometry = (size, kernel, stride, pad, dilation)
    return result(function, *geometry) == brute_convolution(*geometry)


def pooling_agrees(
    function: Callable[..., int],
    size: int,
    kernel: int,
    stride: int,
    pad: int,
    ceil: bool,
    clip: bool | None,
) -> bool:
    if pad >= kernel:
        return True  # Caffe refuses it
    meant = pad > 0 if clip is None else clip or pad > 0
    found = result(function, size, kernel, stride, pad, ceil=ceil, clip=clip and meant)
    return found == brute_pooling(size, kernel, stride, pad, ceil, meant)


CONVOLUTIONS = st.tuples(SIZES, SMALL, SMALL, st.integers(0, 8), st.integers(1, 4))
POOLINGS = st.tuples(
    SIZES, SMALL, SMALL, st.integers(0, 7), st.booleans(), st.sampled_from([None, True])
)


@given(CONVOLUTIONS)
def test_convolution_output_size(geometry: tuple[int, ...]) -> None:
    assert convolution_agrees(base.convolution_output_size, *geometry)


@given(POOLINGS)
def test_pooling_output_size(geometry: tuple[Any, ...]) -> None:
    assert pooling_agrees(base.pooling_output_size, *geometry)


FITTED = "(size + 2 * pad - extent) // stride"
DIVIDED = "(-(-span // stride) if ceil else span // stride)"
ALTERED_CONVOLUTIONS = [
    Altered("convolution_output_size", FITTED, "-(-(size + 2 * pad - extent) // stride)"),
    Altered("convolution_output_size", FITTED + " + 1", FITTED),
    Altered("convolution_output_size", FITTED, "(size + pad - extent) // stride"),
    Altered("convolution_output_size", FITTED, "(size + 2 * pad - kernel) // stride"),
    Altered("convolution_output_size", "dilation * (kernel - 1) + 1", "dilation * kernel"),
    Altered("convolution_output_size", "_check_window(extent, size, pad)", "pass"),
    Altered("convolution_output_size", "_check_window(extent, size, pad)",
            "_check_window(kernel, size, pad)"),
]  # fmt: skip
ALTERED_POOLINGS = [
    Altered("pooling_output_size", DIVIDED, "span // stride"),
    Altered("pooling_output_size", DIVIDED, "-(-span // stride)"),
    Altered("pooling_output_size", "// stride) + 1", "// stride)"),
    Altered("pooling_output_size", ">= size + pad", "> size + pad"),
    Altered("pooling_output_size", ">= size + pad", ">= size + 2 * pad"),
    Altered("pooling_output_size", ">= size + pad", ">= size"),
    Altered("pooling_output_size", "(out - 1) * stride", "out * stride"),
    Altered("pooling_output_size", "out -= 1", "pass"),
    Altered("pooling_output_size", "out -= 1", "out -= 2"),
    Altered("pooling_output_size", "(pad > 0 if clip is None else clip) and", ""),
    Altered("pooling_output_size", "pad > 0 if clip is None else clip", "clip"),
    Altered("pooling_output_size", "pad > 0 if clip is None else clip", "pad > 0"),
    Altered("pooling_output_size", "_check_window(kernel, size, pad)", "pass"),
]


@pytest.mark.parametrize("altered", ALTERED_CONVOLUTIONS, ids=str)
def test_an_altered_convolution_rule_is_found_out(altered: Altered) -> None:
    function = altered.compiled()
    assert hypothesis.find(CONVOLUTIONS, lambda shape: not convolution_agrees(function, *shape))


@pytest.mark.parametrize("altered", ALTERED_POOLINGS, ids=str)
def test_an_altered_pooling_rule_is_found_out(altered: Altered) -> None:
    function = altered.compiled()
    assert hypothesis.find(POOLINGS, lambda shape: not pooling_agrees(function, *shape))


@given(st.floats(width=32, allow_nan=False))
def test_short_float_is_the_shortest_that_gives_the_float32_back(value: float) -> None:
    short = base.short_float(value)
    with np.errstate(over="ignore"):
        assert np.float32(short) == np.float32(value)
    digits = re.sub(r"e.*|[-.]", "", repr(short)).strip("0")
    assert len(digits) <= len(re.sub(r"e.*|[-.]", "", str(np.float32(value))).strip("0"))


@pytest.mark.parametrize(
    ("given_", "short"), [(1e-5, "1e-05"), (0.9, "0.9"), (3.4028234663852886e38, "3.4028235e+38")]
)
def test_short_floats(given_: float, short: str) -> None:
    assert repr(base.short_float(float(np.float32(given_)))) == short
