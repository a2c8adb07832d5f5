"""The report on the proof that level 0 can fail."""

from __future__ import annotations

from collections.abc import Iterator

from ranparity.report.alteration_record import AlterationRecord, Proof
from ranparity.report.document import (
    Block,
    Bullets,
    Cell,
    Folded,
    Paragraph,
    Section,
    Table,
    Text,
    cell,
    code,
    columns,
    link,
    text,
)
from ranparity.report.records import Evidence
from ranparity.report.words import FAIL, FAILED, NOT_RUN, NOTHING, PASS, count

SHOWN = 10  # missed alterations printed for each net; the record has all

INTRODUCTION = text(
    "A check that finds nothing is worth something only if it would find a fault. So each "
    "attribute of each layer of a prototxt is altered, one at a time, layers are dropped and "
    "inputs are exchanged; then live Keras models are altered, once for every kind of attribute. "
    "An alteration counts as found when the first difference reported is at the altered layer."
)


def section(evidence: Evidence) -> Section:
    """How many alterations were tried and found, and which were missed."""
    record = evidence.alterations
    blocks: list[Block] = [Paragraph(INTRODUCTION)]
    if record is None:
        blocks.append(Paragraph(text(NOT_RUN, "."), "absent"))
    elif record.error:
        reason = text(FAILED, ": ", code(record.error), " (", link(record.path, record.path), ")")
        blocks.append(Paragraph(reason, "fail"))
    else:
        blocks += [_proofs(record), *_missed(record)]
        blocks += [_by_attribute(side, proofs) for side, proofs in record.sides.items()]
    return Section("alterations", "Can this check fail?", tuple(blocks))


def _proofs(record: AlterationRecord) -> Table:
    rows = [
        _proof_row(side, proof, record) for side, proofs in record.sides.items() for proof in proofs
    ]
    titles = ("Altered", "Net", "Tried", "Found", "Verdict")
    return Table(columns(*titles, right=(2, 3)), tuple(rows))


def _proof_row(side: str, proof: Proof, record: AlterationRecord) -> tuple[Cell, ...]:
    verdict = (
        cell(PASS, " ", link("all found", record.path), tone="pass")
        if not proof.missed
        else cell(FAIL, " ", link(f"{count(len(proof.missed))} missed", record.path), tone="fail")
    )
    numbers = (cell(count(proof.tried)), cell(count(proof.found)))
    return cell(side), cell(proof.title), *numbers, verdict


def _missed(record: AlterationRecord) -> Iterator[Block]:
    missed = [
        text(proof.title, ", ", side, ": ", code(what))
        for side, proofs in record.sides.items()
        for proof in proofs
        for what in proof.missed[:SHOWN]
    ]
    if missed:
        yield Bullets(tuple(missed))


def _by_attribute(side: str, proofs: tuple[Proof, ...]) -> Folded:
    """Tried and found by attribute: a row an attribute, a column a net."""
    attributes = dict.fromkeys(what for proof in proofs for what in proof.counts)
    rows = [
        (cell(what), *(_found_of(proof.counts.get(what)) for proof in proofs))
        for what in attributes
    ]
    titles = ("Attribute", *(f"{proof.title}, found of tried" for proof in proofs))
    table = Table(columns(*titles, right=tuple(range(1, len(titles)))), tuple(rows))
    return Folded(text(f"By attribute: {side}"), (table,))


def _found_of(pair: tuple[int, int] | None) -> Cell:
    if pair is None:
        return cell(NOTHING)
    tried, found = pair
    return cell(f"{count(found)} of {count(tried)}", tone="" if tried == found else "fail")


def problems(evidence: Evidence) -> Iterator[Text]:
    """Says what of the proof failed or is missing."""
    record = evidence.alterations
    if record is None:
        yield text("Alterations, which show that the check can fail: not run.")
    elif record.error:
        source = text(" (", link(record.path, record.path), ")")
        yield text("Alterations: FAILED: ", code(record.error), *source)
    else:
        missed = sum(len(proof.missed) for proofs in record.sides.values() for proof in proofs)
        if missed:
            yield text("Alterations: ", link(f"{count(missed)} not found", record.path), ".")
