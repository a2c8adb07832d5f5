"""The report on many runs from one plan: how they ended, summed up over seeds."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence

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
    link,
    text,
)
from ranparity.report.matrix_record import MatrixRecord, Row
from ranparity.report.reading import clean
from ranparity.report.records import Evidence
from ranparity.report.words import FAILED, NOT_RUN, NOTHING, count, percent, plural
from ranparity.report.words import seconds as in_seconds

INTRODUCTION = text(
    "Runs of one plan, by ",
    code("ranparity matrix"),
    ", each a process of its own. A row is of runs that differ in their seeds alone. A process "
    "that is killed or dies has its run gone on with by another one, from its checkpoint.",
)
TITLES = (
    *("Runs", "Finished", "Mean accuracy", "Standard deviation", "Mean loss", "Seconds, median"),
    *("Processes", "Failed"),
)


def section(evidence: Evidence) -> Section:
    """A table for each plan."""
    blocks: list[Block] = [Paragraph(INTRODUCTION)]
    for record in evidence.matrices:
        blocks += _of(record)
    if not evidence.matrices:
        blocks.append(Paragraph(text(NOT_RUN, "."), "absent"))
    return Section("many", "Many runs", tuple(blocks))


def _of(record: MatrixRecord) -> Iterator[Block]:
    named = link(record.name, record.path)
    if record.error:
        yield Paragraph(text(named, ": ", FAILED, ": ", code(record.error)), "fail")
        return
    where = f" on {record.place}, {plural(record.at_once, 'run')} at a time."
    yield Paragraph(text("The plan ", named, f": {plural(len(record.rows), 'run')}{where}"))
    yield table(record)
    failed = [row for row in record.rows if row.error]
    if failed:
        yield Bullets(tuple(text(FAILED, ", ", code(row.name), ": ", row.error) for row in failed))


def table(record: MatrixRecord) -> Table:
    """A row for runs that differ in their seeds alone."""
    groups: dict[str, list[Row]] = {}
    for row in record.rows:
        settings = {key: value for key, value in row.settings.items() if key != "seed"}
        groups.setdefault(json.dumps(settings, sort_keys=True), []).append(row)
    shown = _varied(record)
    rows = tuple(_row(rows, shown) for rows in groups.values())
    return Table(columns(*TITLES, right=tuple(range(1, len(TITLES)))), rows)


def _varied(record: MatrixRecord) -> list[str]:
    """The settings that tell runs apart, and the backend."""
    keys = dict.fromkeys(key for row in record.rows for key in row.settings)
    varied = [
        key
        for key in keys
        if len({json.dumps(row.settings.get(key)) for row in record.rows}) > 1 and key != "seed"
    ]
    return [key for key in varied if key != "backend"]


def _row(rows: Sequence[Row], shown: Sequence[str]) -> tuple[Cell, ...]:
    first = rows[0]
    others = [f"{key} {first.settings[key]}" for key in shown if key in first.settings]
    accuracies = [100 * row.accuracy for row in rows if row.accuracy is not None]
    losses = [row.loss for row in rows if row.loss is not None]
    took = [row.seconds for row in rows if row.seconds is not None]
    failed = sum(row.status == "failed" for row in rows)
    return (
        cell(code(first.backend), *(f", {clean(each)}" for each in others)),
        cell(f"{len(accuracies)} of {len(rows)}"),
        cell(percent(statistics.fmean(accuracies) / 100) if accuracies else NOTHING),
        cell(f"{statistics.stdev(accuracies):.2f}" if len(accuracies) > 1 else NOTHING),
        cell(f"{statistics.fmean(losses):.4f}" if losses else NOTHING),
        cell(in_seconds(statistics.median(took)) if took else NOTHING),
        cell(count(sum(row.tries for row in rows))),
        cell(count(failed), tone="fail" if failed else ""),
    )


def problems(evidence: Evidence) -> Iterator[Text]:
    """Says which plans failed, and which have runs that did or that are not done."""
    for record in evidence.matrices:
        source = text(" (", link(record.path, record.path), ")")
        if record.error:
            yield text(f"Many runs, {record.name}: FAILED: ", code(record.error), *source)
            continue
        failed = sum(row.status == "failed" for row in record.rows)
        left = sum(row.status not in ("finished", "failed") for row in record.rows)
        for number, what in ((failed, "failed"), (left, "not finished")):
            if number:
                yield text(f"Many runs, {record.name}: {plural(number, 'run')} {what}", *source)


def summary(evidence: Evidence) -> str:
    """How many there are, for the first page."""
    records = [record for record in evidence.matrices if not record.error]
    if not records:
        return "not run."
    done = sum(row.status == "finished" for record in records for row in record.rows)
    whole = sum(len(record.rows) for record in records)
    return f"{count(done)} of {plural(whole, 'run')} of {plural(len(records), 'plan')} finished."
