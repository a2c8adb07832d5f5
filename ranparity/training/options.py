"""The options of the command line that change a recipe: one for each field of a stage."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ranparity.training.kinds import Kind
from ranparity.training.recipe import Recipe, described


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for every field of a stage; what is not given is None and changes nothing.

    Values stay texts until `overridden` reads them, so that a bad one is told of in one line, as
    any other bad input.
    """
    group = parser.add_argument_group(
        "numbers of the recipe",
        "Each takes the place of the recipe's own, in every stage; `none` takes a limit away.",
    )
    for name, kind, meaning in _changeable():
        how: dict[str, Any] = {"metavar": kind.metavar}
        if not kind.metavar:
            how = {"action": argparse.BooleanOptionalAction}
        group.add_argument(_option(name), dest=name, default=None, help=meaning, **how)


def overridden(recipe: Recipe, args: argparse.Namespace) -> Recipe:
    """Give a recipe with what the command line changes, in every stage.

    Raises:
        InputError: A value is out of its range.
    """
    changes: dict[str, Any] = {}
    for name, kind, _ in _changeable():
        given = getattr(args, name)
        if given is not None:
            changes[name] = kind.read(given, _option(name)) if isinstance(given, str) else given
    return replace(recipe, stages=tuple(replace(stage, **changes) for stage in recipe.stages))


def _changeable() -> Iterator[tuple[str, Kind, str]]:
    """Give every field but the name, which tells stages apart."""
    return ((name, kind, meaning) for name, kind, meaning in described() if name != "name")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
