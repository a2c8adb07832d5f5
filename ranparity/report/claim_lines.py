"""The ledger of claims as lines for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

from tabulate import tabulate

from ranparity.claims.kinds import Claim, Contradiction
from ranparity.report.claim_status import (
    SMALL_SCALE,
    Finding,
    Trial,
    Verdict,
    amount,
    tally,
)
from ranparity.report.words import plural

WIDTH = 100  # columns of the terminal that the tables are made for
LEAST = 16  # columns that are left to a network's name


def lines(
    verdicts: Sequence[Verdict],
    trials: Sequence[Trial],
    contradictions: Sequence[Contradiction],
    *,
    details: bool,
) -> Iterator[str]:
    """Gives the lines of `ranparity claims`.

    Args:
        verdicts: On the figures, in the ledger's order.
        trials: Of the directional claims.
        contradictions: What does not agree.
        details: Whether each claim has its command, and what does not count, below its table.
    """
    for source, claimed in groupby(verdicts, key=lambda each: each.claim.source):
        yield from _wrapped(f"{source.name}: {source.title} ({source.place})")
        for fault in source.faults:
            yield from _wrapped(f"fault: {fault}", 2)
        for heading, rows in groupby(claimed, key=lambda each: _heading(each.claim)):
            yield from _table(heading, list(rows), details=details)
        yield ""
    if trials:
        yield from _directions(trials)
    if contradictions:
        yield "What does not agree"
        for each in contradictions:
            yield from _wrapped(f"{each.id}: {each.what} [{', '.join(each.claims)}]", 2)
        yield ""
    yield from _wrapped(_summary(verdicts, trials, contradictions))
    if not details and verdicts:
        yield "--details adds the commands that try them."


def _heading(claim: Claim) -> str:
    parts = (claim.where, claim.data.title if claim.data else "", claim.measure.title)
    return ", ".join(part for part in parts if part)


def _table(heading: str, rows: Sequence[Verdict], *, details: bool) -> Iterator[str]:
    """A table's claims, and below it what does not fit into a row."""
    measure = rows[0].claim.measure
    unit = f", {measure.unit}" if measure.unit else ""
    judged = any(row.words for row in rows)
    headers = ["claim", "network in print", "printed", *(["here", "apart"] if judged else [])]
    cells = [_cells(row, judged=judged) for row in rows]
    widths = [max(len(text) for text in column) for column in zip(headers, *cells, strict=False)]
    others = sum(widths) - widths[1] + 2 * len(widths) + max(len(row.status) for row in rows)
    room = max(LEAST, WIDTH - 2 - others)
    table = tabulate(
        [
            [row_cells[0], textwrap.fill(row_cells[1], room), *row_cells[2:], row.status]
            for row_cells, row in zip(cells, rows, strict=True)
        ],
        [*headers, "status"],
        disable_numparse=True,
        colalign=("left", "left", *["right"] * (len(headers) - 2), "left"),
    )
    yield ""
    yield f"  {heading}{unit}"
    yield textwrap.indent(table, "  ")
    yield from _below(rows)
    for row in rows if details else ():
        yield from _details(row)


def _cells(row: Verdict, *, judged: bool) -> list[str]:
    claim = row.claim
    return [claim.id, claim.named, claim.value, *([row.words, row.apart] if judged else [])]


def _below(rows: Sequence[Verdict]) -> Iterator[str]:
    """Says where results stand, and why there are none."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row.findings:
            agrees = f" (agrees: {row.reading})" if row.reading else ""
            yield from _wrapped(f"{row.claim.id}{agrees}: {_found(row)}", 2)
        if row.claim.why:
            reasons.setdefault(row.claim.why, []).append(row.claim.id)
    for why, ids in reasons.items():
        yield from _wrapped(f"cannot be run ({', '.join(ids)}): {why}", 2)


def _found(row: Verdict) -> str:
    """What the records have, each number once: 31,883,432 with BN statistics in data/..."""
    texts: dict[tuple[str, ...], list[str]] = {}
    for paths, findings in _by_numbers(row.findings):
        numbers = tuple(
            f"{amount(row.claim, each.value)} {each.label}".rstrip() for each in findings
        )
        texts.setdefault(numbers, []).append(paths)
    each = [f"{', '.join(numbers)} in {', '.join(paths)}" for numbers, paths in texts.items()]
    return "; ".join(each)


def _by_numbers(findings: Sequence[Finding]) -> Iterator[tuple[str, list[Finding]]]:
    """Gives the findings of each record."""
    for path in dict.fromkeys(each.path for each in findings):
        yield path, [each for each in findings if each.path == path]


def _details(row: Verdict) -> Iterator[str]:
    claim = row.claim
    yield f"  {claim.id}"
    if claim.command:
        yield f"    $ {claim.command}"
    if claim.note:
        yield from _wrapped(f"not as the source: {claim.note}", 4)
    for path, why in (row.passed_over or {}).items():
        yield from _wrapped(f"does not count: {path}: {why}", 4)
    margin = claim.measure.margin
    within = f"within {margin:g} {claim.measure.reason}" if margin else claim.measure.reason
    yield from _wrapped(f"judged by: {within}", 4)


def _directions(trials: Sequence[Trial]) -> Iterator[str]:
    yield f"Which of two is larger ({SMALL_SCALE})"
    for trial in trials:
        claim, found = trial.claim, trial.experiment
        yield from _wrapped(
            f"{claim.id}: {claim.source.name}, {claim.where}, on {claim.data}: {claim.claim}: "
            f"{trial.status.upper()}",
            2,
        )
        if trial.fault:
            yield from _wrapped(f"its record cannot be used: {trial.fault}", 4)
        if found:
            yield from _wrapped(f"{found.what}", 4)
            seeds = ", ".join(f"{value:+.2f}" for value in found.per_seed)
            yield from _wrapped(
                f"{found.statistic} ({found.direction}): mean {found.mean:+.2f}, spread "
                f"{found.spread:.2f}, seeds {seeds}",
                4,
            )
    yield ""


def _summary(
    verdicts: Sequence[Verdict],
    trials: Sequence[Trial],
    contradictions: Sequence[Contradiction],
) -> str:
    parts = [f"{plural(len(verdicts), 'claim')}: {tally(verdicts)}"] if verdicts else ["no claims"]
    if trials:
        parts.append(f"{len(trials)} of direction: {tally(trials)}")
    if contradictions:
        parts.append(plural(len(contradictions), "contradiction"))
    return "; ".join(parts) + "."


def _wrapped(words: str, indent: int = 0) -> Iterator[str]:
    """Breaks a line where it is too long; what follows is two further in."""
    start = " " * indent
    yield from textwrap.wrap(
        words,
        WIDTH,
        initial_indent=start,
        subsequent_indent=f"{start}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
