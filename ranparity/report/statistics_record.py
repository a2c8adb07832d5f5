"""The record of level 6, data/statistics.json, read with care."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ranparity.parity.equivalence import Verdict, verdict
from ranparity.report.reading import Fields, MalformedError, is_count, parse_record

STATISTICS = "data/statistics.json"
VERDICTS: tuple[Verdict, ...] = ("equivalent", "different", "inconclusive")


@dataclass(frozen=True)
class Trained:
    """A finished run: its group, its seed, when it began, and what it reached, in parts of 1."""

    backend: str
    planted: str
    seed: int
    started: str
    accuracy: float


@dataclass(frozen=True)
class Comparison:
    """Two groups, seed by seed.

    Attributes:
        planted: What the first one has that is worse on purpose; nothing if empty.
        one: The first one's backend,
        other: and the other's.
        differences: Accuracy of the first less that of the other, in points, by seed.
        mean: Theirs.
        spread: Their standard deviation.
        interval: Of the mean, at the confidence that one-sided tests have.
        equivalence: p values of the test for equivalence: its own, and the adjusted one.
        difference: Those of the test for a difference.
        power: Of the test for equivalence, if the means were equal and the spread this one.
        verdict: What follows.
    """

    planted: str
    one: str
    other: str
    differences: tuple[float, ...]
    mean: float
    spread: float
    interval: tuple[float, float]
    equivalence: tuple[float, float]
    difference: tuple[float, float]
    power: float
    verdict: Verdict

    @property
    def is_expected(self) -> bool:
        """Whether it came out as it must: what is planted as different, all else as equivalent."""
        return self.verdict == ("different" if self.planted else "equivalent")


@dataclass(frozen=True)
class StatisticsRecord:
    """What was asked, and what followed; `error` says why there is no evidence.

    Attributes:
        fixed: When margin, level and rule were written down.
        margin: In points of percent.
        level: Of each test.
        rule: How verdicts follow.
        settings: What was trained: values by option.
        planted: What was changed, by the name of what is planted.
        seeds: Of every group.
        runs: Those that are finished.
        comparisons: Those whose runs are.
        failed: What was not trained, and why.
        environments: Where each backend ran.
    """

    error: str = ""
    fixed: str = ""
    margin: float = 0.0
    level: float = 0.0
    rule: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    planted: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    runs: tuple[Trained, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    failed: tuple[str, ...] = ()
    environments: Mapping[str, Any] = field(default_factory=dict)


def read(content: bytes) -> StatisticsRecord:
    """Reads the record; what cannot be read is there as an error."""
    try:
        fields = parse_record(content)
        if fields.has("error"):
            return StatisticsRecord(fields.text("error"))
        return _record(fields)
    except MalformedError as fault:
        return StatisticsRecord(str(fault))


def _record(fields: Fields) -> StatisticsRecord:
    found = StatisticsRecord(
        fixed=fields.text("fixed"),
        margin=fields.number("margin"),
        level=fields.share("level"),
        rule=fields.text("rule"),
        settings=fields.mapping("settings"),
        planted=fields.mapping("planted"),
        seeds=_counts(fields, "seeds"),
        runs=fields.every("runs", _trained),
        comparisons=fields.every("comparisons", _comparison),
        failed=fields.texts("failed"),
        environments=fields.mapping("environments"),
    )
    for name, given in found.environments.items():
        if not isinstance(given, dict):
            raise MalformedError(f'expected an object as the environment of "{name}"')
    for run in found.runs:
        if run.started < found.fixed:
            raise MalformedError(
                f"seed {run.seed} on {run.backend} began {run.started}, and what is asked was "
                f"fixed {found.fixed}, after it"
            )
    for comparison in found.comparisons:
        _refuse_contradictions(found, comparison)
    return found


def _counts(fields: Fields, key: str) -> tuple[int, ...]:
    values = fields.items(key)
    if not all(is_count(value) for value in values):
        raise MalformedError(f'expected integers of 0 or more as "{key}"')
    return tuple(values)


def _trained(fields: Fields) -> Trained:
    return Trained(
        fields.text("backend"),
        fields.text("planted"),
        fields.count("seed"),
        fields.text("started"),
        fields.share("accuracy"),
    )


def _comparison(fields: Fields) -> Comparison:
    stated = fields.text("verdict")
    if stated not in VERDICTS:
        raise MalformedError(f'expected {", ".join(VERDICTS)} as "verdict", found "{stated}"')
    interval = fields.numbers("interval")
    if len(interval) != 2:
        raise MalformedError('expected the two ends of an "interval"')
    return Comparison(
        planted=fields.text("planted"),
        one=fields.text("one"),
        other=fields.text("other"),
        differences=fields.numbers("differences"),
        mean=fields.number("mean"),
        spread=fields.number("spread"),
        interval=(interval[0], interval[1]),
        equivalence=(fields.share("p_equivalence"), fields.share("p_equivalence_adjusted")),
        difference=(fields.share("p_difference"), fields.share("p_difference_adjusted")),
        power=fields.share("power"),
        verdict=next(each for each in VERDICTS if each == stated),
    )


def _refuse_contradictions(record: StatisticsRecord, found: Comparison) -> None:
    """Raises where a comparison does not agree with itself, or with the runs it was taken from."""
    what = f"{found.one} and {found.other}"
    one, other = (
        {run.seed: run.accuracy for run in record.runs if (run.backend, run.planted) == group}
        for group in ((found.one, found.planted), (found.other, ""))
    )
    seeds = record.seeds
    if len(found.differences) < 2 or len(seeds) != len(found.differences):
        raise MalformedError(f"{what}: expected a difference for each of several seeds")
    if not all(seed in one and seed in other for seed in seeds):
        raise MalformedError(f"{what}: expected the runs that they were taken from")
    told = zip(seeds, found.differences, strict=True)
    if not all(_close(100 * (one[seed] - other[seed]), each) for seed, each in told):
        raise MalformedError(f"{what}: the differences contradict the runs")
    mean = math.fsum(found.differences) / len(found.differences)
    if not _close(mean, found.mean):
        raise MalformedError(f"{what}: the mean {found.mean:g} contradicts the seeds', {mean:g}")
    if found.verdict != verdict(found.equivalence[1], found.difference[1], record.level):
        raise MalformedError(f'{what}: "{found.verdict}" contradicts the p values')


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-6)
