"""Reads the ledger, `ledger.toml` beside this file: what is claimed, by whom, and how to try it.

The ledger holds no results. Whether a claim is reproduced is worked out from records, by
`ranparity.report.claim_status`.
"""

from __future__ import annotations

import functools
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, TypeVar

from ranparity.claims.figures import printed
from ranparity.claims.kinds import Claim, Contradiction, Data, Direction, Measure, Source
from ranparity.errors import InputError

FILE = "ledger.toml"
Row = Mapping[str, Any]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Ledger:
    """All of it, in the file's order."""

    measures: tuple[Measure, ...]
    claims: tuple[Claim, ...]
    directions: tuple[Direction, ...]
    contradictions: tuple[Contradiction, ...]

    @property
    def sources(self) -> tuple[Source, ...]:
        """Those that claim something, in order."""
        return tuple(dict.fromkeys(claim.source for claim in self.claims))

    def claim(self, name: str) -> Claim:
        """Gives a claim by its id.

        Raises:
            InputError: There is none.
        """
        for claim in self.claims:
            if claim.id == name:
                return claim
        raise InputError(
            f"unknown claim {name!r}: expected an id as `ranparity claims` prints them"
        )

    def contradicted(self, name: str) -> list[Contradiction]:
        """Gives the contradictions that a claim is part of."""
        return [each for each in self.contradictions if name in each.claims]


@functools.cache
def load() -> Ledger:
    """Reads the ledger of this package."""
    return parse(resources.files("ranparity.claims").joinpath(FILE).read_text("utf-8"))


def parse(text: str) -> Ledger:
    """Reads a ledger.

    Args:
        text: As `ledger.toml`.

    Raises:
        InputError: It is not TOML, something is missing or not known, or an id is there twice.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{FILE}: not TOML: {error}") from None
    sources = {each.name: each for each in _each(content, "source", Source)}
    measures = {each.name: each for each in _each(content, "measure", Measure)}
    known: dict[str, Mapping[str, Any]] = {
        "source": sources,
        "measure": measures,
        "data": {each.name: each for each in _each(content, "data", Data)},
    }
    claims = tuple(_claims(content.get("table", []), known))
    directions = tuple(
        _made(Direction, _resolved(row, {"source": sources}, _where(row)), _where(row))
        for row in content.get("direction", [])
    )
    contradictions = tuple(_each(content, "contradiction", Contradiction))
    ids = [claim.id for claim in claims]
    others = [each.id for each in directions] + [each.id for each in contradictions]
    _check_ids([*ids, *others])
    for each in contradictions:
        _check_known(each, set(ids))
    return Ledger(tuple(measures.values()), claims, directions, contradictions)


def _claims(tables: list[Row], known: Mapping[str, Mapping[str, Any]]) -> Iterator[Claim]:
    """Gives the claims of all tables: a row has what its table has, and its own."""
    for table in tables:
        shared = {key: value for key, value in table.items() if key != "rows"}
        for row in table.get("rows", []):
            yield _claim(_resolved({**shared, **row}, known, _where(row)))


def _claim(row: dict[str, Any]) -> Claim:
    where = _where(row)
    options = f" {row.pop('options')}" if "options" in row else ""
    if "why" in row:
        row.pop("command", None)  # the table's, for its other rows
        row.pop("note", None)
    if ("why" in row) == ("command" in row) or ("net" in row) != ("command" in row):
        raise InputError(f"{where}: expected either a net and a command, or why there is none")
    if "command" in row:
        data = row["data"].option if "data" in row else ""
        row["command"] = row["command"].format(net=row["net"], data=data) + options
    claim: Claim = _made(Claim, row, where)
    if claim.measure.of != "none" and printed(claim.value) is None:
        raise InputError(f"{where}: expected a number as the value. Received: {claim.value!r}")
    return claim


def _resolved(row: Row, known: Mapping[str, Mapping[str, Any]], where: str) -> dict[str, Any]:
    """Puts sources, measures and data in the place of their names."""
    result = dict(row)
    for key, values in known.items():
        if key in row:
            if row[key] not in values:
                expected = ", ".join(values)
                raise InputError(
                    f"{where}: {key}: expected one of {expected}. Received: {row[key]!r}"
                )
            result[key] = values[row[key]]
    return result


def _each(content: Row, key: str, kind: type[Item]) -> Iterator[Item]:
    return (_made(kind, row, _where(row, key)) for row in content.get(key, []))


def _where(row: Row, kind: str = "row") -> str:
    """Says which part of the file an error is about."""
    return f"{FILE}: {row.get('id') or row.get('name') or f'a {kind} without a name'}"


def _made(kind: type[Item], row: Row, where: str) -> Item:
    """Makes something of a row, whose keys are its fields; lists become tuples."""
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    try:
        return kind(**values)
    except TypeError as error:
        told = str(error).partition("() ")[2]
        raise InputError(f"{where}: {kind.__name__.lower()}: {told}") from None


def _check_ids(ids: list[str]) -> None:
    twice = [name for name, times in Counter(ids).items() if times > 1]
    if twice:
        raise InputError(f"{FILE}: expected each id once. Received twice: {', '.join(twice)}")


def _check_known(contradiction: Contradiction, ids: set[str]) -> None:
    unknown = [name for name in contradiction.claims if name not in ids]
    if unknown:
        raise InputError(
            f"{FILE}: {contradiction.id}: expected ids of claims. Received: {', '.join(unknown)}"
        )
