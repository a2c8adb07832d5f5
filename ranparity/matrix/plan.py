"""Reads a plan of many runs: PLAN.toml, whose keys are options of `ranparity run`.

    model = "attention56-cifar@4"
    backend = ["torch", "tensorflow", "jax"]
    seed = [0, 1, 2, 3]
    epochs = 5
    label-noise = [0, 0.2]

What is a list is varied: there is a run for every combination, here 24. All other values are those
of every run, and what is not said is as `ranparity run` has it. Relative paths are those of the
working folder, as on the command line.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ranparity import data
from ranparity.errors import InputError, shown
from ranparity.models import zoo
from ranparity.training import backends, options, recipe
from ranparity.training.planning import DATA, MODEL, SEED

# Of `ranparity run`, what the matrix itself says of each run.
OURS = ("help", "out", "resume", "overwrite", "json", "quiet")
# What makes a run's name, in this order; other options are in it where they are varied.
NAMED = ("model", "data", "recipe")
POSITIVE = ("twin", "checkpoint-every")
# What TOML must give for an option, by what the command line makes of it: in words, and as types.
KINDS: dict[Any, tuple[str, Any]] = {int: ("a whole number", int), Path: ("a text", str)}
OTHERS = ("a text or a number", (str, int, float))
Settings = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Run:
    """A run of a plan.

    Attributes:
        name: Of its folder; no other run of the plan has it.
        backend: What trains.
        settings: All that the plan says of it, by option.
        arguments: The same as `ranparity run` takes it.
    """

    name: str
    backend: str
    settings: Mapping[str, Any]
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Many runs.

    Attributes:
        path: The file.
        settings: What it says, by option: each value in a list.
        runs: Every combination, seed by seed.
        tables: Its tables, for whoever knows them.
    """

    path: Path
    settings: Settings
    runs: tuple[Run, ...]
    tables: Mapping[str, Mapping[str, Any]]

    @property
    def name(self) -> str:
        """What the file is called, without its suffix."""
        return self.path.stem


class _Options(dict[str, argparse.Action]):
    """The options of `ranparity run` that a plan may have, by name without dashes."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser
        actions = {action.option_strings[0][2:]: action for action in parser._actions}
        actions = {name: action for name, action in actions.items() if action.dest not in OURS}
        super().__init__(actions)


def read(path: Path, parser: argparse.ArgumentParser, tables: Collection[str] = ()) -> Plan:
    """Read a plan and see that each of its runs can be begun.

    Args:
        path: The file.
        parser: That of `ranparity run`.
        tables: Names of tables that it may hold beside its options.

    Raises:
        InputError: It is none; says which key, what was expected and what came.
    """
    content = _parsed(path)
    known = _Options(parser)
    told = {key: value for key, value in content.items() if isinstance(value, dict)}
    for key in told:
        if key not in tables:
            raise InputError(_unknown(path, key, [*known, *tables]))
    values = {key: value for key, value in content.items() if key not in told}
    settings = {**_defaults(content), **_checked(values, known, str(path))}
    return Plan(path, settings, tuple(_runs(settings, known, str(path))), told)


def altered(
    plan: Plan, parser: argparse.ArgumentParser, label: str, changes: Mapping[str, Any], where: str
) -> list[Run]:
    """Give the runs of a plan with some of its values others.

    Args:
        plan: The plan.
        parser: That of `ranparity run`.
        label: What tells these runs by their names.
        changes: The other values, as a plan has them.
        where: What has them, for messages.

    Raises:
        InputError: They make no runs.
    """
    known = _Options(parser)
    settings = {**plan.settings, **_checked(changes, known, where)}
    return list(_runs(settings, known, where, label))


def _defaults(content: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Give what makes a run's name, where a plan does not say it."""
    found: dict[str, list[Any]] = {"model": [MODEL], "data": [DATA], "seed": [SEED]}
    if "backend" not in content:
        found["backend"] = [backends.choose(None, os.environ)[0]]
    return found


def _checked(values: Mapping[str, Any], known: _Options, where: str) -> dict[str, list[Any]]:
    """Give values by option, each in a list, once each of them is seen to be of its kind."""
    found: dict[str, list[Any]] = {}
    for key, value in values.items():
        if key not in known:
            raise InputError(_unknown(where, key, known))
        several = value if isinstance(value, list) else [value]
        if not several or any(each in several[:place] for place, each in enumerate(several)):
            raise InputError(
                f"{where}: {key}: expected one value or more, each once. Received: {shown(several)}"
            )
        for each in several:
            _check(key, each, known[key], f"{where}: {key}")
        found[key] = several
    return found


