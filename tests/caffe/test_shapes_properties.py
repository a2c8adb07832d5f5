"""The rules as properties, held against brute force; altered rules are found out."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranparity.caffe import shapes
from ranparity.caffe.shapes import RuleError
from ranparity.errors import InputError
from tests.caffe.test_shapes import CASES, REFUSALS, apply
from tests.caffe.test_shapes import test_facts as facts_hold
from tests.caffe.test_shapes import test_refusals as refusals_hold

SIZES, SMALL = st.integers(1, 60), st.integers(1, 8)


def window_starts(size: int, pad: int, stride: int) -> Iterator[int]:
    """Where windows start, in pixels of the map: in its padding first, then a stride further."""
    return iter(range(-pad, size + 10 * (pad + stride) + 100, stride))


def brute_convolution(size: int, kernel: int, stride: int, pad: int, dilation: int) -> int | None:
    """Counts the windows all of whose taps lie in the padded map; None where there are none."""
    taps = [dilation * tap for tap in range(kernel)]
    fitting = [
        start for start in window_starts(size, pad, stride) if start + taps[-1] <= size + pad - 1
    ]
    return len(fitting) or None


def brute_pooling(
    size: int, kernel: int, stride: int, pad: int, ceil: bool, clip: bool
) -> int | None:
    """Counts windows: those that fit; with ceil, one more until the padded map is covered.

    Where there is padding, a last window that starts beyond the map and its first padding goes.
    """
    if kernel > size + 2 * pad:
        return None
    windows: list[int] = []
    for start in window_starts(size, pad, stride):
        covered = windows and windows[-1] + kernel >= size + pad
        if covered or (not ceil and start + kernel > size + pad):
            break
        windows.append(start)
    if clip and windows[-1] >= size:
        windows.pop()
    return len(windows)


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
    assert convolution_agrees(shapes.convolution_output_size, *geometry)


@given(POOLINGS)
def test_pooling_output_size(geometry: tuple[Any, ...]) -> None:
    assert pooling_agrees(shapes.pooling_output_size, *geometry)


@given(SIZES, SMALL)
def test_a_map_is_shrunk_to_every_nth_pixel_and_zoomed_between_pixels(size: int, by: int) -> None:
    bottom = (1, 1, size, size)
    shrunk = apply("Interp", f"interp_param {{ shrink_factor: {by} }}", [bottom])
    assert shrunk.tops[0][2] == len(range(0, size, by))
    zoomed = apply("Interp", f"interp_param {{ zoom_factor: {by} }}", [bottom])
    between = [pixel + part / by for pixel in range(size - 1) for part in range(by)]
    assert zoomed.tops[0][3] == len(between) + 1


@given(
    sizes=st.tuples(SIZES, SIZES),
    kernel=st.tuples(SMALL, SMALL),
    stride=st.tuples(SMALL, SMALL),
    pad=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    group=SMALL,
    widths=st.tuples(SMALL, SMALL),
)
def test_a_convolution_is_its_two_axes(
    sizes: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int],
    group: int,
    widths: tuple[int, int],
) -> None:
    inputs, outputs = (group * width for width in widths)
    params = " ".join(
        f"{name}_h: {pair[0]} {name}_w: {pair[1]}"
        for name, pair in {"kernel": kernel, "stride": stride, "pad": pad}.items()
    )
    expected = [
        brute_convolution(*axis, 1) for axis in zip(sizes, kernel, stride, pad, strict=True)
    ]
    params = f"convolution_param {{ num_output: {outputs} group: {group} {params} }}"
    if None in expected:
        with pytest.raises(InputError, match="is larger than its map"):
            apply("Convolution", params, [(2, inputs, *sizes)])
        return
    found = apply("Convolution", params, [(2, inputs, *sizes)])
    assert found.tops == ((2, outputs, *expected),)
    connections = (inputs // group) * kernel[0] * kernel[1]  # of one output pixel
    assert found.macs == math.prod(found.tops[0][1:]) * connections
    assert found.parameter_count == outputs * connections + outputs


class Altered(NamedTuple):
    """A rule with one part of its source replaced."""

    function: str
    part: str
    by: str

    def compiled(self) -> Callable[..., Any]:
        """The altered function."""
        source = inspect.getsource(getattr(shapes, self.function))
        assert self.part in source, f"the source of {self.function} has changed"
        undecorated = re.sub(r"^@rule.*\n", "", source).replace(self.part, self.by)
        namespace = dict(vars(shapes))
        exec("from __future__ import annotations\n" + undecorated, namespace)  # noqa: S102
        function: Callable[..., Any] = namespace[self.function]
        return function


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


def fails(test: Callable[..., Any], *arguments: Any) -> bool:
    try:
        test(*arguments)
    except (AssertionError, pytest.fail.Exception, ZeroDivisionError):
        return True
    return False


ALTERED_RULES = [
    ("Convolution", Altered("convolution", "channels // group", "channels")),
    ("Convolution", Altered("convolution", "math.prod(map_) *", "")),
    ("Convolution", Altered("convolution", "channels % group or outputs % group", "False")),
    ("Convolution", Altered("convolution", "channels % group or", "")),
    ("Convolution", Altered("convolution", '"dilation", 1, 1', '"dilation", 1, 0')),
    ("Pooling", Altered("pooling", "clip=any(pad)", "clip=None")),
    ("Pooling", Altered("pooling", "ceil=ceil", "ceil=True")),
    ("Pooling", Altered("pooling", "ceil=ceil", "ceil=False")),
    ("Pooling", Altered("pooling", "pad[0] >= kernel[0]", "pad[0] > kernel[0]")),
    ("Interp", Altered("_interp_size", "(s - 1) // shrink + 1", "s // shrink")),
    ("Interp", Altered("_interp_size", "s + (s - 1) * (zoom - 1)", "s * zoom")),
    ("Interp", Altered("_interp_size", "bottoms[1][2:]", "bottoms[0][2:]")),
    ("Interp", Altered("interp", "s + param.pad_beg + param.pad_end", "s")),
    ("InnerProduct", Altered("inner_product", "shape[axis:]", "shape[-1:]")),
    ("InnerProduct", Altered("inner_product", "shape[1:axis]", "shape[:axis]")),
    ("BN", Altered("bn", "shape[1]", "shape[-1]")),
    ("Eltwise", Altered("eltwise", "if len(set(bottoms)) > 1", "if False")),
    ("Softmax", Altered("softmax", "_axis(node.message.softmax_param.axis, bottoms[0])", "1")),
]


@pytest.mark.parametrize(("type_", "altered"), ALTERED_RULES, ids=str)
def test_an_altered_rule_is_found_by_its_tables(
    type_: str, altered: Altered, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(facts_hold, row) for row in CASES if row.type == type_]
    refused = [(refusals_hold, row) for row in REFUSALS if row.type == type_]
    assert not any(fails(test, row) for test, row in [*rows, *refused])
    monkeypatch.setattr(shapes, altered.function, altered.compiled())
    if shapes.RULES[type_].__name__ == altered.function:
        monkeypatch.setitem(shapes.RULES, type_, getattr(shapes, altered.function))
    assert any(fails(test, row) for test, row in [*rows, *refused])


@given(st.floats(width=32, allow_nan=False))
def test_short_float_is_the_shortest_that_gives_the_float32_back(value: float) -> None:
    short = shapes.short_float(value)
    with np.errstate(over="ignore"):
        assert np.float32(short) == np.float32(value)
    digits = re.sub(r"e.*|[-.]", "", repr(short)).strip("0")
    assert len(digits) <= len(re.sub(r"e.*|[-.]", "", str(np.float32(value))).strip("0"))


@pytest.mark.parametrize(
    ("given_", "short"), [(1e-5, "1e-05"), (0.9, "0.9"), (3.4028234663852886e38, "3.4028235e+38")]
)
def test_short_floats(given_: float, short: str) -> None:
    assert repr(shapes.short_float(float(np.float32(given_)))) == short
