"""Records held against their published schemas, by a reader of schemas that nobody here wrote."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from ranparity.report import schema_files

Schema = Mapping[str, Any]
Place = tuple[str | int, ...]  # of a value within a record: keys, and places in lists
PATHS = {
    r"data/check-[^/]+\.json": "check",
    r"data/alterations\.json": "alterations",
    r"data/runs/[^/]+/run\.json": "run",
    r"data/runs/[^/]+/steps\.jsonl": "step",
    r"data/runs/[^/]+/masks\.json": "masks",
    r"data/runs/[^/]+/features\.json": "features",
    r"data/endurance-[^/]+\.json": "endurance",
    r"data/directions\.json": "directions",
    r"data/(ladder|ladder-quick|opinions)\.json": "ladder",
    r"data/ladder-proof\.json": "ladder-proof",
    r"data/bench\.json": "bench",
    r"data/growth\.json": "growth",
    r"data/operations\.json": "operations",
    r"data/zoo-[^/]+\.json": "zoo",
    r"data/findings\.json": "findings",
    r"data/statistics\.json": "statistics",
    r"data/matrix-[^/]+\.json": "matrix",
}


@functools.cache
def schema(kind: str) -> Schema:
    """A kind's schema, as it is shipped."""
    return dict(json.loads(schema_files.content(kind)))


@functools.cache
def validator(kind: str, part: str = "") -> Draft202012Validator:
    """What judges records of a kind, or a part of them that the schema names."""
    whole = schema(kind)
    if part:
        return Draft202012Validator({"$ref": f"#/$defs/{part}", "$defs": whole["$defs"]})
    return Draft202012Validator(whole)


def refusals(kind: str, record: Any, part: str = "") -> list[str]:
    """Why a record, as JSON has it, is not of its kind; empty if it is."""
    return [
        f"{error.json_path}: {error.message[:200]}"
        for error in validator(kind, part).iter_errors(record)
    ]


def of_text(kind: str, text: str | bytes) -> list[str]:
    """The same of a file's content."""
    return refusals(kind, json.loads(text))


def kind_of(path: str) -> str:
    """The kind of a record, by its path in the reports folder."""
    (kind,) = (kind for pattern, kind in PATHS.items() if re.fullmatch(pattern, path))
    return kind


def required(kind: str, record: Any) -> set[Place]:
    """Every place in a record that its schema says must be there."""
    return set(_required(schema(kind), schema(kind), record, ()))


def _required(whole: Schema, part: Any, value: Any, place: Place) -> Iterator[Place]:
    for each in _applicable(whole, part, value):
        if isinstance(value, dict):
            yield from ((*place, name) for name in each.get("required", ()) if name in value)
            known = each.get("properties", {})
            for name, inner in value.items():
                below = known.get(name, each.get("additionalProperties"))
                yield from _required(whole, below, inner, (*place, name))
        elif isinstance(value, list):
            first = each.get("prefixItems", [])
            for number, inner in enumerate(value):
                below = first[number] if number < len(first) else each.get("items")
                yield from _required(whole, below, inner, (*place, number))


def _applicable(whole: Schema, part: Any, value: Any) -> Iterator[Schema]:
    """A schema and those that it has the same value judged by."""
    if not isinstance(part, dict):
        return
    yield part
    if reference := part.get("$ref"):
        yield from _applicable(whole, whole["$defs"][reference.removeprefix("#/$defs/")], value)
    if "if" in part:
        holds = Draft202012Validator(part["if"]).is_valid(value)
        yield from _applicable(whole, part.get("then" if holds else "else"), value)
