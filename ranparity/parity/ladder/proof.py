"""Judges the judge: clean comparisons, which must raise no alarm, and planted faults.

Clean comparisons come in two halves, of other nets and other seeds: on the first the one constant
was fixed, `rounding.LIMIT`, and the second was run after that. Faults run through the same path, on
the same evidence: levels 1 to 5 on every backend.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ranparity.errors import InputError
from ranparity.parity.ladder import case as cases
from ranparity.parity.ladder import free_run, rounding
from ranparity.parity.ladder.case import Case, Job
from ranparity.parity.ladder.faults import PLANTED
from ranparity.parity.ladder.judge import Result
from ranparity.parity.ladder.run import WORKER, judged
from ranparity.parity.ladder.store import Store
from ranparity.workers import WorkerError, stream

BATCH, STEPS = 4, 4
HALVES = ("first", "second")
SEEDS = {"first": (0, 1, 2), "second": (3, 4, 5)}
NETS: Mapping[str, Mapping[str, int]] = {
    "first": {
        "attention56-cifar@8": 32,
        "resnet18-cifar@8": 32,
        "attention56-cifar-channel@8": 32,
        "attention56-e4040@8": 32,
        "dranet-cifar-diversity@8": 32,
        "attention56-cifar-naive@8": 32,
    },
    "second": {
        "attentionnext56@8": 64,
        "dranet-cifar@8": 32,
        "resnet164-cifar@4": 32,
        "attention56-cifar-spatial@8": 32,
        "attention92-tengshaofeng@16": 32,
        "attention56-cifar-no-skip@8": 32,
        "attention56-cifar-local@8": 32,
        "resnet18@8": 64,
    },
}
"""Narrow twins of every kind of net in the zoo and their sizes in pixels, by half."""

VARIED: Mapping[str, Mapping[str, Any]] = {
    "resnet18-cifar@8": {"batch_size": 3, "threads": 1},
    "dranet-cifar-diversity@8": {"data_format": "channels_first"},
    "dranet-cifar@8": {"batch_size": 3, "threads": 1},
    "resnet18@8": {"data_format": "channels_first"},
}
"""Nets with a clean case that is compiled for itself, and in what it differs: of each half one of
each kind, with attention and without, and shallow, since compiling is most of the time."""

Row = dict[str, Any]


def sizes() -> dict[str, int]:
    """Give the size of each net, in pixels."""
    return {name: size for nets in NETS.values() for name, size in nets.items()}


def half_of(model: str) -> str:
    """Give the half that a net is in."""
    return next(half for half, nets in NETS.items() if model in nets)


def clean(model: str) -> list[Case]:
    """Give the clean cases of a net: the first is the one that faults are planted in.

    Three seeds, and what `VARIED` says.
    """
    size, seeds = sizes()[model], SEEDS[half_of(model)]
    own = Case(model, (size, size), BATCH, seeds[0], levels=cases.LEVELS, steps=STEPS)
    other = dataclasses.replace(own, levels=(1, 2, 3))
    varied = [dataclasses.replace(other, **VARIED[model])] if model in VARIED else []
    return [own, *(dataclasses.replace(other, seed=seed) for seed in seeds[1:]), *varied]


def planted(model: str) -> list[Case]:
    """Give the cases of a net that have a fault; those that compile nothing of their own first."""
    own = dataclasses.replace(clean(model)[0], twins=0)
    known = {name: fault.make() for name, fault in PLANTED.items() if model in fault.models}
    ordered = sorted(known, key=lambda name: known[name].is_compiled)
    return [dataclasses.replace(own, fault=name) for name in ordered]


def key(row: Mapping[str, Any]) -> tuple[str, str]:
    """What makes a row another one: its case, and its backend."""
    return str(row["case"]), str(row["backend"])


@dataclasses.dataclass
class Proof:
    """One net on all backends, clean and with its faults.

    Args:
        model: A name of `sizes`.
        backends: Names.
        work: Folder for evidence, which is removed at the end.
        cache: Folder where the arbiter's tensors are kept.
        tell: Given each row as it is known.
        place: Told what a backend runs on.
        wanted: Says of a case with a fault, and a backend, whether it is to be run; None plants no
            faults.
    """

    model: str
    backends: Sequence[str]
    work: Path
    cache: Path
    tell: Callable[[Row], None]
    place: Callable[[str, Mapping[str, Any]], None] = lambda backend, environment: None  # noqa: ARG005
    wanted: Callable[[Case, str], bool] | None = lambda case, backend: True  # noqa: ARG005

    def run(self) -> None:
        """Run it."""
        self.cache.mkdir(parents=True, exist_ok=True)
        place = self.work / self.model
        place.mkdir(parents=True, exist_ok=True)
        try:
            every = clean(self.model)
            for backend in self.backends:
                for group in _by_threads(every):
                    self._work_through(backend, group, place)
            self._free_runs(every[0], place)
            for backend in self.backends if self.wanted else ():
                todo = [case for case in planted(self.model) if self._wants(case, backend)]
                self._work_through(backend, todo, place)
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _wants(self, case: Case, backend: str) -> bool:
        return self.wanted is not None and self.wanted(case, backend)

    def _work_through(self, backend: str, group: Sequence[Case], place: Path) -> None:
        """Run some cases in one process, or as many as it takes: one that dies has failed."""
        left = list(group)
        while left:
            jobs = [Job(c.to_json(), str(self._folder(place, c, backend)), "") for c in left]
            common = str(self._folder(place, clean(self.model)[0], self.backends[0]))
            jobs = [dataclasses.replace(job, common=common) for job in jobs]
            path = place / f"{backend}.json"
            path.write_text(json.dumps([dataclasses.asdict(job) for job in jobs]), encoding="utf-8")
            reason = "the worker ended before this case"
            try:
                for line in stream(backend, WORKER, [str(path)]):
                    if "environment" in line:
                        self.place(backend, line["environment"])
                    elif "folder" in line:
                        self._judge(left.pop(0), backend, line, place)
            except (WorkerError, InputError) as error:
                reason = str(error)
            if left:
                self.tell(self._row(left.pop(0), backend) | {"error": reason})

    def _folder(self, place: Path, case: Case, backend: str) -> Path:
        return place / f"{case.digest[:16]}-{backend}"

    def _row(self, case: Case, backend: str) -> Row:
        return {
            "case": case.digest,
            "model": case.model,
            "half": half_of(case.model),
            "backend": backend,
            "fault": case.fault,
            "seed": case.seed,
            "size": list(case.size),
            "batch_size": case.batch_size,
            "data_format": case.data_format,
            "threads": case.threads,
        }

    def _judge(self, case: Case, backend: str, line: Mapping[str, Any], place: Path) -> None:
        row = self._row(case, backend)
        if "error" in line:
            self.tell(row | {"error": line["error"]})
            return
        own = clean(self.model)[0]
        evidence = Store(self._folder(place, case, backend))
        common = Store(self._folder(place, own, self.backends[0]))
        results = list(judged(case, backend, evidence, common, self.cache))
        row |= {"levels": {str(result.level): level(result) for result in results}}
        if case.fault:
            row["altered"] = evidence.about["altered"]
            if 5 in case.levels:
                row["levels"]["5"] = self._free(case, backend, place)
            row |= verdict(row)
        if case != own:
            for folder in (evidence.folder, _lockstep(evidence.folder)):
                shutil.rmtree(folder, ignore_errors=True)
        self.tell(row)

    def _free(self, case: Case, backend: str, place: Path) -> Row:
        """Hold a fault's run against the clean runs of the other backends."""
        own = clean(self.model)[0]
        mine = free_run.read(backend, Store(self._folder(place, case, backend)))
        pure = {
            name: free_run.read(name, Store(self._folder(place, own, name)))
            for name in self.backends
        }
        mine = dataclasses.replace(
            mine,
            twins=pure[backend].twins,
            twin_losses=[
                twin - pure[backend].losses + mine.losses for twin in pure[backend].twin_losses
            ],
        )
        others = [run for name, run in pure.items() if name != backend] or [pure[backend]]
        pairs = [free_run.pair(mine, other) for other in others]
        return _of_pairs(pairs)

    def _free_runs(self, own: Case, place: Path) -> None:
        """Hold the clean runs of all backends against one another."""
        runs = []
        for name in self.backends:
            folder = self._folder(place, own, name)
            if (folder / "index.json").is_file():
                runs.append(free_run.read(name, Store(folder)))
        for pair in free_run.pairs(runs):
            row = self._row(own, "~".join(pair.backends))
            self.tell(row | {"levels": {"5": _of_pairs([pair])}})


