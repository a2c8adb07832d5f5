"""What the first screen shows: nets by levels and backends, a verdict in each cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ranparity.models import zoo
from ranparity.report import ladder, layers, statistics
from ranparity.report.document import (
    Block,
    Cell,
    Column,
    Folded,
    Paragraph,
    Span,
    Table,
    cell,
    code,
    link,
    text,
)
from ranparity.report.ladder_record import STALE
from ranparity.report.records import Evidence
from ranparity.report.words import count, plural

AGAINST = ("fail", "failed", "unreadable")
TITLES = {0: "0 structure"} | ladder.TITLES
LEGEND = text(
    "A cell says what a level found of a net on a backend, and of how much: facts at level 0, "
    "tensors at levels 1 to 4, and losses and distances of runs at level 5, each level in all "
    "precisions and sizes that were run. It leads to the evidence."
)


@dataclass(frozen=True)
class Found:
    """What a level says of a net on a backend.

    Attributes:
        verdict: `pass` or `fail`; `stale` where the net's description has changed since, `failed`
            where there is no evidence though it was asked for, `unreadable` where its record is
            damaged.
        compared: How many facts or tensors.
    """

    verdict: str
    compared: int = 0


def blocks(evidence: Evidence) -> Iterator[Block]:
    """The matrix of nets that more than their structure is known of, and the others folded."""
    asked: list[str] = []
    silent: list[str] = []
    for model in zoo.ENTRIES:
        climbed = any(_found(evidence, model, level, name) for level, name in _places(evidence, 1))
        (asked if climbed else silent).append(model)
    first = asked or silent
    yield _table(evidence, first)
    yield Paragraph(LEGEND)
    yield Paragraph(
        text(
            "Level 6, ",
            Span("statistics", "#statistics"),
            ", compares backends by the accuracies of many trainings: ",
            statistics.summary(evidence),
        )
    )
    if asked and silent:
        words = f"{plural(len(silent), 'more net')}, of which the structure was checked"
        yield Folded(text(words), (_table(evidence, silent),))
    others = _others(evidence)
    if others:
        words = f"{plural(len(others), 'prototxt')} that were run as they are, at level 1"
        yield Folded(text(words), (_table(evidence, others),))


def _others(evidence: Evidence) -> list[str]:
    """What records speak of that is not in the zoo."""
    levels = [level for record in evidence.ladders for level in record.levels]
    checked = [name for check in evidence.checks.values() for name in (*check.nets, *check.faults)]
    names = dict.fromkeys([*(level.model for level in levels), *checked])
    return [name for name in names if name not in zoo.ENTRIES]


def _places(evidence: Evidence, lowest: int = 0) -> list[tuple[int, str]]:
    return [(level, name) for level in TITLES if level >= lowest for name in evidence.backends]


def _found(evidence: Evidence, model: str, level: int, backend: str) -> Found | None:
    """What is known; None where nobody has asked."""
    return (
        _structure(evidence, model, backend)
        if level == 0
        else _climbed(evidence, model, level, backend)
    )


def _structure(evidence: Evidence, model: str, backend: str) -> Found | None:
    check = evidence.checks.get(backend)
    if check is None:
        return None
    if check.error or model in check.faults:
        return Found("failed")
    if model in check.stale:
        return Found(STALE)
    result = check.nets.get(model)
    if result is None:
        return None
    return Found("fail" if result.differences else "pass", result.compared)


def _climbed(evidence: Evidence, model: str, level: int, backend: str) -> Found | None:
    """All of a level's results together: one that does not pass speaks for all."""
    results = [
        each
        for record in evidence.ladders
        for each in record.levels
        if (each.model, each.level, each.backend) == (model, level, backend)
    ]
    died = [each for record in evidence.ladders for each in record.failed if level in each.levels]
    if any((each.model, each.backend) == (model, backend) for each in died):
        return Found("failed")
    if not results:
        return Found("unreadable") if any(record.error for record in evidence.ladders) else None
    verdict = _worst(each.verdict for each in results)
    return Found(verdict, sum(each.tensors for each in results))


def _worst(verdicts: Iterable[str]) -> str:
    """What speaks for several: what differs, then what is stale."""
    known = set(verdicts)
    return next((worse for worse in ("fail", STALE) if worse in known), "pass")


def _table(evidence: Evidence, models: Sequence[str]) -> Table:
    places = _places(evidence)
    titles = [Column(text("Net"))]
    titles += [Column(text(name), group=TITLES[level]) for level, name in places]
    found = [[_found(evidence, model, *place) for place in places] for model in models]
    rows = [
        (_name(model), *map(_shown, row, (_evidence(evidence, model, *place) for place in places)))
        for model, row in zip(models, found, strict=True)
    ]
    columns = zip(*found, strict=True)
    sums = [_sum(column, level) for column, (level, _) in zip(columns, places, strict=True)]
    return Table(tuple(titles), (*rows, (cell("All of these"), *sums)), total=True, role="matrix")


def _name(model: str) -> Cell:
    entry = zoo.ENTRIES.get(model)
    return cell(link(entry.title, layers.path(entry))) if entry else cell(code(model))


def _evidence(evidence: Evidence, model: str, level: int, backend: str) -> str:
    """Where a cell leads: to the net's own part of the report, or to the record."""
    if model in zoo.ENTRIES:
        return layers.path(zoo.ENTRIES[model])
    if level == 0 and backend in evidence.checks:
        return evidence.checks[backend].path
    return "#ladder"


def _shown(found: Found | None, href: str = "") -> Cell:
    if found is None:
        return cell("not run", tone="absent")
    if found.verdict == STALE:
        return cell(Span("stale", href), tone="warning")
    if found.verdict in ("failed", "unreadable"):
        return cell(Span(f"✗ {found.verdict}", href), tone="fail")
    sign = "✓" if found.verdict == "pass" else "✗"
    words = Span(f"{sign} {found.verdict}", href)
    return Cell(
        text(words, f" {count(found.compared)}"), "pass" if found.verdict == "pass" else "fail"
    )


def _sum(found: Iterable[Found | None], level: int) -> Cell:
    """A column's verdict: that of what was run."""
    known = [each for each in found if each]
    if not known:
        return _shown(None)
    verdict = _worst("fail" if each.verdict in AGAINST else each.verdict for each in known)
    href = "#ladder" if level else "#structure"
    return _shown(Found(verdict, sum(each.compared for each in known)), href)
