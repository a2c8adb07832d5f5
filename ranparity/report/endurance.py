"""The report on endurance: runs that were killed and resumed, and what they ended with."""

from __future__ import annotations

from collections.abc import Iterator

from ranparity.report.document import (
    Block,
    Bullets,
    Cell,
    Paragraph,
    Section,
    Table,
    Text,
    cell,
    code,
    columns,
    joined,
    link,
    text,
)
from ranparity.report.endurance_record import EnduranceRecord
from ranparity.report.records import Evidence
from ranparity.report.words import FAIL, FAILED, NOT_RUN, NOTHING, PASS, count, plural

SHOWN = 10  # differences printed for each backend; the record has all
KINDS = {"checkpoint": "in a checkpoint", "step": "at a step", "moment": "at any moment"}

INTRODUCTION = text(
    "A run is done twice without a disturbance, and then killed again and again, by a signal that "
    "no process can catch (SIGKILL), and resumed each time. The moments are drawn from the tape: "
    "while a checkpoint is being written, some steps after training has begun, and at any moment "
    "of the process's life, as it starts, compiles, trains or tests. A run that ends before all "
    "kills are done is begun again, which makes another round. Every run must end with the bits of "
    "the undisturbed one: weights, batch statistics, optimizer slots, the log of all steps and the "
    "table of epochs, times apart."
)


def section(evidence: Evidence) -> Section:
    """A row a backend, how the runs were started, and what differed."""
    blocks: list[Block] = [Paragraph(INTRODUCTION), verdicts(evidence)]
    notes = (*_options(evidence), *_reasons(evidence), *_differences(evidence))
    if notes:
        blocks.append(Bullets(notes))
    return Section("endurance", "Endurance: runs that are killed and resumed", tuple(blocks))


def verdicts(evidence: Evidence) -> Table:
    """A row a backend: how often it was killed, when, and whether the bits are the same."""
    kinds = tuple(dict.fromkeys([*KINDS, *_kinds(evidence)]))
    rows = tuple(_row(name, evidence.endurance.get(name), kinds) for name in evidence.backends)
    titles = ("Backend", "Verdict", "Kills", *(KINDS.get(kind, kind) for kind in kinds))
    numbers = tuple(range(2, len(titles) + 2))
    return Table(columns(*titles, "After steps", "Rounds", "What differed", right=numbers), rows)


def _kinds(evidence: Evidence) -> list[str]:
    return [kind for record in evidence.endurance.values() for kind in record.kills]


def _row(name: str, record: EnduranceRecord | None, kinds: tuple[str, ...]) -> tuple[Cell, ...]:
    backend = cell(code(name))
    if record is None or record.error:
        nothing = (cell(NOTHING) for _ in range(len(kinds) + 4))
        return backend, _absence(record), *nothing
    return (
        backend,
        _verdict(record),
        cell(count(len(record.steps))),
        *(cell(count(record.kills.get(kind, 0))) for kind in kinds),
        cell(f"{count(min(record.steps))} to {count(max(record.steps))}"),
        cell(count(record.rounds)),
        cell(record.differences[0] if record.differences else "nothing"),
    )


def _absence(record: EnduranceRecord | None) -> Cell:
    if record is None:
        return cell(NOT_RUN, tone="absent")
    return cell(FAILED, " ", link("why", record.path), tone="fail")


def _verdict(record: EnduranceRecord) -> Cell:
    if not record.differences:
        return cell(PASS, " ", link("bit for bit the same", record.path), tone="pass")
    found = plural(len(record.differences), "difference")
    return cell(FAIL, " ", link(found, record.path), tone="fail")


def _options(evidence: Evidence) -> Iterator[Text]:
    """How the runs were started, told once for those that were started alike."""
    alike: dict[tuple[tuple[str, ...], int], list[str]] = {}
    for name, record in _known(evidence):
        if not record.error:
            alike.setdefault((record.options, record.seed), []).append(name)
    for (options, seed), names in alike.items():
        how = code(" ".join(options)) if options else "no options"
        yield text("Runs on ", *joined([code(name) for name in names]), ": ", how, f", seed {seed}")


def _known(evidence: Evidence) -> list[tuple[str, EnduranceRecord]]:
    """The records, in the backends' order."""
    records = evidence.endurance
    return [(name, records[name]) for name in evidence.backends if name in records]


def _reasons(evidence: Evidence) -> Iterator[Text]:
    for name, record in _known(evidence):
        if record.error:
            yield text(FAILED, " on ", code(name), ": ", code(record.error))


def _differences(evidence: Evidence) -> Iterator[Text]:
    for name, record in _known(evidence):
        for difference in record.differences[:SHOWN]:
            yield text("Differs on ", code(name), ": ", code(difference))


def problems(evidence: Evidence) -> Iterator[Text]:
    """Says what failed or differs, and which backend was left out where others were not.

    No record at all is no problem: the trial takes long, and `--collect` does not do it. The page
    says "not run" then.
    """
    for name, record in _known(evidence):
        source = text(" (", link(record.path, record.path), ")")
        if record.error:
            yield text("Endurance on ", code(name), ": FAILED: ", code(record.error), *source)
        elif record.differences:
            found = f": {plural(len(record.differences), 'difference')} after kills"
            yield text("Endurance on ", code(name), found, *source)
    for name in evidence.spoken_of if evidence.endurance else ():
        if name not in evidence.endurance:
            yield text("Endurance on ", code(name), ": not run.")


def summary(evidence: Evidence) -> str:
    """What came of it, for the first page."""
    records = [record for _, record in _known(evidence) if not record.error]
    if not records:
        return "not run."
    each = [f"{record.backend} {count(len(record.steps))}" for record in records]
    differ = [record.backend for record in records if record.differences]
    ended = f"runs on {', '.join(differ)} did not end" if differ else "all of them ended"
    kills = f"runs were killed and resumed ({', '.join(each)} times)"
    absent = [name for name in evidence.backends if name not in evidence.endurance]
    missing = f" Not run on {', '.join(absent)}." if absent else ""
    return f"{kills}; {ended} with the bits of an undisturbed run.{missing}"
