"""The record of the proof that level 0 can fail, data/alterations.json, read with care."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ranparity.report.reading import Fields, MalformedError, clean, is_count, parse_record

ALTERATIONS = "data/alterations.json"
SIDES = ("prototxt", "live Keras model")  # what is altered


@dataclass(frozen=True)
class Proof:
    """How many alterations of a net were tried and found, by attribute."""

    title: str
    counts: Mapping[str, tuple[int, int]]
    missed: tuple[str, ...]

    @property
    def tried(self) -> int:
        """All alterations."""
        return sum(tried for tried, _ in self.counts.values())

    @property
    def found(self) -> int:
        """Those that were reported at their layer."""
        return sum(found for _, found in self.counts.values())


@dataclass(frozen=True)
class AlterationRecord:
    """The proof that level 0 can fail; `sides` is what was altered, in words, to proofs by net."""

    path: str
    error: str = ""
    backend: str = ""
    sides: Mapping[str, tuple[Proof, ...]] = field(default_factory=dict)
    seconds: float | None = None
    environment: Mapping[str, Any] | None = None


def read(content: bytes) -> AlterationRecord:
    """Reads the record; what cannot be read is there as an error."""
    try:
        fields = parse_record(content)
        backend = fields.text("backend")
        if fields.has("error"):
            return AlterationRecord(ALTERATIONS, fields.text("error"), backend)
        sides = {side: fields.each(side, _proof) for side in SIDES}
        for side, proofs in sides.items():
            if not any(proof.tried for proof in proofs):
                raise MalformedError(f'no alteration was tried of the "{side}"')
        took, place = fields.seconds(), fields.environment()
    except MalformedError as fault:
        return AlterationRecord(ALTERATIONS, str(fault))
    return AlterationRecord(ALTERATIONS, "", backend, sides, took, place)


def _proof(fields: Fields) -> Proof:
    counts = {
        clean(what): _tried_and_found(what, pair) for what, pair in fields.mapping("counts").items()
    }
    proof = Proof(fields.text("title"), counts, fields.texts("missed"))
    if proof.tried - proof.found != len(proof.missed):
        raise MalformedError(
            f"{proof.title}: {proof.tried} tried, {proof.found} found and "
            f"{len(proof.missed)} missed do not add up"
        )
    return proof


def _tried_and_found(what: str, pair: Any) -> tuple[int, int]:
    if not isinstance(pair, list) or len(pair) != 2 or not all(map(is_count, pair)):
        raise MalformedError(f'counts: expected [tried, found] as "{clean(what)}"')
    if pair[1] > pair[0]:
        raise MalformedError(f'counts: more found than tried as "{clean(what)}"')
    return pair[0], pair[1]
