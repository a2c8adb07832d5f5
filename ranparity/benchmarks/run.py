"""Times the ways of a net against each other: starts first, then steps and passes in turns.

The machine is never alone: what is to be compared is done in turns, round by round, and compared
within each round. Three processes are kept at a time, and those that wait compute nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ranparity.benchmarks.case import (
    FORWARD,
    LAYOUTS,
    NATIVE,
    OURS,
    PLAIN,
    STEP,
    Case,
    Way,
    told,
)
from ranparity.benchmarks.records import Record
from ranparity.benchmarks.worker import PRODUCT, SIDE
from ranparity.workers import answering

WORKER = "ranparity.benchmarks.worker"
STEPS_AT_START = 3  # the first one, and others until memory no longer grows
CACHE = "JAX_COMPILATION_CACHE_DIR"  # where JAX keeps what it has compiled
Say = Callable[[str], None]
Ask = Callable[[Mapping[str, Any] | None], dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Start:
    """How a process began to train.

    Attributes:
        built: Seconds from the process's start until the net was built.
        first: Seconds of the first step.
        steady: Seconds of a step after it.
        peak: Bytes of memory at most, after a few steps.
    """

    built: float
    first: float
    steady: float
    peak: int | None


@dataclasses.dataclass(frozen=True)
class Times:
    """What one way took in the rounds.

    Attributes:
        seconds: By what was done, of each round.
        peak: Bytes of memory at most after the forward passes, with which it begins.
        environment: Where it ran.
    """

    seconds: Mapping[str, list[float]]
    peak: int | None
    environment: Mapping[str, Any]


def bench(case: Case, names: Sequence[str], rounds: int, say: Say) -> Record:
    """Time a net in all ways.

    Args:
        case: The net.
        names: The backends.
        rounds: How often each way has its turn.
        say: Is told what goes on, a line at a time.

    Returns:
        Its record; see `records`.

    Raises:
        InputError: The net is not known, or there is no such device.
        WorkerError: A process died.
    """
    layout, layouts = _best_layout(case, say)
    native = Way(NATIVE, "torch", layout)
    starts = {way: _starts(case, way, say) for way in (native, *_ways(names))}
    groups = []
    for name in names:
        ways = [native, *(way for way in starts if way != native and way.backend == name)]
        groups.append(_in_turns(case, ways, rounds, say))
    products = _products(groups)
    key = {"model": case.model, "batch_size": case.batch_size, "device_asked": case.device}
    flops = {what: case.flops(what) for what in (STEP, FORWARD)}
    rows = _results(flops, groups, starts, max(products.values()))
    net = {
        "rounds": rounds,
        "flops": flops,
        "native_layout_seconds": layouts,
        "matrix_products": products,
        "environments": {
            str(way): found.environment for group in groups for way, found in group.items()
        },
    }
    return {"results": [key | row for row in rows], "nets": [key | net]}


def _ways(names: Sequence[str]) -> Iterator[Way]:
    for name in names:
        yield Way(OURS, name)
        yield Way(PLAIN, name)


def _best_layout(case: Case, say: Say) -> tuple[str, dict[str, float]]:
    """The layout of the native net's maps whose step is the faster, and the seconds of each."""
    seconds = {}
    for layout in LAYOUTS:
        with opened(case, Way(NATIVE, "torch", layout)) as (ask, _):
            seconds[layout] = min(_asked(ask, STEP, 4)["seconds"][1:])
        say(f"native on torch, {layout}: {seconds[layout]:.3f} s a step")
    return min(seconds, key=lambda layout: seconds[layout]), seconds


@contextlib.contextmanager
def opened(
    case: Case, way: Way, variables: Mapping[str, str] | None = None
) -> Iterator[tuple[Ask, dict[str, Any]]]:
    """A process that has built a net, and what it said then."""
    with answering(way.backend, WORKER, [told(case, way)], variables) as ask:
        yield ask, ask(None)


def _asked(ask: Ask, what: str, count: int) -> dict[str, Any]:
    return ask({"what": what, "count": count})


