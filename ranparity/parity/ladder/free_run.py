"""Level 5: runs from one start on several backends, and how far apart chaos takes them.

Each backend also trains twins of its run, and two runs pass by the rule of
`ranparity.training.twins`, up to the horizon: the step at which the median twin is a tenth of the
way apart that the weights have moved. Behind it nothing can be said. Where it is the first step
nothing can be said at all, and that is no pass.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.parity.ladder import rounding
from ranparity.parity.ladder.store import Store
from ranparity.training.twins import FACTOR, first_beyond, ratios, so_far

SHARE = 0.1  # of the weights' movement, at the horizon
Curve = list[float]


@dataclasses.dataclass(frozen=True)
class Run:
    """A backend's run and its twins, by step from the start on.

    Attributes:
        backend: Its name.
        path: All trained weights, (steps + 1, weights).
        losses: Of each step.
        twins: Distances of each twin from the run, (steps + 1,) each.
        twin_losses: Their losses.
    """

    backend: str
    path: NDArray[Any]
    losses: NDArray[Any]
    twins: Sequence[NDArray[Any]]
    twin_losses: Sequence[NDArray[Any]]

    @property
    def moved(self) -> Curve:
        """How far the weights are from the start."""
        return [distance(here, self.path[0]) for here in self.path]


def read(backend: str, found: Store) -> Run:
    """Give the run of a backend's evidence."""
    count = sum(name.startswith("5/twin/") and name.endswith("/distances") for name in found)
    return Run(
        backend,
        found["5/path"],
        found["5/losses"],
        [found[f"5/twin/{number}/distances"] for number in range(count)],
        [found[f"5/twin/{number}/losses"] for number in range(count)],
    )


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two backends' runs beside each other.

    Attributes:
        backends: Their names.
        distances: Between their weights, by step from the start on.
        losses: Between their losses, by step.
        allowed: What the twins of both have been apart so far, without the factor.
        allowed_losses: The same of losses.
        horizon: The first step at which nothing more can be said.
    """

    backends: tuple[str, str]
    distances: Curve
    losses: Curve
    allowed: Curve
    allowed_losses: Curve
    horizon: int

    @property
    def ratio(self) -> float:
        """The largest of the distances over what is allowed, up to the horizon."""
        weights = ratios(self.distances[: self.horizon], self.allowed)
        losses = ratios(self.losses[: max(0, self.horizon - 1)], self.allowed_losses)
        return max([*weights, *losses], default=0.0)

    @property
    def comparable(self) -> bool:
        """Whether the horizon leaves a step to compare."""
        return self.horizon > 1

    @property
    def passes(self) -> bool:
        """Whether it stays under the factor."""
        return self.comparable and self.ratio <= FACTOR

    @property
    def apart(self) -> int | None:
        """The first step after which the runs are further apart than twins are; None if none."""
        return first_beyond(self.distances[: self.horizon], self.allowed)

    def to_json(self) -> dict[str, Any]:
        """The pair as data that JSON can hold."""
        return dataclasses.asdict(self) | {
            "backends": list(self.backends),
            "ratio": rounding.in_json(self.ratio),
            "apart_after_step": self.apart,
            "verdict": "pass" if self.passes else "fail",
        }


def pairs(runs: Sequence[Run]) -> list[Pair]:
    """Hold each two runs against the twins of both."""
    return [pair(one, other) for one, other in itertools.combinations(runs, 2)]


def pair(one: Run, other: Run) -> Pair:
    """Hold two runs against the twins of both."""
    twins = [*one.twins, *other.twins]
    return Pair(
        backends=(one.backend, other.backend),
        distances=[distance(a, b) for a, b in zip(one.path, other.path, strict=True)],
        losses=[abs(float(a) - float(b)) for a, b in zip(one.losses, other.losses, strict=True)],
        allowed=so_far(twins),
        allowed_losses=so_far(
            [np.abs(twin - run.losses) for run in (one, other) for twin in run.twin_losses]
        ),
        horizon=min(horizon(one), horizon(other)),
    )


def horizon(run: Run) -> int:
    """The first step at which the median twin is a tenth of the weights' movement apart.

    The number of steps and 1 more where there is none.
    """
    for step, moved in enumerate(run.moved):
        median = statistics.median(float(twin[step]) for twin in run.twins)
        if step and median >= SHARE * moved:
            return step
    return len(run.path)


def distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Give the L2 distance, in float64."""
    return float(np.linalg.norm(np.asarray(one, np.float64) - other))


def verdicts(found: Sequence[Pair]) -> Mapping[str, str]:
    """Say of each backend whether its run passes: it is with half of the others at least."""
    names = dict.fromkeys(name for pair in found for name in pair.backends)
    verdict = {}
    for name in names:
        mine = [pair.passes for pair in found if name in pair.backends]
        verdict[name] = "pass" if 2 * sum(mine) >= len(mine) else "fail"
    return verdict


def curves(runs: Sequence[Run], found: Sequence[Pair]) -> dict[str, Any]:
    """Give all curves as data that JSON can hold."""
    return {
        "factor": FACTOR,
        "share": SHARE,
        "pairs": [pair.to_json() for pair in found],
        "runs": [
            {
                "backend": run.backend,
                "losses": [float(x) for x in run.losses],
                "moved": run.moved,
                "horizon": horizon(run),
                "twins": [[float(x) for x in twin] for twin in run.twins],
                "twin_losses": [[float(x) for x in twin] for twin in run.twin_losses],
            }
            for run in runs
        ],
    }
