"""Which rho of which record stand beside a net's layers."""

from __future__ import annotations

import dataclasses

from ranparity.report import layer_rho, records
from ranparity.report.ladder_record import LADDER, QUICK
from tests.report import ladder_samples
from tests.report.ladder_samples import layered

MODEL = ladder_samples.CASE.model


def test_levels_and_backends_are_in_order_and_others_are_left_out() -> None:
    given = [layered(level, name) for name in ("jax", "torch", "opencv") for level in (2, 1, 3)]
    found = layer_rho.of(
        records.evidence(
            {LADDER: ladder_samples.ladder(*given, layered(1, "tensorflow", conv1=7.0))}
        ),
        MODEL,
    )
    assert found is not None
    assert [(each.level, each.backend) for each in found.measured] == [
        (1, "torch"),
        (1, "tensorflow"),
        (1, "jax"),
        (2, "torch"),
        (2, "jax"),
    ]
    assert found.layers[0] == "conv1"
    assert found.measured[1].rhos[:2] == (7.0, 0.5)
    assert (found.size, found.limit, found.path) == ("32x32", 100.0, LADDER)
    assert layer_rho.of(records.evidence({}), MODEL) is None


def test_float64_and_levels_without_layers_are_not_shown() -> None:
    double = dataclasses.replace(ladder_samples.CASE, precision="float64")
    other = dataclasses.replace(layered(1, "torch"), case=double)
    silent = dataclasses.replace(layered(1, "jax"), layers={})
    given = ladder_samples.ladder(other, silent)
    assert layer_rho.of(records.evidence({LADDER: given}), MODEL) is None


def test_several_devices_are_not_shown() -> None:
    given = ladder_samples.ladder(layered(1, "torch"), devices=2)
    assert layer_rho.of(records.evidence({LADDER: given}), MODEL) is None


def test_the_record_that_says_more_is_shown() -> None:
    little = ladder_samples.ladder(layered(1, "torch"))
    much = ladder_samples.ladder(layered(1, "torch"), layered(2, "torch"))
    for first, second, expected in ((little, much, QUICK), (much, little, LADDER)):
        found = layer_rho.of(records.evidence({LADDER: first, QUICK: second}), MODEL)
        assert found is not None
        assert found.path == expected