def _runs(settings: Settings, known: _Options, where: str, label: str = "") -> Iterator[Run]:
    """Give every combination of settings, seed by seed.

    Raises:
        InputError: One of them cannot be begun, or two have one name.
    """
    order = ["seed", *(key for key in settings if key not in ("seed", "backend")), "backend"]
    varied = [key for key in order if len(settings[key]) > 1]
    names: set[str] = set()
    for values in itertools.product(*(settings[key] for key in order)):
        chosen = dict(zip(order, values, strict=True))
        name = _name(chosen, varied, label)
        if name in names:
            raise InputError(f"{where}: expected runs of different names. Received twice: {name}")
        names.add(name)
        arguments = tuple(
            word for key, value in chosen.items() for word in _words(key, value, known[key])
        )
        _check_whole(known, arguments, f"{where}: {name}")
        yield Run(name, str(chosen["backend"]), chosen, arguments)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot read the plan: {error.strerror or error}") from None
    except ValueError as error:  # of the TOML or of its encoding
        raise InputError(f"{path}: expected TOML: {error}") from None


def _unknown(where: Path | str, key: str, known: Collection[str]) -> str:
    return f"{where}: {key}: expected one of {', '.join(known)}. Received: {key}"


def _check(key: str, value: Any, action: argparse.Action, where: str) -> None:
    """Raise `InputError` unless a value is of an option's kind."""
    expected = _expected(action)
    if not _is_of(value, action):
        raise InputError(f"{where}: expected {expected}. Received: {shown_toml(value)}")
    if action.choices and value not in action.choices:
        names = ", ".join(map(str, action.choices))
        raise InputError(f"{where}: expected one of {names}. Received: {shown_toml(value)}")
    if key in POSITIVE and value < 1:
        raise InputError(f"{where}: expected 1 or more. Received: {value}")
    try:
        _look_up(key, value)
    except InputError as error:
        raise InputError(f"{where}: {str(error).removeprefix(f'{key}: ')}") from None
    for name, kind, _ in recipe.described():
        if name == action.dest and action.nargs != 0:
            kind.read(str(value), where)


def _expected(action: argparse.Action) -> str:
    if action.nargs == 0:
        return "true or false"
    return KINDS.get(action.type, OTHERS)[0]


def _is_of(value: Any, action: argparse.Action) -> bool:
    if action.nargs == 0:
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    return isinstance(value, KINDS.get(action.type, OTHERS)[1])


def shown_toml(value: Any) -> str:
    """A value of a plan for a message; TOML's dates are no JSON."""
    return shown(value) if isinstance(value, (str, int, float, bool, list, dict)) else repr(value)


def _look_up(key: str, value: Any) -> None:
    """Raise `InputError` unless what a value names is there."""
    if key == "model":
        zoo.entry(str(value))
    elif key == "data":
        data.label(str(value))
    elif key == "recipe":
        recipe.named(str(value))
    elif key == "backend" and value not in backends.NAMES:
        raise InputError(f"expected one of {', '.join(backends.NAMES)}. Received: {shown(value)}")
    elif key == "seed":
        from ranparity.data.tape import Tape

        Tape(int(value))


def _words(key: str, value: Any, action: argparse.Action) -> list[str]:
    """Give a setting as the command line has it; paths are whole, for use from any folder."""
    option = f"--{key}"
    if action.nargs == 0:
        opposite = option.replace("--", "--no-", 1)
        if value:
            return [option]
        return [opposite] if opposite in action.option_strings else []
    if key == "data":
        return [option, data.located(str(value))]
    return [option, str(Path(value).absolute() if action.type is Path else value)]


def _name(chosen: Mapping[str, Any], varied: Collection[str], label: str) -> str:
    """Give the name of a run's folder: what it is, with all that is varied."""
    parts = [str(chosen["model"]), data.label(str(chosen["data"]))]
    if "recipe" in chosen:
        parts.append(str(chosen["recipe"]))
    others = (key for key in varied if key not in (*NAMED, "backend", "seed"))
    parts += [f"{key}={chosen[key]}" for key in others]
    parts += [label] if label else []
    whole = "-".join([*parts, str(chosen["backend"]), f"seed{chosen['seed']}"])
    return re.sub(r"[^A-Za-z0-9@._=+-]", "_", whole)


def _check_whole(known: _Options, arguments: Sequence[str], where: str) -> None:
    """Raise `InputError` unless the values of a run go together, as far as no data are needed."""
    from ranparity.training.plan import check_stages

    args = known.parser.parse_args(arguments)
    try:
        entry = zoo.entry(args.model)
        name = args.recipe or recipe.default(args.model, data.label(args.data))[0]
        check_stages(entry, options.overridden(recipe.named(name), args))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
