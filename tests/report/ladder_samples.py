"""Records of the ladder as its sessions write them, made by the sessions' own code."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np

from ranparity.caffe import graph, prototxt
from ranparity.caffe.description import describe
from ranparity.models import zoo
from ranparity.parity.ladder import free_run, judge, rounding
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.faults import PLANTED
from ranparity.parity.ladder.free_run import Run
from ranparity.parity.ladder.judge import Difference, Result
from ranparity.parity.ladder.proof import clean, planted
from ranparity.parity.ladder.rounding import Row
from ranparity.parity.ladder.run import Found
from ranparity.training.twins import FACTOR

CASE = Case("attention56-cifar", (32, 32), 8, levels=(1, 2, 5), steps=3, twins=2)
ENVIRONMENT = {"python": "3.11.7", "framework": "torch 2.13.0", "threads": 2}


def result(level: int, *rhos: float, backend: str = "torch") -> Result:
    """A level whose tensors have these rhos; the first above the constant is named."""
    rows = [
        Row(
            f"blob/layer{number}",
            rounding.DIFFERS if rho > rounding.LIMIT else rounding.ROUNDING,
            rho=rho,
        )
        for number, rho in enumerate(rhos)
    ]
    bad = next((row.tensor for row in rows if row.verdict == rounding.DIFFERS), None)
    first = Difference(bad, bad.partition("/")[2]) if bad else None
    layers = {row.tensor.partition("/")[2]: row.rho for row in rows} | {"silent": None}
    return Result(CASE, backend, level, rows, [], first, layers)


def layered(level: int, backend: str, **changes: float | None) -> Result:
    """A level of all layers of attention56-cifar, of rho .5 but for some."""
    entry = zoo.entry(CASE.model)
    names = [layer.name for layer in describe(graph.build(prototxt.read(entry.prototxt))).layers]
    rhos: dict[str, float | None] = dict.fromkeys(names, 0.5)
    rhos |= changes
    rows = [
        Row(f"blob/{name}", rounding.ROUNDING, rho=rho)
        for name, rho in rhos.items()
        if rho is not None
    ]
    return Result(CASE, backend, level, rows, layers=rhos)


def runs() -> dict[str, Any]:
    def run(backend: str, away: float) -> Run:
        path = np.arange(4)[:, None] * np.ones((4, 5)) + away
        path[0] = 0
        twins = [np.full(4, 1e-6), np.full(4, 2e-6)]
        losses = np.array([2.0, 1.5, 1.0])
        return Run(backend, path, losses, twins, [losses + 1e-6, losses - 1e-6])

    both = [run("torch", 0.0), run("jax", 1e-7)]
    pairs = free_run.pairs(both)
    verdicts = dict(free_run.verdicts(pairs))
    return free_run.curves(both, pairs) | {"data": "digits", "verdicts": verdicts}


def ladder(
    *results: Result,
    failures: dict[str, str] | None = None,
    excluded: dict[str, str] | None = None,
    devices: int = 1,
) -> bytes:
    """What data/ladder.json holds."""
    case = dataclasses.replace(CASE, devices=devices)
    found = Found(
        case,
        list(results) or [result(1, 0.5, 0.7), result(2, 1.5, 2.5)],
        runs(),
        failures or {},
        {"torch": ENVIRONMENT},
        {"all": 61.0},
        {"torch": 3 << 30, "judge": 1 << 30},
        excluded=excluded or {},
    )
    content = {
        "limit": rounding.LIMIT,
        "factor": FACTOR,
        "quantiles": judge.QUANTILES,
        "cases": {case.digest: found.to_json() | {"source_digest": "aa"}},
    }
    return json.dumps(content, allow_nan=False).encode()


def trial(fault: str = "", **changes: Any) -> dict[str, Any]:
    """A row of data/ladder-proof.json: of a fault, one that level 2 catches at its layer."""
    model = "resnet18-cifar@8"
    cases = planted(model) if fault else clean(model)
    case = next(each for each in cases if each.fault == fault)
    good = {"verdict": "pass", "worst_rho": 0.9, "median_rho": 0.5, "tensors": 10, "first": ""}
    levels: dict[str, Any] = {"1": good, "2": dict(good)}
    row = {
        "case": case.digest,
        "model": model,
        "half": "first",
        "backend": "torch",
        "fault": fault,
        "seed": 0,
        "levels": levels,
    }
    if fault and not PLANTED[fault].below:
        levels["2"] |= {"verdict": "fail", "worst_rho": 5000.0}
        row |= {"caught": [2], "named": "blob/x", "right_layer": True}
    return row | changes


def proof(*rows: dict[str, Any]) -> bytes:
    """What data/ladder-proof.json holds."""
    pair = trial() | {"backend": "torch~jax", "levels": {"5": {"verdict": "pass", "ratio": 3.5}}}
    content = {
        "limit": rounding.LIMIT,
        "factor": FACTOR,
        "environments": {"torch": ENVIRONMENT},
        "rows": list(rows) or [trial(), pair, trial("bn-eps"), trial("bn-eps-barely")],
    }
    return json.dumps(content, allow_nan=False).encode()
