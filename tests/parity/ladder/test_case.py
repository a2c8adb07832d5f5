"""Cases: what they say survives JSON, and level 4's steps are within the run."""

from __future__ import annotations

import dataclasses
import json

import pytest

from ranparity.parity.ladder import case as cases
from ranparity.parity.ladder.case import Case

CASE = Case("resnet18-cifar@8", (32, 48), 4, seed=3, levels=(1, 4), fault="bn-eps")


@pytest.mark.parametrize("devices", [1, 2])
def test_a_case_survives_json(devices: int) -> None:
    case = dataclasses.replace(CASE, devices=devices)
    assert cases.from_json(json.loads(json.dumps(case.to_json()))) == case


def test_one_device_goes_without_saying() -> None:
    """Records of cases from before there were several are still found by their digests."""
    two = dataclasses.replace(CASE, devices=2)
    assert "devices" not in CASE.to_json()
    assert two.digest != CASE.digest
    assert (CASE.how, two.how) == ("float32", "float32, 2 devices")


def test_a_program_is_the_same_for_other_seeds_and_no_other_fault() -> None:
    assert dataclasses.replace(CASE, seed=9).program == CASE.program
    assert dataclasses.replace(CASE, fault="").program != CASE.program
    assert dataclasses.replace(CASE, seed=9).digest != CASE.digest


@pytest.mark.parametrize("steps", [2, 3, 4, 16, 100])
def test_the_steps_of_level_4_are_of_the_run_and_take_in_the_fall_of_the_rate(steps: int) -> None:
    found = dataclasses.replace(CASE, steps=steps)
    assert set(found.snapshots) == {1, found.drop, steps - 1}
    assert list(found.snapshots) == sorted(found.snapshots)
    assert 0 < found.snapshots[0] <= found.snapshots[-1] < steps
