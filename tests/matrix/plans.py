"""Plans for the tests, and the stand-in that carries their runs out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ranparity.commands.matrix import run_parser
from ranparity.matrix import plan
from ranparity.matrix.plan import Plan

PROGRAM = (str(Path(__file__).with_name("stand_in.py")),)
TWO = 'model = "resnet18-cifar@8"\nbackend = "torch"\nseed = [0, 1]\n'
NAMES = ("resnet18-cifar@8-digits-torch-seed0", "resnet18-cifar@8-digits-torch-seed1")


def read(folder: Path, text: str = TWO, name: str = "two") -> Plan:
    """Reads a plan of some text."""
    path = folder / f"{name}.toml"
    path.write_text(text)
    return plan.read(path, run_parser())


def tell(
    folder: Path,
    patch: pytest.MonkeyPatch,
    ends: dict[str, list[str]] | None = None,
    accuracies: dict[str, float] | None = None,
) -> None:
    """Tells the stand-in how its processes end, by the names of runs."""
    path = folder / "stand-in.json"
    path.write_text(json.dumps({**(ends or {}), "accuracies": accuracies or {}}))
    patch.setenv("STAND_IN", str(path))


def run_of(folder: Path, name: str) -> dict[str, Any]:
    """What a run's own record says."""
    return dict(json.loads((folder / name / "run.json").read_text()))
