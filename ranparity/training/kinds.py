"""The kinds of values that a recipe's fields take: checked alike in code, options and records."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ranparity.errors import InputError


@dataclass(frozen=True)
class Kind:
    """The values that a field takes.

    Attributes:
        expected: Them in words.
        metavar: What stands for one in help; empty for yes and no.
        types: Their types.
        holds: Whether a value of such a type is one of them.
        parse: Reads one from text; raises `ValueError`.
        optional: Whether None is one of them, which `none` stands for.
    """

    expected: str
    metavar: str
    types: tuple[type, ...]
    holds: Callable[[Any], bool]
    parse: Callable[[str], Any]
    optional: bool = False

    def accepts(self, value: object) -> bool:
        """Say whether a value is of the kind."""
        if value is None:
            return self.optional
        # A bool is an int to `isinstance`, and no number here.
        return type(value) in self.types and self.holds(value)

    def check(self, value: object, where: str) -> None:
        """See that a value is of the kind.

        Args:
            value: Any value.
            where: What the message of an error begins with.

        Raises:
            InputError: It is not.
        """
        if not self.accepts(value):
            expected = f"{self.expected}, or none" if self.optional else self.expected
            raise InputError(f"{where}: expected {expected}. Received: {value!r}")

    def read(self, text: str, where: str) -> Any:
        """Give the value that a text stands for.

        Raises:
            InputError: It stands for none of the kind.
        """
        if self.optional and text == "none":
            return None
        try:
            value = self.parse(text)
        except ValueError:
            value = text  # which is of no kind that has to be parsed
        self.check(value, where)
        return value


def whole(least: int, *, optional: bool = False) -> Kind:
    """Whole numbers from `least` on."""
    expected = f"a whole number, {least} or more"
    return Kind(expected, "N", (int,), lambda value: value >= least, int, optional)


def number(
    expected: str, metavar: str, holds: Callable[[float], bool], *, optional: bool = False
) -> Kind:
    """Finite numbers for which something holds."""

    def finite(value: float) -> bool:
        return abs(value) <= sys.float_info.max and holds(value)

    return Kind(expected, metavar, (float, int), finite, float, optional)


def choice(names: tuple[str, ...]) -> Kind:
    """One of some names."""
    return Kind(f"one of {', '.join(names)}", "NAME", (str,), lambda name: name in names, str)


def _no_text(text: str) -> bool:
    raise ValueError(text)


TEXT = Kind("a text", "TEXT", (str,), bool, str)
SWITCH = Kind("true or false", "", (bool,), lambda _: True, _no_text)
POSITIVE = number("a finite number above 0", "X", lambda value: value > 0)


def _is_schedule(pairs: tuple[Any, ...]) -> bool:
    if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
        return False
    if not all(whole(0).accepts(step) and POSITIVE.accepts(factor) for step, factor in pairs):
        return False
    steps = [step for step, _ in pairs]
    return steps == sorted(set(steps))


def _parse_schedule(text: str) -> tuple[tuple[int, float], ...]:
    """Read STEP:FACTOR,STEP:FACTOR,... or `none`."""
    parts = [] if text == "none" else [part.partition(":") for part in text.split(",")]
    return tuple((int(step), float(factor)) for step, _, factor in parts)


SCHEDULE = Kind(
    "STEP:FACTOR,STEP:FACTOR,... with rising steps and factors above 0, or none",
    "STEP:FACTOR,...",
    (tuple,),
    _is_schedule,
    _parse_schedule,
)
