"""Workers of the benchmark without processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ranparity.benchmarks import run
from ranparity.benchmarks.case import FORWARD, LAYOUTS, STEP, Case, Way, heard
from ranparity.benchmarks.convolutions import PASSES
from ranparity.benchmarks.convolutions import heard as heard_convolution
from ranparity.benchmarks.run import CACHE
from ranparity.benchmarks.worker import CONVOLUTION, FORGET, PRODUCT

SECONDS = {STEP: 3.0, FORWARD: 1.0, PRODUCT: 0.5}
FACTORS = {"ranparity": 0.5, "keras": 2.0, "native": 1.0}


def convolved(request: Mapping[str, Any]) -> dict[str, list[float]]:
    """Passes at 1 GFLOP/s forward, at half of it back, and products at 2 GFLOP/s."""
    convolution = heard_convolution(request["of"])
    speeds = dict(zip((*PASSES, PRODUCT), (1.0, 0.5, 0.5, 2.0), strict=True))
    return {
        what: [convolution.flops / 1e9 / speeds[what]] * request["count"]
        for what in (*convolution.passes, PRODUCT)
    }


class Machine:
    """Workers without processes, on a machine that is slower from round to round."""

    def __init__(self) -> None:
        self.turns: list[tuple[Way, str]] = []
        self.cases: list[Case] = []
        self.caches: list[tuple[str, str | None]] = []

    @contextlib.contextmanager
    def answering(
        self,
        backend: str,
        module: str,
        arguments: Sequence[str],
        variables: Mapping[str, str] | None = None,
    ) -> Iterator[Any]:
        case, way = heard(arguments[0])
        self.cases.append(case)
        assert (backend, module) == (way.backend, run.WORKER)
        self.caches.append((way.implementation, (variables or {}).get(CACHE)))
        asked, forgotten = {STEP: 0, FORWARD: 0, PRODUCT: 0}, {"seen": 0}

        def ask(request: Mapping[str, Any] | None) -> dict[str, Any]:
            if request is None:
                return {"environment": {"framework": way.backend}}
            what, count = request["what"], request["count"]
            self.turns.append((way, what))
            if what == CONVOLUTION:
                return {"seconds": convolved(request)}
            if what == FORGET:
                forgotten["seen"] = sum(asked.values())
                return {"seconds": [0.0], "peak_memory_bytes": 0}
            asked[what] += count
            factor = FACTORS[way.implementation] * (2 if way.layout == LAYOUTS[0] else 1)
            if what == PRODUCT:
                factor = 1 if backend == "jax" else 2
            busy = 1 + asked[what]
            return {
                "seconds": [SECONDS[what] * factor * busy] * count,
                "peak_memory_bytes": 100 * (sum(asked.values()) - forgotten["seen"]),
            }

        yield ask
