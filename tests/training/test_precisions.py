"""The precisions, and that the arbiter's constants are of the same ones."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from ranparity.caffe.arbiter.noise import NARROW, UNIT_ROUNDOFF
from ranparity.kernels import plain
from ranparity.training import precisions


def test_what_is_kept_and_what_keras_calls_it() -> None:
    assert [precisions.kept(name) for name in precisions.NAMES] == [
        "float32",
        "float64",
        "float32",
        "float32",
    ]
    assert [precisions.policy(name) for name in precisions.NAMES] == [
        "float32",
        "float64",
        "mixed_bfloat16",
        "mixed_float16",
    ]
    assert [name for name in precisions.NAMES if precisions.is_scaled(name)] == ["float16"]


def test_the_arbiter_knows_the_same_precisions() -> None:
    assert {name: precisions.kept(name) for name in precisions.MIXED} == NARROW
    assert set(UNIT_ROUNDOFF) == set(precisions.NAMES)


@pytest.mark.parametrize("name", precisions.NAMES)
def test_the_unit_roundoff_is_half_of_the_distance_to_the_next_number(name: str) -> None:
    facts = ml_dtypes.finfo(name)
    assert UNIT_ROUNDOFF[name] == float(facts.eps) / 2 == 2.0 ** -(facts.nmant + 1)
    one, unit = np.ones((), name), UNIT_ROUNDOFF[name]
    assert (np.float64(1) + unit).astype(one.dtype) == one, "rounded to even"
    assert (np.float64(1) + 3 * unit).astype(one.dtype) != one


@pytest.mark.parametrize("name", precisions.NAMES)
def test_the_lowest_number_of_each(name: str) -> None:
    assert plain.lowest(name) == float(ml_dtypes.finfo(name).min)
