"""The records of the ladder, data/ladder*.json, read with care."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ranparity.parity.ladder.case import in_words
from ranparity.report.reading import Fields, MalformedError, parse_record

LADDER, QUICK = "data/ladder.json", "data/ladder-quick.json"
PROOF, OPINIONS = "data/ladder-proof.json", "data/opinions.json"
VERDICTS = ("pass", "fail")
STALE = "stale"  # in the place of a verdict on a net whose prototxt has changed since
LEVELS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Held:
    """The prototxt that a case was held against, and its SHA-256; empty where none is stated."""

    prototxt: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Level:
    """What a level says of a net on a backend, or of a pair of them.

    Attributes:
        model: The net.
        held: What it was held against.
        size: Height and width, in pixels.
        precision: Of all numbers.
        backend: Its name.
        level: Its number.
        tensors: How many were compared.
        quantiles: Of rho: the median, 90 %, 99 %, and the largest; empty where one is infinite.
        worst: The largest rho; of level 5 the largest ratio.
        decisions: ReLU signs and max-pool argmaxes that differ.
        first: The first tensor that differs; empty if none.
        verdict: `pass` or `fail`, or `stale`.
        layers: The largest rho of each layer's tensors, in graph order; None of a layer without
            any. Empty where the record does not tell it.
        devices: How many computed each step of a run.
    """

    model: str
    held: Held
    size: str
    precision: str
    backend: str
    level: int
    tensors: int
    quantiles: tuple[float, ...]
    worst: float
    decisions: int
    first: str
    verdict: str
    layers: Mapping[str, float | None] = field(default_factory=dict)
    devices: int = 1

    @property
    def how(self) -> str:
        """How the net was run, in words."""
        return in_words(self.precision, self.devices)


@dataclass(frozen=True)
class Failed:
    """A backend that has not all levels of a case, and why is among the record's failures.

    Attributes:
        model: The net.
        how: It was to be run, in words.
        backend: Its name.
        levels: Their numbers.
    """

    model: str
    how: str
    backend: str
    levels: tuple[int, ...]


@dataclass(frozen=True)
class Pair:
    """Two free runs: how far apart, step by step, and what twins allow."""

    backends: tuple[str, str]
    distances: tuple[float, ...]
    allowed: tuple[float, ...]
    horizon: int
    ratio: float
    verdict: str


@dataclass(frozen=True)
class FreeRuns:
    """The free runs of a net.

    Attributes:
        model: The net.
        held: What they were held against.
        data: What they train on.
        pairs: Of backends.
        twins: Each twin's distance from its run, by backend.
        moved: How far the weights have moved, by backend.
    """

    model: str
    held: Held = field(repr=False)  # which is not drawn: a picture is told by what is
    data: str
    pairs: tuple[Pair, ...]
    twins: Mapping[str, tuple[tuple[float, ...], ...]]
    moved: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class LadderRecord:
    """What the ladder says of nets; `error` says why it says nothing.

    Attributes:
        levels: Of all cases.
        runs: Of cases with level 5.
        failed: Backends that have no evidence of what they were asked.
        failures: Why a backend has no evidence, one line each.
        excluded: Why somebody was not asked, likewise.
        seconds: What a case took, by its name.
        peaks: The largest process of a case, in bytes.
        environments: Where a backend ran: by its name, and where cases ran elsewhere than the
            first one also by its name and theirs.
        limit: The largest rho that is a rounding.
        factor: How many times as far as twins runs may be apart.
        error: Why the whole record says nothing.
        path: The file, relative to the reports folder.
    """

    levels: tuple[Level, ...] = ()
    runs: tuple[FreeRuns, ...] = ()
    failed: tuple[Failed, ...] = ()
    failures: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    peaks: Mapping[str, int] = field(default_factory=dict)
    environments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    limit: float = 0.0
    factor: float = 0.0
    error: str = ""
    path: str = LADDER


@dataclass(frozen=True)
class Trial:
    """A comparison of the proof, clean or with a fault.

    Attributes:
        model: The narrow net.
        half: Which half of the clean comparisons it is in.
        backend: Its name, or of level 5 clean the names of a pair.
        fault: Its name; empty where nothing is planted.
        worst: The largest rho of each level, of 5 the ratio, by the level's number.
        caught: The levels that failed.
        right_layer: Whether the right layer was named; None where it is of no one layer.
        error: Why there is nothing.
    """

    model: str
    half: str
    backend: str
    fault: str
    worst: Mapping[int, float] = field(default_factory=dict)
    caught: tuple[int, ...] = ()
    right_layer: bool | None = None
    error: str = ""


@dataclass(frozen=True)
class ProofRecord:
    """The proof of the judge; `error` says why there is none."""

    trials: tuple[Trial, ...] = ()
    environments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    limit: float = 0.0
    factor: float = 0.0
    error: str = ""
    path: str = PROOF


def read(content: bytes, path: str = LADDER) -> LadderRecord:
    """Reads the record of nets; what cannot be read is there as an error."""
    try:
        fields = parse_record(content)
        if fields.has("error"):
            return LadderRecord(error=fields.text("error"), path=path)
        cases = {
            key: Fields(value, f"case {key[:8]}") for key, value in fields.mapping("cases").items()
        }
        levels = [level for case in cases.values() for level in _levels(case)]
        runs = [_runs(case) for case in cases.values() if case.mapping("free_run")]
        failed: list[Failed] = []
        seconds: dict[str, float] = {}
        peaks: dict[str, int] = {}
        failures: list[str] = []
        excluded: list[str] = []
        places: dict[str, Mapping[str, Any]] = {}
        for case in cases.values():
            about = case.fields("case")
            how = in_words(about.text("precision"), _devices(about))
            name = f"{about.text('model')}, {how}"
            seconds[name] = case.fields("seconds").number("all")
            memory = case.fields("peak_memory")
            known = [memory.count(key) for key in case.mapping("peak_memory") if memory.has(key)]
            peaks[name] = max(known, default=0)
            stated = case.fields("failures")
            asked = _asked(about)
            failed += [
                Failed(about.text("model"), how, backend, asked)
                for backend in case.mapping("failures")
            ]
            failures += [f"{name} on {key}: {stated.text(key)}" for key in case.mapping("failures")]
            if case.has("excluded"):
                said = case.fields("excluded")
                excluded += [
                    f"{name}: {who} is not asked: {said.text(who)}"
                    for who in case.mapping("excluded")
                ]
            for backend, given in _environments(case).items():
                alike = [name for name in places if name.partition(", ")[0] == backend]
                if given not in [places[name] for name in alike]:
                    places[f"{backend}, {name}" if alike else backend] = given
        return LadderRecord(
            levels=tuple(levels),
            runs=tuple(runs),
            failed=tuple(failed),
            failures=tuple(failures),
            excluded=tuple(excluded),
            seconds=seconds,
            peaks=peaks,
            environments=places,
            limit=fields.number("limit"),
            factor=fields.number("factor"),
            path=path,
        )
    except MalformedError as fault:
        return LadderRecord(error=str(fault), path=path)


def _environments(fields: Fields) -> dict[str, Mapping[str, Any]]:
    stated = fields.fields("environments")
    return {name: stated.mapping(name) for name in fields.mapping("environments")}


def _asked(about: Fields) -> tuple[int, ...]:
    """The levels of a case."""
    levels = about.numbers("levels")
    if unknown := [level for level in levels if level not in LEVELS]:
        raise MalformedError(f"expected levels from 1 to 5, found {unknown[0]:g}")
    return tuple(map(int, levels))


def _devices(about: Fields) -> int:
    """How many devices computed the steps of a case; one goes without saying."""
    return about.count("devices") if about.has("devices") else 1


def _held(case: Fields) -> Held:
    """What a case was held against, as far as its record says."""
    keys = ("prototxt", "prototxt_digest")
    return Held(*(case.text(key) if case.has(key) else "" for key in keys))


def _levels(case: Fields) -> tuple[Level, ...]:
    held = _held(case)
    names = case.texts("layers") if case.has("layers") else ()
    devices = _devices(case.fields("case"))
    return case.every("results", lambda fields: _level(fields, held, names, devices))


def _level(fields: Fields, held: Held, names: Sequence[str], devices: int) -> Level:
    free = fields.count("level") == 5
    found = Level(
        model=fields.text("model"),
        held=held,
        size="" if free else "x".join(f"{side:g}" for side in fields.numbers("size")),
        precision=fields.text("precision"),
        backend=fields.text("backend"),
        level=fields.count("level"),
        tensors=fields.count("tensors"),
        quantiles=fields.numbers("quantiles") if fields.has("quantiles") else (),
        worst=_figure(fields, "worst_ratio" if free else "worst_rho"),
        decisions=fields.count("decisions_differ") if fields.has("decisions_differ") else 0,
        first=fields.text("first_difference") if fields.has("first_difference") else "",
        verdict=_verdict(fields),
        layers=_layers(names, fields) if fields.has("layer_rho") else {},
        devices=devices,
    )
    if found.level not in LEVELS:
        raise MalformedError(f"expected a level from 1 to 5, found {found.level}")
    return found


def _layers(names: Sequence[str], fields: Fields) -> dict[str, float | None]:
    """Each layer's rho; the names are the case's."""
    values = fields.items("layer_rho")
    if len(values) != len(names):
        raise MalformedError(f'expected {len(names)} values as "layer_rho", found {len(values)}')
    return {
        name: None if value is None else _figure(Fields({"layer_rho": value}), "layer_rho")
        for name, value in zip(names, values, strict=True)
    }


def _verdict(fields: Fields) -> str:
    stated = fields.text("verdict")
    if stated not in VERDICTS:
        raise MalformedError(f'expected pass or fail as "verdict", found "{stated}"')
    return stated


def _figure(fields: Fields, key: str) -> float:
    """A number, or the text `inf`; 0 where it is null."""
    if not fields.has(key):
        return 0.0
    try:
        return fields.number(key)
    except MalformedError:
        if fields.text(key) == "inf":
            return math.inf
        raise


def _runs(case: Fields) -> FreeRuns:
    runs = case.fields("free_run")
    found = {run.text("backend"): run for run in runs.every("runs", lambda each: each)}
    return FreeRuns(
        model=case.fields("case").text("model"),
        held=_held(case),
        data=runs.text("data"),
        pairs=runs.every("pairs", _pair),
        twins={name: _curves(run) for name, run in found.items()},
        moved={name: run.numbers("moved") for name, run in found.items()},
    )


def _curves(run: Fields) -> tuple[tuple[float, ...], ...]:
    return tuple(Fields({"it": twin}).numbers("it") for twin in run.items("twins"))


def _pair(fields: Fields) -> Pair:
    names = fields.texts("backends")
    if len(names) != 2:
        raise MalformedError(f'expected two "backends", found {len(names)}')
    return Pair(
        backends=(names[0], names[1]),
        distances=fields.numbers("distances"),
        allowed=fields.numbers("allowed"),
        horizon=fields.count("horizon"),
        ratio=_figure(fields, "ratio"),
        verdict=_verdict(fields),
    )


def read_proof(content: bytes) -> ProofRecord:
    """Reads the record of the proof; what cannot be read is there as an error."""
    try:
        fields = parse_record(content)
        if fields.has("error"):
            return ProofRecord(error=fields.text("error"))
        return ProofRecord(
            trials=fields.every("rows", _trial),
            environments=_environments(fields),
            limit=fields.number("limit"),
            factor=fields.number("factor"),
        )
    except MalformedError as fault:
        return ProofRecord(error=str(fault))


def _trial(fields: Fields) -> Trial:
    model, half, backend, fault = map(fields.text, ("model", "half", "backend", "fault"))
    if fields.has("error"):
        return Trial(model, half, backend, fault, error=fields.text("error"))
    levels = fields.fields("levels")
    found = {number: levels.fields(number) for number in fields.mapping("levels")}
    if not all(number.isdigit() and int(number) in LEVELS for number in found):
        raise MalformedError(f"expected levels from 1 to 5, found {', '.join(found)}")
    failed = tuple(int(number) for number, one in found.items() if _verdict(one) == "fail")
    worst = {
        int(number): _figure(one, "ratio" if number == "5" else "worst_rho")
        for number, one in found.items()
    }
    right = fields.flag("right_layer") if fields.has("right_layer") else None
    return Trial(model, half, backend, fault, worst, failed, right)
