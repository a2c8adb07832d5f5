"""Each way of a net answers, on each backend."""

from __future__ import annotations

import dataclasses

import pytest

from ranparity.benchmarks.case import FORWARD, LAYOUTS, NATIVE, OURS, PLAIN, STEP, Case, Way, told
from ranparity.benchmarks.convolutions import PASSES, Convolution
from ranparity.benchmarks.run import WORKER
from ranparity.benchmarks.worker import CONVOLUTION, PRODUCT
from ranparity.errors import InputError
from ranparity.workers import answering

WAYS = (
    Way(NATIVE, "torch", LAYOUTS[0]),
    Way(OURS, "torch"),
    Way(OURS, "tensorflow"),
    Way(OURS, "jax"),
    Way(PLAIN, "tensorflow"),
)
SHAPES = Convolution((2, 8, 8, 8), (2, 4, 4, 4), (3, 3), (2, 2), (1, 1), (1, 1), 1, True)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_it_does_what_it_is_asked_as_often(way: Way) -> None:
    with answering(way.backend, WORKER, [told(Case("resnet18-cifar", 2), way)]) as ask:
        place = ask(None)["environment"]
        assert place["framework"].startswith(way.backend)
        for what, count in ((FORWARD, 1), (STEP, 2), (PRODUCT, 1)):
            found = ask({"what": what, "count": count})
            assert len(found["seconds"]) == count
            assert min(found["seconds"]) > 0
            assert found["peak_memory_bytes"] > 2**26
        if way.implementation == OURS:
            shapes = dataclasses.asdict(SHAPES)
            seconds = ask({"what": CONVOLUTION, "of": shapes, "warm_up": 1, "count": 2})["seconds"]
            assert list(seconds) == [*PASSES, PRODUCT]
            assert {len(each) for each in seconds.values()} == {2}
            assert min(map(min, seconds.values())) > 0


def test_what_it_is_not_built_for_is_refused() -> None:
    way = Way(NATIVE, "torch", LAYOUTS[0])
    with (
        pytest.raises(InputError, match="has no such layer"),
        answering("torch", WORKER, [told(Case("dranet-cifar", 2), way)]) as ask,
    ):
        ask(None)
