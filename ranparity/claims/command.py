"""What the commands of the ledger ask for, so that a record can be held against them.

The options are read by those of `ranparity run` that change what is trained; a test holds this
reading against the real parser's. Loads no NumPy.
"""

from __future__ import annotations

import argparse
import functools
import json
import shlex
from dataclasses import dataclass
from typing import NoReturn

from ranparity.errors import InputError
from ranparity.training import options
from ranparity.training.recipe import Recipe, Stage, described, from_json, named


@dataclass(frozen=True)
class Training:
    """What `ranparity run` is asked for: a network, data, and a recipe with all its numbers."""

    model: str
    data: str
    recipe: Recipe

    def steps(self, images: int) -> int:
        """Gives the steps of the whole run on a number of images, if its patience lasts."""
        return sum(stage.length(images // stage.batch_size) for stage in self.recipe.stages)

    def differences(self, recorded: object) -> list[str]:
        """Says where the recipe of a record is another than this one.

        Args:
            recorded: The recipe as `run.json` holds it.
        """
        try:
            found = from_json(recorded)
        except InputError as error:
            return [str(error)]
        if found.name != self.recipe.name:
            return [f"recipe {found.name}"]
        if len(found.stages) != len(self.recipe.stages):
            return [f"{len(found.stages)} stages for {len(self.recipe.stages)}"]
        pairs = zip(self.recipe.stages, found.stages, strict=True)
        return [line for wanted, other in pairs for line in _differences(wanted, other)]


def _differences(wanted: Stage, found: Stage) -> list[str]:
    """Says where a stage of a record is another."""
    return [
        f"{name.replace('_', ' ')} {json.dumps(getattr(found, name))}"
        for name, _, _ in described()
        if getattr(found, name) != getattr(wanted, name)
    ]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(message)


@functools.cache
def training(command: str) -> Training:
    """Reads a command that trains.

    Args:
        command: `ranparity run --model ... --data ... --recipe ...`, and numbers of the recipe.

    Raises:
        InputError: It is no such command.
    """
    parser = _Parser(prog="ranparity run", allow_abbrev=False)
    for option in ("--model", "--data", "--recipe"):
        parser.add_argument(option, required=True)
    options.add_options(parser)
    arguments = parser.parse_args(_words(command))
    recipe = options.overridden(named(arguments.recipe), arguments)
    return Training(arguments.model, arguments.data, recipe)


def checked(command: str) -> str:
    """Reads a command that checks one network, `ranparity check NET`, and gives its name.

    Raises:
        InputError: It is no such command.
    """
    match shlex.split(command):
        case ["ranparity", "check", name]:
            return name
    raise InputError(f"expected `ranparity check NET`. Received: {command!r}")


def _words(command: str) -> list[str]:
    """Gives what follows `ranparity run`."""
    match shlex.split(command):
        case ["ranparity", "run", *words]:
            return words
    raise InputError(f"expected `ranparity run ...`. Received: {command!r}")
