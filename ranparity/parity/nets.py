"""The zoo session's nets: what a worker made of each, judged outside the Keras process.

A net passes where its outputs are of the shape (1, classes), finite, with rows that sum to 1, and
where level 0 finds no difference at its own size and at its odd one. How far the outputs of the
backends are apart is told and not judged here: that is level 1, which asks how much is rounding.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ranparity.caffe import prototxt
from ranparity.caffe.description import Description
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.parity.check import Result, empty, judge
from ranparity.workers import WorkerError, stream

SHOWN = 20  # differences of level 0 in a row of the record
WORKER = "ranparity.parity.forward"
Row = dict[str, Any]
Start = Callable[[str, str, Sequence[str]], Iterator[dict[str, Any]]]


def is_current(row: Row, entry: zoo.Entry, source: str) -> bool:
    """Whether a row of an earlier session says what a new one would: same source, same file."""
    try:
        present = (source, entry.prototxt_digest)
    except InputError:
        return False
    stated = (row.get("source_digest"), row.get("prototxt_digest"))
    return "error" not in row and stated == present


@dataclasses.dataclass
class Found:
    """What came of the nets on a backend, as `rows` goes on.

    Attributes:
        environment: What it ran on; empty until a worker has said it.
    """

    environment: dict[str, Any] = dataclasses.field(default_factory=dict)

    def rows(
        self, entries: Sequence[zoo.Entry], backend: str, source: str, start: Start = stream
    ) -> Iterator[Row]:
        """Runs nets in one process after another, and yields a row for each.

        A process that dies has failed with the net that it was at, and the next one goes on behind
        it; one that dies before any net will not do better with another.

        Args:
            entries: The nets.
            backend: The Keras backend of the processes.
            source: Digest of this package's source.
            start: Starts a worker, as `ranparity.workers.stream` does.
        """
        left = list(entries)
        while left:
            lines = start(backend, WORKER, [entry.name for entry in left])
            try:
                self.environment = next(lines, {}).get("environment", {})
                for data in lines:
                    yield row(left.pop(0), data, source)
                reason = "the worker ended before this net" if left else ""
            except (WorkerError, InputError) as error:
                reason = str(error)
            if not left:
                return
            failed = left[:1] if self.environment else left
            left = left[len(failed) :]
            yield from (_failed(entry, source, reason) for entry in failed)


def row(entry: zoo.Entry, data: Mapping[str, Any], source: str) -> Row:
    """Judges what a worker found of a net; gives what the record has of it."""
    begun = time.perf_counter()
    try:
        checked = _level_0(entry, data)
    except (InputError, KeyError, TypeError, ValueError) as error:
        return _failed(entry, source, f"{type(error).__name__}: {error}")
    faults = list(_faults(entry, data))
    judged = round(time.perf_counter() - begun, 3)
    seconds = data["seconds"]
    return {
        **_about(entry, source),
        "prototxt_digest": checked.prototxt_digest,
        "parameters": checked.trainable_parameters,
        "parameters_with_statistics": checked.parameters_with_statistics,
        "macs": checked.macs,
        "initial_weights_digest": data["initial_weights_digest"],
        "image_digest": data["image_digest"],
        # One line of the file a net, and every float32 as it is.
        "logits": " ".join(f"{value:.9g}" for value in data["logits"][0]),
        "faults": faults,
        "sizes": checked.sizes,
        "compared": checked.compared,
        "differ": len(checked.differences),
        "differences": checked.differences[:SHOWN],
        "seconds": {
            "build": seconds["build"],
            "forward": seconds["forward"],
            "level 0": round(seconds["describe"] + judged, 3),
        },
        "verdict": "fail" if faults or checked.differences else "pass",
    }


def _about(entry: zoo.Entry, source: str) -> Row:
    return {
        "model": entry.name,
        "title": entry.title,
        "origin": entry.origin,
        "source_digest": source,
    }


def _failed(entry: zoo.Entry, source: str, reason: str) -> Row:
    return _about(entry, source) | {"error": reason}


def _level_0(entry: zoo.Entry, data: Mapping[str, Any]) -> Result:
    result = empty(entry)
    net = prototxt.read(entry.prototxt)
    for size, described in zip(entry.sizes, data["descriptions"], strict=True):
        judge(result, entry, Description.from_json(described), net, size)
    return result


def _faults(entry: zoo.Entry, data: Mapping[str, Any]) -> Iterator[str]:
    """Says what is wrong with a net's outputs for its one image."""
    expected = (1, entry.classes)
    for what in ("logits", "probabilities"):
        found = data[what]
        shape = (len(found), *{len(each) for each in found})
        if shape != expected:
            yield f"{what}: expected shape {expected}, found {shape}"
        elif not all(math.isfinite(value) for value in found[0]):
            yield f"{what}: expected finite numbers, found others"
        elif what == "probabilities" and abs(math.fsum(found[0]) - 1) > rounding(entry.classes):
            yield f"probabilities: expected a sum of 1, found {math.fsum(found[0]):.9g}"


def rounding(classes: int) -> float:
    """How far a float32 softmax's sum may be off 1.

    Its normaliser is a sum of so many terms, each of which may round by half a unit in the last
    place (2^-24); the exponential and the quotient are off by a few more.
    """
    return (classes + 16) * 2.0**-24


def apart(rows: Mapping[str, Row]) -> float | None:
    """How far backends' logits of a net are apart: the largest difference over the largest logit.

    Args:
        rows: By backend; those without logits count for nothing.

    Returns:
        The figure; None with fewer than two backends, with other weights, images or shapes, or
        where a logit is no number.
    """
    found = [row for row in rows.values() if "logits" in row]
    if len(found) < 2 or not same(rows):
        return None
    logits = [[float(value) for value in row["logits"].split()] for row in found]
    finite = all(math.isfinite(value) for values in logits for value in values)
    if not finite or len({len(values) for values in logits}) > 1:
        return None
    largest = max(abs(value) for values in logits for value in values)
    difference = max(max(values) - min(values) for values in zip(*logits, strict=True))
    return difference / largest if largest else 0.0


def same(rows: Mapping[str, Row]) -> bool:
    """Whether backends ran a net from the same weights on the same image."""
    found = [row for row in rows.values() if "logits" in row]
    return all(
        len({row[key] for row in found}) <= 1 for key in ("initial_weights_digest", "image_digest")
    )
