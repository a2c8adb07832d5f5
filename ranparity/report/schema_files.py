"""The records' JSON Schemas, as they are published with a report, in schemas/."""

from __future__ import annotations

import json
from importlib import resources

from ranparity.schema import VERSION

FOLDER, SUFFIX = "schemas", ".schema.json"
KINDS = {
    "check": "data/check-BACKEND.json",
    "alterations": "data/alterations.json",
    "run": "data/runs/ID/run.json",
    "step": "a line of data/runs/ID/steps.jsonl",
    "masks": "data/runs/ID/masks.json",
    "features": "data/runs/ID/features.json",
    "endurance": "data/endurance-BACKEND.json",
    "directions": "data/directions.json",
    "ladder": "data/ladder.json, data/ladder-quick.json, data/opinions.json",
    "ladder-proof": "data/ladder-proof.json",
    "bench": "data/bench.json",
    "growth": "data/growth.json",
    "operations": "data/operations.json",
    "zoo": "data/zoo-BACKEND.json",
    "findings": "data/findings.json",
    "statistics": "data/statistics.json",
    "matrix": "data/matrix-NAME.json, matrix.json beside runs",
}
"""Every kind of record, and which files are of it."""


def identifier(kind: str) -> str:
    """Gives the name of a kind's schema, which is of this version alone."""
    return f"urn:ranparity:schema:{VERSION}:{kind}"


def path(kind: str) -> str:
    """Gives the place of a kind's schema in the reports folder."""
    return f"{FOLDER}/{kind}{SUFFIX}"


def content(kind: str) -> bytes:
    """Gives a kind's schema, as the package has it."""
    return resources.files(__package__).joinpath(path(kind)).read_bytes()


def title(kind: str) -> str:
    """Gives what a kind of record is, in words."""
    return str(json.loads(content(kind))["title"])
