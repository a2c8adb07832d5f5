"""What a run does, apart from the model and the data: a few frozen numbers.

A recipe lives in a file of its own in `recipes/`, which opens with its source, the command that
runs it, what it costs and what it is known to give.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass

from ranparity.errors import InputError
from ranparity.training.update import RULES

NAMES = ("digits",)


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        name: What `named` calls it.
        epochs: Passes over the training images.
        batch_size: Images in a batch.
        learning_rate: Rate of the first step.
        schedule: Pairs (step, factor) by rising step: from that step on, counted from 0, the rate
            is `learning_rate` times that factor, until the next pair.
        update: Name of the update rule, a key of `ranparity.training.update.RULES`.
        momentum: How much of the velocity a step keeps, in [0, 1).
        weight_decay: Factor of the L2 decay, which is added to every trainable weight's gradient.

    Raises:
        InputError: A number is out of its range.
    """

    name: str
    epochs: int
    batch_size: int
    learning_rate: float
    schedule: tuple[tuple[int, float], ...]
    update: str
    momentum: float
    weight_decay: float

    def __post_init__(self) -> None:
        _require(self.epochs >= 1, "epochs", "1 or more", self.epochs)
        _require(self.batch_size >= 1, "batch size", "1 or more", self.batch_size)
        rate = self.learning_rate
        _require(0 < rate < math.inf, "learning rate", "a finite number above 0", rate)
        _require(0 <= self.momentum < 1, "momentum", "0 or more and below 1", self.momentum)
        decay = self.weight_decay
        _require(0 <= decay < math.inf, "weight decay", "a finite number, 0 or more", decay)
        steps = [step for step, _ in self.schedule]
        _require(steps == sorted(set(steps)), "schedule", "rising steps", self.schedule)
        _require(self.update in RULES, "update", f"one of {', '.join(RULES)}", self.update)

    def rate(self, step: int) -> float:
        """Give the learning rate of a step, counted from 0."""
        factors = [factor for start, factor in self.schedule if start <= step]
        return self.learning_rate * factors[-1] if factors else self.learning_rate


def named(name: str) -> Recipe:
    """Give the recipe of that name.

    Raises:
        InputError: There is none.
    """
    if name not in NAMES:
        raise InputError(f"recipe: expected one of {', '.join(NAMES)}. Received: {name!r}")
    module = importlib.import_module(f"ranparity.training.recipes.{name.replace('-', '_')}")
    recipe: Recipe = module.RECIPE
    return recipe


def _require(condition: bool, what: str, expected: str, received: object) -> None:
    if not condition:
        raise InputError(f"{what}: expected {expected}. Received: {received}")