def _lockstep(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-lockstep")


def _by_threads(group: Sequence[Case]) -> Iterator[list[Case]]:
    """Cases that can share a process: a backend's number of threads is fixed in it."""
    for threads in dict.fromkeys(case.threads for case in group):
        yield [case for case in group if case.threads == threads]


def _of_pairs(pairs: Sequence[free_run.Pair]) -> Row:
    worst = max((pair.ratio for pair in pairs), default=0.0)
    return {
        "verdict": "pass" if all(pair.passes for pair in pairs) else "fail",
        "ratio": rounding.in_json(worst),
        "horizon": min((pair.horizon for pair in pairs), default=0),
    }


def level(result: Result) -> Row:
    """Give what a row has of a level."""
    rhos = sorted(result.rhos)
    worst = rhos[-1] if rhos else 0.0
    return {
        "verdict": result.verdict,
        "tensors": len(result.rows),
        "worst_rho": rounding.in_json(worst),
        "median_rho": rounding.in_json(statistics.median(rhos)) if rhos else 0.0,
        "quantiles": result.quantiles,
        "first": result.first.tensor if result.first else "",
        "layer": result.first.layer if result.first else "",
        "behind": list(result.first.behind) if result.first else [],
        "inputs_agreed": result.first.inputs_agreed if result.first else None,
        "not_comparable": sum(r.verdict == rounding.NOT_COMPARABLE for r in result.rows),
    }


def verdict(row: Row) -> Row:
    """Say of a fault at which levels it was caught, and whether the right layer was named.

    A fault of one layer is named at the first level that catches it: the layer itself, or of a
    gradient the layer before it, behind which it is.
    """
    caught = [int(number) for number, found in row["levels"].items() if found["verdict"] != "pass"]
    named = row["levels"][str(caught[0])] if caught else {}
    right = None
    if PLANTED[row["fault"]].one_layer and caught:
        places = {named.get("layer", ""), *named.get("behind", ())}
        right = bool(places.intersection(row["altered"]))
    return {"caught": caught, "named": named.get("first", ""), "right_layer": right}
