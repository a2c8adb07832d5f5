"""Rules of layers as properties."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranparity.errors import InputError
from tests.caffe.rules.brute import SIZES, SMALL, brute_convolution
from tests.caffe.rules.tables import Shape, apply

SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=5).map(tuple)


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


def axes(shape: Shape) -> st.SearchStrategy[int]:
    """Any axis of a shape, counted from either end."""
    return st.integers(-len(shape), len(shape) - 1)


@st.composite
def cut(draw: st.DrawFn) -> tuple[Shape, int, list[int]]:
    """A shape, one of its axes and where it is cut along it."""
    shape = draw(SHAPES)
    axis = draw(axes(shape))
    return shape, axis, sorted(draw(st.sets(st.sampled_from(range(shape[axis])))) - {0})


@given(cut())
def test_slice_is_numpys_split_and_concat_gives_the_shape_back(
    cut: tuple[Shape, int, list[int]],
) -> None:
    shape, axis, points = cut
    listed = " ".join(f"slice_point: {point}" for point in points)
    pieces = apply("Slice", f"slice_param {{ axis: {axis} {listed} }}", [shape], len(points) + 1)
    assert list(pieces.tops) == [part.shape for part in np.split(np.zeros(shape), points, axis)]
    joined = apply("Concat", f"concat_param {{ axis: {axis} }}", list(pieces.tops))
    assert joined.tops == (shape,)


@given(SHAPES, st.integers(1, 4), st.data())
def test_equal_pieces_are_those_at_the_points_between_them(
    shape: Shape, count: int, data: st.DataObject
) -> None:
    axis = data.draw(axes(shape))
    longer = list(shape)
    longer[axis] *= count
    points = " ".join(f"slice_point: {place * shape[axis]}" for place in range(1, count))
    equal = apply("Slice", f"slice_param {{ axis: {axis} }}", [tuple(longer)], count)
    at_points = apply("Slice", f"slice_param {{ axis: {axis} {points} }}", [tuple(longer)], count)
    assert equal == at_points
    assert equal.tops == (shape,) * count


@given(SHAPES, st.data())
def test_flatten_keeps_the_count_and_the_axes_around(shape: Shape, data: st.DataObject) -> None:
    first, last = sorted(data.draw(st.tuples(*[st.sampled_from(range(len(shape)))] * 2)))
    (top,) = apply("Flatten", f"flatten_param {{ axis: {first} end_axis: {last} }}", [shape]).tops
    assert top == np.zeros(shape).reshape((*shape[:first], -1, *shape[last + 1 :])).shape
    from_behind = f"flatten_param {{ axis: {first - len(shape)} end_axis: {last - len(shape)} }}"
    assert apply("Flatten", from_behind, [shape]).tops == (top,)


@given(SHAPES, st.data())
def test_reduction_is_numpys_over_all_axes_from_one_on(shape: Shape, data: st.DataObject) -> None:
    axis = data.draw(axes(shape))
    found = apply("Reduction", f"reduction_param {{ axis: {axis} }}", [shape])
    over = tuple(range(axis % len(shape), len(shape)))
    assert found.tops == (np.zeros(shape).sum(axis=over).shape,)
    assert found.attributes["axis"] == over[0]


@given(SHAPES, st.data())
def test_a_scales_factor_is_the_shape_from_its_axis_on(shape: Shape, data: st.DataObject) -> None:
    axis = data.draw(axes(shape))
    rest = shape[axis:]
    count = data.draw(st.integers(-1, len(rest)))
    params = f"scale_param {{ axis: {axis} num_axes: {count} bias_term: true }}"
    learned = apply("Scale", params, [shape])
    factor = learned.parameters["weight"]
    assert learned.tops == (shape,)
    assert learned.parameters["bias"] == factor
    assert len(factor) == (len(rest) if count == -1 else count)
    aligned = (*factor, *[1] * (len(rest) - len(factor)))  # as NumPy counts axes, from behind
    assert np.broadcast_shapes(shape, aligned) == shape
    given_ = apply("Scale", params, [shape, factor])
    assert (given_.tops, given_.parameters) == ((shape,), {"bias": factor})


@given(SHAPES, SHAPES, st.data())
def test_a_computed_factor_is_taken_only_where_it_lies_on_the_axes(
    shape: Shape, factor: Shape, data: st.DataObject
) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    pairs = itertools.zip_longest(shape[axis : axis + len(factor)], factor)
    params = f"scale_param {{ axis: {axis} }}"
    if all(side == its for side, its in pairs):
        assert apply("Scale", params, [shape, factor]).tops == (shape,)
    else:
        with pytest.raises(InputError, match="expected a factor of shape"):
            apply("Scale", params, [shape, factor])