def _starts(case: Case, way: Way, say: Say) -> dict[str, Start]:
    """A first start, with nothing kept from before, and a second one."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        kept = {CACHE: folder} if way.implementation == OURS else {}  # plain Keras keeps nothing
        for when in ("cold", "warm"):
            found[when] = start = _start(case, way, kept)
            say(
                f"{way}, {when} start: built after {start.built:.1f} s, first step "
                f"{start.first:.1f} s, then {start.steady:.2f} s"
            )
    return found


def _start(case: Case, way: Way, variables: Mapping[str, str]) -> Start:
    begun = time.perf_counter()
    with opened(case, way, variables) as (ask, _):
        built = time.perf_counter() - begun
        found = _asked(ask, STEP, STEPS_AT_START)
    first, *others = found["seconds"]
    return Start(built, first, min(others), found["peak_memory_bytes"])


def _in_turns(case: Case, ways: Sequence[Way], rounds: int, say: Say) -> dict[Way, Times]:
    """Each way's times, round by round; the order turns, so that none is always the first."""
    with contextlib.ExitStack() as stack:
        workers = {way: stack.enter_context(opened(case, way)) for way in ways}
        asks = {way: ask for way, (ask, _) in workers.items()}
        peaks = {way: _asked(ask, FORWARD, 1)["peak_memory_bytes"] for way, ask in asks.items()}
        seconds: dict[Way, dict[str, list[float]]] = {way: {} for way in ways}
        for what in (FORWARD, STEP, PRODUCT):
            for ask in asks.values():
                _asked(ask, what, 2)
            for number in range(rounds):
                turn = number % len(ways)
                for way in (*ways[turn:], *ways[:turn]):
                    (took,) = _asked(asks[way], what, 1)["seconds"]
                    seconds[way].setdefault(what, []).append(took)
            each = ", ".join(f"{way} {statistics.median(seconds[way][what]):.3f} s" for way in ways)
            say(f"{what}: {each}")
        return {
            way: Times(seconds[way], peaks[way], said["environment"])
            for way, (_, said) in workers.items()
        }


def _products(groups: Sequence[Mapping[Way, Times]]) -> dict[str, float]:
    """Each framework's rate of 2048 x 2048 products, in operations a second."""
    seconds: dict[str, list[float]] = {}
    for group in groups:
        for way, found in group.items():
            seconds.setdefault(way.backend, []).extend(found.seconds[PRODUCT])
    return {name: 2 * SIDE**3 / statistics.median(each) for name, each in seconds.items()}


def _results(
    flops: Mapping[str, float],
    groups: Sequence[Mapping[Way, Times]],
    starts: Mapping[Way, Mapping[str, Start]],
    rate: float,
) -> Iterator[dict[str, Any]]:
    """A result for each way and what it did; the native net's are of its first group."""
    done = set()
    for group in groups:
        native = next(found for way, found in group.items() if way.implementation == NATIVE)
        for way, found in group.items():
            for what in flops:
                if (way, what) not in done:
                    done.add((way, what))
                    yield _result(flops[what], what, way, found, native, starts[way], rate)


def _result(
    flops: float,
    what: str,
    way: Way,
    found: Times,
    native: Times,
    starts: Mapping[str, Start],
    rate: float,
) -> dict[str, Any]:
    seconds = statistics.median(found.seconds[what])
    ratios = [
        mine / other for mine, other in zip(found.seconds[what], native.seconds[what], strict=True)
    ]
    result = {
        "backend": way.backend,
        "implementation": way.implementation,
        "what": what,
        "seconds": seconds,
        "seconds_range": [min(found.seconds[what]), max(found.seconds[what])],
        "ratio_to_native": statistics.median(ratios),
        "ratio_range": [min(ratios), max(ratios)],
        "peak_memory_bytes": starts["warm"].peak if what == STEP else found.peak,
        "share_of_matmul_rate": flops / seconds / rate,
    }
    for when, start in starts.items():
        of_step = dataclasses.asdict(start) if what == STEP else {}
        result |= {
            f"first_step_seconds_{when}": of_step.get("first"),
            f"built_after_seconds_{when}": of_step.get("built"),
            f"steady_step_seconds_{when}": of_step.get("steady"),
        }
    return result
