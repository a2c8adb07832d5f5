"""JSON from files that may be damaged, partial or of another version, read with care."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from ranparity import schema
from ranparity.errors import shown

Value = TypeVar("Value")


class MalformedError(Exception):
    """A record that does not say what it must; the message says what, in one line."""


def parse_json(content: bytes) -> Any:
    """Reads JSON, without the NaN and Infinity that only Python takes for it.

    Raises:
        MalformedError: It is not JSON; says where.
    """
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise MalformedError(f"not JSON: byte {error.start + 1} is not UTF-8") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise MalformedError(f"not JSON: {error.msg} at {place}") from None
    except (ValueError, RecursionError) as error:  # absurdly long numbers, absurdly deep nesting
        raise MalformedError(f"not JSON that can be read: {error}") from None


def parse_record(content: bytes, where: str = "") -> Fields:
    """Reads a record: an object, of the version of the schemas that is read here.

    Args:
        content: The file, or a line of it.
        where: What it is, for messages.

    Raises:
        MalformedError: It is something else; says what.
    """
    prefix = f"{where}: " if where else ""
    try:
        parsed = parse_json(content)
    except MalformedError as fault:
        raise MalformedError(f"{prefix}{fault}") from None
    fields = Fields(parsed, where)
    if reason := schema.refusal(parsed):
        raise MalformedError(f"{prefix}{reason}")
    return fields


def _refuse(constant: str) -> None:
    raise MalformedError(f"not JSON: {constant} is no number")


def clean(value: str) -> str:
    """Replaces what no page can show: control characters and halves of surrogate pairs."""
    if value.isprintable():
        return value
    whole = value.encode("utf-8", "replace").decode("utf-8")
    return "".join(
        char if char.isprintable() or char == " " else "\N{REPLACEMENT CHARACTER}"
        for char in whole.replace("\n", " ").replace("\t", " ")
    )


class Fields:
    """An object of a record; what is asked for must be there and of its kind.

    Args:
        data: What JSON gave.
        where: What it is, for messages, such as `result 2`.

    Raises:
        MalformedError: It is not an object; every method below raises it likewise.
    """

    def __init__(self, data: Any, where: str = "") -> None:
        self.where = where
        if not isinstance(data, dict):
            raise MalformedError(f"{self._prefix}expected an object, found {shown(data)}")
        self._data: dict[str, Any] = data

    def has(self, key: str) -> bool:
        """Whether there is a value, null not counted."""
        return self._data.get(key) is not None

    def text(self, key: str) -> str:
        """Gives a string, of printable characters."""
        return clean(self._get(key, lambda value: isinstance(value, str), "a string"))

    def count(self, key: str) -> int:
        """Gives an integer of 0 or more."""
        return int(self._get(key, is_count, "an integer of 0 or more"))

    def integer(self, key: str) -> int:
        """Gives an integer."""
        return int(self._get(key, _is_integer, "an integer"))

    def number(self, key: str) -> float:
        """Gives a finite number."""
        return float(self._get(key, _is_number, "a finite number"))

    def share(self, key: str) -> float:
        """Gives a number from 0 to 1."""
        share = self.number(key)
        if not 0 <= share <= 1:
            raise MalformedError(f'{self._prefix}expected 0 to 1 as "{key}", found {share:g}')
        return share

    def flag(self, key: str) -> bool:
        """Gives a truth value."""
        return bool(self._get(key, lambda value: isinstance(value, bool), "true or false"))

    def items(self, key: str) -> list[Any]:
        """Gives a list."""
        return list(self._get(key, lambda value: isinstance(value, list), "a list"))

    def texts(self, key: str) -> tuple[str, ...]:
        """Gives a list of strings."""
        values = self._get(key, _is_texts, "a list of strings")
        return tuple(clean(value) for value in values)

    def numbers(self, key: str) -> tuple[float, ...]:
        """Gives a list of finite numbers."""
        values = self._get(key, _is_numbers, "a list of finite numbers")
        return tuple(float(value) for value in values)

    def mapping(self, key: str) -> Mapping[str, Any]:
        """Gives an object as it is."""
        return dict(self._get(key, lambda value: isinstance(value, dict), "an object"))

    def fields(self, key: str) -> Fields:
        """Gives an object, to be asked in its turn."""
        return Fields(self.mapping(key), f"{self._prefix}{key}")

    def each(self, key: str, make: Callable[[Fields], Value]) -> tuple[Value, ...]:
        """Makes something of each object of a list; a list that is not there is empty."""
        return self.every(key, make) if self.has(key) else ()

    def every(self, key: str, make: Callable[[Fields], Value]) -> tuple[Value, ...]:
        """Makes something of each object of a list, which must be there."""
        return tuple(make(item) for item in self._objects(key))

    def seconds(self) -> float | None:
        """Gives what the record says that it took, if it does."""
        return self.number("seconds") if self.has("seconds") else None

    def environment(self) -> Mapping[str, Any] | None:
        """Gives what the record says of where it was made, if it does."""
        return self.mapping("environment") if self.has("environment") else None

    def _objects(self, key: str) -> Iterator[Fields]:
        for place, item in enumerate(self.items(key), start=1):
            yield Fields(item, f"{self._prefix}{key} {place}")

    @property
    def _prefix(self) -> str:
        return f"{self.where}: " if self.where else ""

    def _get(self, key: str, fits: Callable[[Any], bool], expected: str) -> Any:
        if key not in self._data:
            raise MalformedError(f'{self._prefix}expected {expected} as "{key}", found no such key')
        value = self._data[key]
        if not fits(value):
            raise MalformedError(
                f'{self._prefix}expected {expected} as "{key}", found {shown(value)}'
            )
        return value


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_count(value: Any) -> bool:
    """Whether a value is an integer of 0 or more."""
    return _is_integer(value) and value >= 0


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return _is_integer(value) and abs(value) < 1 << 1023


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(_is_number(item) for item in value)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
