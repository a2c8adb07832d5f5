"""The record of claims about which of two is larger, data/directions.json, read with care."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ranparity.parity.experiments import holds
from ranparity.report.reading import Fields, MalformedError, parse_record

DIRECTIONS = "data/directions.json"
HOLDS: tuple[Literal["yes", "no", "inconclusive"], ...] = ("yes", "no", "inconclusive")


@dataclass(frozen=True)
class Tried:
    """A training of an experiment: the net, its share of wrong labels, its seed, what it reached.

    The accuracy is of the held-out images, in parts of 1.
    """

    model: str
    noise: float
    seed: int
    accuracy: float


@dataclass(frozen=True)
class Experiment:
    """One claim, tried on one kind of data with several seeds.

    Attributes:
        name: Which claim: `attention-residual` or `label-noise`.
        data: On what.
        what: The nets and what was done with them, in words.
        statistic: What each seed gives a number for, in words.
        direction: Which sign the claim says that it has, in words.
        per_seed: The numbers.
        mean: Theirs.
        spread: How far seeds part, as the record says.
        holds: What follows for the direction, at this scale.
        runs: The trainings that it was taken from.
        rule: When the direction holds, in words; empty if the record does not say it.
        interval: What the rule judges, if the record has it.
        trainings: Those of the runs that say what was trained.
        failed: What was not trained, and why.
    """

    name: str
    data: str
    what: str
    statistic: str
    direction: str
    per_seed: tuple[float, ...]
    mean: float
    spread: float
    holds: Literal["yes", "no", "inconclusive"]
    runs: tuple[Any, ...]
    rule: str = ""
    interval: tuple[float, float] | None = None
    trainings: tuple[Tried, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class DirectionRecord:
    """The experiments by name and data; `error` says why there is no evidence.

    `faults` says of an experiment, by name and data, why it could not be read; `backend` and
    `environment` what the runs were trained on, if the record says it.
    """

    experiments: Mapping[tuple[str, str], Experiment]
    faults: Mapping[tuple[str, str], str]
    error: str = ""
    backend: str = ""
    environment: Mapping[str, Any] | None = None


def read(content: bytes) -> DirectionRecord:
    """Reads the record; what cannot be read is there as an error."""
    experiments: dict[tuple[str, str], Experiment] = {}
    faults: dict[tuple[str, str], str] = {}
    try:
        fields = parse_record(content)
        backend = fields.text("backend") if fields.has("backend") else ""
        environment = fields.environment()
        if fields.has("error"):
            return DirectionRecord({}, {}, fields.text("error"))
        for place, item in enumerate(fields.items("experiments"), start=1):
            one = Fields(item, f"experiment {place}")
            key = (one.text("name"), one.text("data"))
            try:
                experiments[key] = _experiment(one)
            except MalformedError as fault:
                faults[key] = str(fault)
    except MalformedError as fault:
        return DirectionRecord({}, {}, str(fault))
    return DirectionRecord(experiments, faults, backend=backend, environment=environment)


def _experiment(fields: Fields) -> Experiment:
    stated = fields.text("holds")
    if stated not in HOLDS:
        raise MalformedError(f'expected {", ".join(HOLDS)} as "holds", found "{stated}"')
    found = Experiment(
        name=fields.text("name"),
        data=fields.text("data"),
        what=fields.text("what"),
        statistic=fields.text("statistic"),
        direction=fields.text("direction"),
        per_seed=fields.numbers("per_seed"),
        mean=fields.number("mean"),
        spread=fields.number("spread"),
        holds=next(each for each in HOLDS if each == stated),
        runs=tuple(fields.items("runs")),
        rule=fields.text("rule") if fields.has("rule") else "",
        interval=_interval(fields),
        trainings=tuple(each for each in fields.each("runs", _tried) if each),
        failed=fields.texts("failed") if fields.has("failed") else (),
    )
    _refuse_contradictions(found)
    return found


def _interval(fields: Fields) -> tuple[float, float] | None:
    if not fields.has("interval"):
        return None
    found = fields.numbers("interval")
    if len(found) != 2 or found[0] > found[1]:
        raise MalformedError('expected the two ends of an "interval", the lower one first')
    return found[0], found[1]


def _tried(fields: Fields) -> Tried | None:
    if not fields.has("model"):
        return None
    return Tried(
        fields.text("model"),
        fields.share("noise"),
        fields.count("seed"),
        fields.share("accuracy"),
    )


def _refuse_contradictions(found: Experiment) -> None:
    """Raises where a record does not agree with itself, or has nothing to show."""
    if len(found.per_seed) < 2 or not found.runs:
        raise MalformedError("expected several seeds, and the runs that they were taken from")
    mean = statistics.fmean(found.per_seed)
    if not math.isclose(mean, found.mean, rel_tol=1e-3, abs_tol=1e-4):
        raise MalformedError(f"the mean {found.mean:g} contradicts the seeds', {mean:g}")
    if found.interval and found.holds != holds(found.interval):
        low, high = found.interval
        raise MalformedError(f'"{found.holds}" contradicts the interval {low:g} to {high:g}')
