"""The directions session's data, and how its narrow nets are trained on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ranparity.parity.experiments import Condition


@dataclass(frozen=True)
class Bench:
    """Data, and how nets are trained on them.

    Attributes:
        name: What records call the data.
        spec: What `ranparity.data.load` takes.
        partial: As it takes it.
        recipe: Name of the recipe.
        clean: What is changed of its stage where labels are as they are,
        noisy: and where some are wrong.
    """

    name: str
    spec: str
    partial: bool
    recipe: str
    clean: Mapping[str, Any]
    noisy: Mapping[str, Any]

    def changes(self, condition: Condition) -> dict[str, Any]:
        """Give what is changed of the recipe's stage."""
        if not condition.noise:
            return dict(self.clean)
        return {**self.noisy, "label_noise": condition.noise}


def epochs(number: int, drop: int) -> dict[str, Any]:
    """Give a short training, whose rate falls to a tenth at a step.

    Half of the paper's batch makes twice the steps in the time.
    """
    how = {"epochs": number, "schedule": [[drop, 0.1]]}
    return {**how, "batch_size": 32, "learning_rate": 0.05}


def chosen(cifar: Path | None) -> list[Bench]:
    """Give the data: digits, and CIFAR-10's records of a folder if one is given."""
    digits = Bench("digits", "digits", False, "digits", epochs(5, 154), epochs(3, 88))
    if cifar is None:
        return [digits]
    clean = noisy = epochs(2, 220)
    spec = f"cifar10:{cifar}"
    return [digits, Bench("cifar10-partial", spec, True, "paper-cifar", clean, noisy)]
