from __future__ import annotations

import importlib
import math
from dataclasses import replace
from typing import Any

import pytest

from ranparity.errors import InputError
from ranparity.training import recipe
from ranparity.training.recipe import Recipe

DIGITS = recipe.named("digits")


@pytest.mark.parametrize("name", recipe.NAMES)
def test_a_recipe_has_its_name_and_opens_with_what_one_must_know(name: str) -> None:
    module = importlib.import_module(f"ranparity.training.recipes.{name}")
    assert recipe.named(name) is module.RECIPE
    assert module.RECIPE.name == name
    for heading in ("Source:", "Command:", "Cost:", "Known result:"):
        assert heading in (module.__doc__ or "")


def test_an_unknown_recipe_is_bad_input() -> None:
    with pytest.raises(InputError) as caught:
        recipe.named("imagenet")
    assert str(caught.value) == "recipe: expected one of digits. Received: 'imagenet'"


def test_the_rate_follows_the_schedule() -> None:
    scheduled = replace(DIGITS, learning_rate=2.0, schedule=((3, 0.1), (5, 0.01)))
    assert [scheduled.rate(step) for step in range(7)] == [2, 2, 2, 0.2, 0.2, 0.02, 0.02]
    assert replace(scheduled, schedule=()).rate(1000) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs: expected 1 or more. Received: 0"),
        ({"batch_size": -3}, "batch size: expected 1 or more. Received: -3"),
        (
            {"learning_rate": 0.0},
            "learning rate: expected a finite number above 0. Received: 0.0",
        ),
        (
            {"learning_rate": math.nan},
            "learning rate: expected a finite number above 0. Received: nan",
        ),
        (
            {"learning_rate": math.inf},
            "learning rate: expected a finite number above 0. Received: inf",
        ),
        ({"momentum": 1.0}, "momentum: expected 0 or more and below 1. Received: 1.0"),
        (
            {"weight_decay": -1e-4},
            "weight decay: expected a finite number, 0 or more. Received: -0.0001",
        ),
        (
            {"schedule": ((5, 0.1), (3, 0.01))},
            "schedule: expected rising steps. Received: ((5, 0.1), (3, 0.01))",
        ),
        ({"update": "adam"}, "update: expected one of caffe-sgd, caffe-nesterov. Received: adam"),
    ],
)
def test_numbers_out_of_range_are_bad_input(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        replace(DIGITS, **changes)
    assert str(caught.value) == message


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        DIGITS.epochs = 3  # type: ignore[misc]
    assert isinstance(DIGITS, Recipe)
