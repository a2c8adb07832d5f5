"""What is made of a worker's lines: each fault is found, and a worker that dies is one row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import pytest

from ranparity.caffe import graph as graphs
from ranparity.caffe import prototxt
from ranparity.caffe.description import describe
from ranparity.models import zoo
from ranparity.parity import nets
from ranparity.parity.check import pool_whole_map
from ranparity.parity.nets import Found
from ranparity.workers import WorkerError

ENTRY = zoo.entry("attention56-cifar")
ENVIRONMENT = {"environment": {"framework": "torch 1.0"}}


@cache
def descriptions(name: str) -> list[dict[str, Any]]:
    """What a worker says of a net that is as its prototxt has it."""
    entry = zoo.entry(name)
    net = prototxt.read(entry.prototxt)
    found = []
    for size in entry.sizes:
        sized = net if size == entry.input_shape[:2] else pool_whole_map(net.with_size(*size))[0]
        found.append(describe(graphs.build(sized)).to_json())
    return found


def line(entry: zoo.Entry = ENTRY, **changes: Any) -> dict[str, Any]:
    """A worker's line that passes, or one with changes."""
    return {
        "model": entry.name,
        "initial_weights_digest": "w",
        "image_digest": "i",
        "logits": [[0.5, -2.0, *[0.0] * 8]],
        "probabilities": [[0.1] * 10],
        "descriptions": descriptions(entry.name),
        "seconds": {"build": 1.0, "forward": 2.0, "describe": 3.0},
    } | changes


def test_a_net_passes() -> None:
    row = nets.row(ENTRY, line(), "source")
    assert (row["verdict"], row["faults"], row["differ"]) == ("pass", [], 0)
    assert row["compared"] > 1000
    assert row["sizes"] == ["32x32", "25x25"]
    assert row["parameters"] == ENTRY.integers.trainable_parameters  # type: ignore[union-attr]
    assert row["logits"].split()[:2] == ["0.5", "-2"]
    assert list(row["seconds"]) == ["build", "forward", "level 0"]
    assert row["seconds"]["level 0"] > 3


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"logits": [[0.0] * 9]}, "logits: expected shape (1, 10), found (1, 9)"),
        ({"logits": [[0.0] * 10] * 2}, "logits: expected shape (1, 10), found (2, 10)"),
        ({"logits": [[float("nan")] * 10]}, "logits: expected finite numbers, found others"),
        ({"probabilities": [[0.2] * 10]}, "probabilities: expected a sum of 1, found 2"),
        (
            {"probabilities": [[0.1 + 1e-6] * 10]},
            "probabilities: expected a sum of 1, found 1.00001",
        ),
    ],
)
def test_outputs_that_are_wrong_fail(changes: dict[str, Any], fault: str) -> None:
    row = nets.row(ENTRY, line(**changes), "source")
    assert (row["verdict"], row["faults"]) == ("fail", [fault])


def test_rounding_is_no_fault() -> None:
    off = nets.rounding(10) / 10 * 0.9
    assert nets.row(ENTRY, line(probabilities=[[0.1 + off] * 10]), "s")["verdict"] == "pass"


def test_a_difference_at_the_odd_size_alone_fails() -> None:
    own, _ = descriptions(ENTRY.name)
    row = nets.row(ENTRY, line(descriptions=[own, own]), "source")
    assert row["verdict"] == "fail"
    assert {each["size"] for each in row["differences"]} == {"25x25"}
    assert row["differ"] >= len(row["differences"]) > 0


def test_a_line_that_lacks_something_is_a_failed_row() -> None:
    row = nets.row(ENTRY, {"model": ENTRY.name}, "source")
    assert row["error"].startswith("KeyError: ")
    assert "verdict" not in row


class Workers:
    """Stands in for `stream`: each process prints its lines, and then dies of its error."""

    def __init__(self, *processes: tuple[list[dict[str, Any]], str]) -> None:
        self.processes = list(processes)
        self.asked: list[list[str]] = []

    def __call__(self, _: str, module: str, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        assert module == "ranparity.parity.forward"
        self.asked.append(list(names))
        lines, error = self.processes.pop(0)
        yield from lines
        if error:
            raise WorkerError(error)


OTHERS = [zoo.entry(name) for name in ("attention56-cifar-naive", "attention56-cifar-channel")]
THREE = [ENTRY, *OTHERS]


def test_a_worker_that_dies_costs_the_net_that_it_was_at() -> None:
    died = "killed by signal 9: nothing on stderr"
    workers = Workers(
        ([ENVIRONMENT, line()], died),
        ([ENVIRONMENT, line(OTHERS[1])], ""),
    )
    found = Found()
    rows = list(found.rows(THREE, "torch", "source", workers))
    assert [row.get("error", row.get("verdict")) for row in rows] == ["pass", died, "pass"]
    assert [row["model"] for row in rows] == [entry.name for entry in THREE]
    assert workers.asked == [[each.name for each in THREE], [OTHERS[1].name]]
    assert found.environment == {"framework": "torch 1.0"}


def test_a_worker_that_cannot_begin_is_not_tried_again() -> None:
    workers = Workers(([], "ended with status 1: No module named 'torch'"))
    rows = list(Found().rows(THREE, "torch", "source", workers))
    assert [row["error"] for row in rows] == ["ended with status 1: No module named 'torch'"] * 3
    assert len(workers.asked) == 1


def test_a_worker_that_ends_too_early_has_failed() -> None:
    workers = Workers(([ENVIRONMENT, line()], ""), ([ENVIRONMENT, line(OTHERS[1])], ""))
    rows = list(Found().rows(THREE, "torch", "source", workers))
    assert rows[1]["error"] == "the worker ended before this net"
    assert rows[2]["verdict"] == "pass"


def test_a_row_stands_while_source_and_prototxt_are_what_they_were() -> None:
    row = nets.row(ENTRY, line(), "source")
    assert nets.is_current(row, ENTRY, "source")
    assert not nets.is_current(row, ENTRY, "another")
    assert not nets.is_current(row | {"prototxt_digest": "0"}, ENTRY, "source")
    assert not nets.is_current(row | {"error": "died"}, ENTRY, "source")
    assert not nets.is_current(row, zoo.entry("attention56-cifar@8"), "source")  # it has no file


def test_how_far_backends_are_apart() -> None:
    def row(logits: str, **changes: str) -> dict[str, Any]:
        return {"logits": logits, "initial_weights_digest": "w", "image_digest": "i"} | changes

    rows = {"a": row("1 -4 0"), "b": row("1.5 -4 0"), "c": row("1 -4 0.25")}
    assert nets.apart(rows) == 0.125
    assert nets.apart({"a": rows["a"], "b": {"error": "died"}}) is None
    assert nets.apart(rows | {"d": row("1 -4")}) is None
    assert nets.apart(rows | {"d": row("nan -4 0")}) is None
    for key in ("initial_weights_digest", "image_digest"):
        other = rows | {"d": row("1 -4 0", **{key: "other"})}
        assert not nets.same(other)
        assert nets.apart(other) is None
    assert nets.same(rows)
