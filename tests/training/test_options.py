from __future__ import annotations

import argparse
from dataclasses import asdict, fields, replace

import pytest
from hypothesis import given

from ranparity.errors import InputError
from ranparity.training import recipe
from ranparity.training.options import add_options, overridden
from ranparity.training.recipe import Recipe, Stage
from tests.training.test_recipe import STAGES

DIGITS = recipe.named("digits")
TWO = Recipe("two", (DIGITS.stages[0], replace(DIGITS.stages[0], name="second", epochs=2)))


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(arguments)


def arguments_of(stage: Stage) -> list[str]:
    """The options that ask for every field of a stage but its name."""
    given = []
    for name, value in asdict(stage).items():
        option = name.replace("_", "-")
        text = repr(value) if isinstance(value, float) else str(value)
        if name == "name":
            continue
        if name == "schedule":
            text = ",".join(f"{step}:{factor!r}" for step, factor in value)
        if isinstance(value, bool):
            given.append(f"--{option}" if value else f"--no-{option}")
        else:
            given.append(f"--{option}={'none' if value in (None, ()) else text}")
    return given


def test_without_options_a_recipe_is_as_it_is() -> None:
    for name in recipe.NAMES:
        assert overridden(recipe.named(name), parsed()) == recipe.named(name)


@given(STAGES)
def test_every_field_can_be_changed(stage: Stage) -> None:
    (changed,) = overridden(DIGITS, parsed(*arguments_of(stage))).stages
    assert changed == replace(stage, name="train")
    assert repr(changed) == repr(replace(stage, name="train"))


def test_what_is_not_given_stays() -> None:
    (changed,) = overridden(DIGITS, parsed("--flip", "--schedule", "3:0.1,5:1e-2")).stages
    assert changed == replace(DIGITS.stages[0], flip=True, schedule=((3, 0.1), (5, 0.01)))


def test_a_switch_can_be_switched_off() -> None:
    flipping = recipe.named("paper-cifar")
    (changed,) = overridden(flipping, parsed("--no-flip")).stages
    assert changed == replace(flipping.stages[0], flip=False)


def test_every_stage_is_changed_and_keeps_its_name() -> None:
    changed = overridden(TWO, parsed("--batch-size", "7", "--epochs", "3"))
    assert changed.name == "two"
    assert [stage.name for stage in changed.stages] == ["train", "second"]
    assert [(stage.batch_size, stage.epochs) for stage in changed.stages] == [(7, 3), (7, 3)]


def test_help_says_what_each_option_means() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser)
    text = " ".join(parser.format_help().split())
    for each in fields(Stage):
        if each.name != "name":
            assert f"--{each.name.replace('_', '-')}" in text
            assert each.metadata["help"] in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--epochs", "0"],
            "--epochs: expected a whole number, 1 or more, or none. Received: 0",
        ),
        (
            ["--epochs", "ten"],
            "--epochs: expected a whole number, 1 or more, or none. Received: 'ten'",
        ),
        (
            ["--batch-size", "-1"],
            "--batch-size: expected a whole number, 1 or more. Received: -1",
        ),
        (
            ["--learning-rate", "nan"],
            "--learning-rate: expected a finite number above 0. Received: nan",
        ),
        (["--momentum", "1"], "--momentum: expected 0 or more and below 1. Received: 1.0"),
        (
            ["--schedule", "32000"],
            "--schedule: expected STEP:FACTOR,STEP:FACTOR,... with rising steps and factors above "
            "0, or none. Received: '32000'",
        ),
        (
            ["--update", "adam"],
            "--update: expected one of caffe-sgd, caffe-nesterov, adamw-pytorch, adamw-keras. "
            "Received: 'adam'",
        ),
        (["--epochs", "none"], "stage train: expected epochs or steps. Received: neither"),
    ],
)
def test_a_bad_value_is_bad_input(arguments: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        overridden(DIGITS, parsed(*arguments))
    assert str(caught.value) == message
