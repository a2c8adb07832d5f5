"""Times become results: in turns, within rounds, against the native net of the same round."""

from __future__ import annotations

import json

import pytest

from ranparity.benchmarks import run
from ranparity.benchmarks.case import FORWARD, LAYOUTS, NATIVE, OURS, STEP, Case
from ranparity.benchmarks.run import bench
from ranparity.benchmarks.worker import PRODUCT, SIDE
from tests.benchmarks.machine import FACTORS, SECONDS, Machine

CASE = Case("resnet18-cifar", 2)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(run, "answering", machine.answering)
    return machine


@pytest.mark.usefixtures("machine")
def test_ratios_are_within_rounds_whatever_the_machine_does() -> None:
    found = bench(CASE, ["torch", "jax"], 5, lambda _: None)
    ratios = {
        (row["implementation"], row["backend"], row["what"]): row["ratio_to_native"]
        for row in found["results"]
    }
    assert ratios == {
        (implementation, backend, what): FACTORS[implementation]
        for implementation, backend in (
            ("native", "torch"),
            ("ranparity", "torch"),
            ("keras", "torch"),
            ("ranparity", "jax"),
            ("keras", "jax"),
        )
        for what in (STEP, FORWARD)
    }
    for row in found["results"]:
        assert row["ratio_range"] == [row["ratio_to_native"]] * 2
        assert row["seconds_range"][0] < row["seconds"] < row["seconds_range"][1]


def test_the_faster_layout_is_the_native_one(machine: Machine) -> None:
    found = bench(CASE, ["torch"], 1, lambda _: None)
    (net,) = found["nets"]
    assert net["native_layout_seconds"][LAYOUTS[1]] < net["native_layout_seconds"][LAYOUTS[0]]
    timed = {way.layout for way, what in machine.turns if way.implementation == NATIVE}
    assert timed == set(LAYOUTS)
    assert {way.layout for way, what in machine.turns if what == PRODUCT} == {"", LAYOUTS[1]}


def test_each_way_is_first_in_a_round_as_often(machine: Machine) -> None:
    bench(CASE, ["torch"], 3, lambda _: None)
    steps = [way.implementation for way, what in machine.turns if what == STEP][-9:]
    assert steps == [
        *("native", "ranparity", "keras"),
        *("ranparity", "keras", "native"),
        *("keras", "native", "ranparity"),
    ]


@pytest.mark.usefixtures("machine")
def test_shares_are_of_the_fastest_frameworks_products() -> None:
    found = bench(CASE, ["torch", "jax"], 1, lambda _: None)
    (net,) = found["nets"]
    products = net["matrix_products"]
    assert products["jax"] == 2 * products["torch"]
    ours = next(row for row in found["results"] if row["implementation"] == OURS)
    assert ours["share_of_matmul_rate"] == pytest.approx(
        CASE.flops(STEP) / ours["seconds"] / products["jax"]
    )
    assert products["jax"] == pytest.approx(2 * SIDE**3 / (SECONDS[PRODUCT] * 4))


@pytest.mark.usefixtures("machine")
def test_memory_is_of_a_start_for_steps_and_of_the_first_pass_for_passes() -> None:
    found = bench(CASE, ["torch"], 2, lambda _: None)
    peaks = {row["what"]: row["peak_memory_bytes"] for row in found["results"]}
    assert peaks == {STEP: 100 * run.STEPS_AT_START, FORWARD: 100}


def test_what_is_compiled_is_kept_from_the_cold_start_to_the_second_for_us_alone(
    machine: Machine,
) -> None:
    found = bench(CASE, ["jax"], 1, lambda _: None)
    ours = [cache for implementation, cache in machine.caches if implementation == OURS]
    assert ours[0] == ours[1] is not None
    assert ours[2] is None, "in the rounds it is the user's own"
    assert {cache for implementation, cache in machine.caches if implementation != OURS} == {None}
    assert all("first_step_seconds_cold" in row for row in found["results"])
    json.dumps(found, allow_nan=False)
