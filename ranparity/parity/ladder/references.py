"""What the arbiter gives for a net in a state, and how far roundings can move it: kept on disk."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

import ranparity.caffe
from ranparity import memory
from ranparity.caffe import canonical, prototxt
from ranparity.caffe import graph as graphs
from ranparity.caffe.arbiter import run
from ranparity.caffe.arbiter.base import Tensor, Tensors
from ranparity.caffe.arbiter.explained import (
    RUNS,
    UNDECIDED_RUNS,
    Question,
    noise_squares,
    tell,
)
from ranparity.caffe.arbiter.noise import NARROW, UNIT_ROUNDOFF
from ranparity.caffe.arbiter.run import Arbiter, Step
from ranparity.caffe.arbiter.solver import Solver
from ranparity.data import digest
from ranparity.errors import InputError
from ranparity.models import caffe_weights, zoo
from ranparity.parity.check import pool_whole_map
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.rounding import MEASURED, measured_in, noise_in
from ranparity.parity.ladder.store import Store, Under, Writer, is_whole
from ranparity.training import environment

Arrays = Mapping[str, NDArray[Any]]
SEED = 0  # of the noise
UNDECIDED = 10  # times the noise, where decisions cannot be read: it turns all that may be turned


@dataclasses.dataclass(frozen=True, eq=False)
class Asked:
    """What the arbiter is asked, as arrays.

    Attributes:
        net: The parsed net.
        images: NCHW.
        weights: Parameters and statistics by Caffe's names.
        training: Whether statistics are the batch's.
        targets: (N, classes); None where no gradient is asked for.
        slots: What is kept of each trained parameter, by NAME/SLOT.
        solver: The update rule.
        respect_frozen: As `Arbiter` has it.
        precision: In which the noise is drawn.
    """

    net: prototxt.Net
    images: NDArray[Any]
    weights: Arrays
    training: bool
    targets: NDArray[Any] | None = None
    slots: Arrays = dataclasses.field(default_factory=dict)
    solver: Solver | None = None
    respect_frozen: bool = False
    precision: str = MEASURED

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all of it, of the noise's constants and of the arbiter's source."""
        said = {
            "net": canonical.digest(self.net),
            "images": digest.of_arrays((self.images,)),
            "weights": digest.of_named_arrays(self.weights),
            "training": self.training,
            "targets": digest.of_arrays(() if self.targets is None else (self.targets,)),
            "slots": digest.of_named_arrays(self.slots),
            "solver": dataclasses.asdict(self.solver) if self.solver else None,
            "respect_frozen": self.respect_frozen,
            "noise": [self.precision, SEED, RUNS, UNDECIDED_RUNS, UNDECIDED],
            "source": _source(),
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def question(self) -> Question:
        """Give it as the arbiter takes it."""
        graph = graphs.build(self.net)
        (given,) = graph.inputs
        kept: dict[str, dict[str, Any]] = {}
        for name, value in run.tensors(self.slots).items():
            parameter, _, slot = name.rpartition("/")
            kept.setdefault(parameter, {})[slot] = value
        targets = None
        if self.targets is not None:
            targets = run.tensors({"": self.targets})[""]
        return Question(
            Arbiter(graph, {given.name: self.images.shape}, respect_frozen=self.respect_frozen),
            run.tensors({given.name: self.images}),
            run.tensors(self.weights),
            self.training,
            targets,
            self.solver,
            kept,
        )


@functools.cache
def _source() -> str:
    """Give the digest of what the arbiter is made of."""
    return environment.source_digest(Path(ranparity.caffe.__file__).parent)


def net_of(case: Case, text: str) -> prototxt.Net:
    """Give the net of a case.

    Args:
        case: The case.
        text: The prototxt of a narrow twin; empty where the net has a file.
    """
    if text:
        return prototxt.parse(text, case.model if case.of_file else f"{case.model}.prototxt")
    entry = zoo.entry(case.model)
    net = prototxt.read(entry.prototxt)
    if case.size == entry.input_shape[:2]:
        return net
    return pool_whole_map(net.with_size(*case.size))[0]


def asked(case: Case, start: Store, prefix: str, *, training: bool) -> Asked:
    """Give what the arbiter is asked for a moment of a training.

    Args:
        case: What was asked of the backends.
        start: The evidence that holds the moment.
        prefix: What its tensors' names begin with there.
        training: Whether the step is asked for, or inference.
    """
    net = net_of(case, start.about["prototxt"])
    weights = caffe_weights.named(start.under(f"{prefix}/weights"))
    images = np.ascontiguousarray(start[f"{prefix}/images"].transpose(0, 3, 1, 2))
    precision = measured_in(case.precision)
    if not training:
        return Asked(net, images, weights, training, precision=precision)
    rule = start.about["rule"]
    return Asked(
        net,
        images,
        weights,
        training,
        targets=start[f"{prefix}/targets"],
        slots=caffe_weights.slots_named(start.under(f"{prefix}/slots")),
        solver=Solver(
            rule["rule"],
            float(start[f"{prefix}/rate"]),
            rule["momentum"],
            rule["weight_decay"],
            int(start[f"{prefix}/step"]),
        ),
        respect_frozen=case.respect_frozen,
        precision=precision,
    )


class Executed(Protocol):
    """A net that the arbiter has run, as the judge sees it."""

    @property
    def steps(self) -> Sequence[Step]:
        """Its layers, in graph order."""

    @property
    def decides(self) -> Sequence[Step]:
        """The layers whose decisions can be read off a backend's blobs."""

    @property
    def logits(self) -> str:
        """The blob that a Softmax at its end reads, which training ends before; empty for none."""

    def decisions(self, blobs: Mapping[str, Any]) -> dict[str, Any]:
        """Give what those layers decide where blobs are these, by the name of their top."""


@dataclasses.dataclass(frozen=True, eq=False)
class References:
    """What an arbiter gives, as it has been written down.

    Attributes:
        tensors: `value/NAME` in float64, and `squares/NAME` (see `explained.Reference`).
        arbiter: The net.
        training: Whether it is a step of training, or inference.
        undecided: Gives the squares of runs that decide for themselves, in a noise of `UNDECIDED`
            times the size: all decisions that a rounding can have turned are turned in some.
        precision: Whose noise is meant.
        others: Tensors that take the place of some, by name.
        takes_decisions: Whether the arbiter can be told what a backend has decided.
    """

    tensors: Store
    arbiter: Executed
    training: bool
    undecided: Callable[[], Store]
    precision: str = MEASURED
    others: Arrays = dataclasses.field(default_factory=dict)
    takes_decisions: ClassVar[bool] = False

    @property
    def names(self) -> list[str]:
        """All tensors, by KIND/NAME."""
        return self.tensors.names("value")

    def value(self, name: str) -> NDArray[Any]:
        """Give a tensor by KIND/NAME."""
        return self.others[name] if name in self.others else self.tensors[f"value/{name}"]

    def squares(self, name: str) -> NDArray[Any]:
        """How far roundings can move its channels; see `explained.Reference`."""
        return self.tensors[f"squares/{name}"] * noise_in(self.precision, 1.0) ** 2

    def noise(self, name: str) -> float:
        """How far roundings can move it: an L2 distance."""
        return float(np.sqrt(self.squares(name).sum()))

    def undecided_noise(self, name: str) -> float:
        """How far roundings can move it, and the decisions that they turn: an L2 distance."""
        squares = self.undecided()[f"squares/{name}"]
        return noise_in(self.precision, float(np.sqrt(squares.sum())))

    def deciding(self, decisions: Tensors) -> References:
        """Give what the arbiter gives with the decisions of another.

        Raises:
            InputError: It cannot be told what to decide.
        """
        raise InputError(f"decisions: nobody can give {', '.join(decisions)} to this arbiter")


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class CaffeReferences(References):
    """What the arbiter gives that runs a prototxt, from disk where it has been computed before.

    Attributes:
        question: What was asked.
    """

    question: Question
    takes_decisions: ClassVar[bool] = True

    def deciding(self, decisions: Tensors) -> References:
        """Give what the arbiter gives with the decisions of another.

        It is on disk as long as somebody has the references that are returned.
        """
        place = self.tensors.folder
        folder = tempfile.TemporaryDirectory(prefix=f"{place.name}-", dir=place.parent)
        out = Writer(Path(folder.name))

        def keep(name: str, x: Tensor) -> None:
            if not name.startswith("blob/"):
                out.add(name, x.numpy())

        tell(self.question, keep, decisions=decisions)
        out.close()
        memory.give_back()
        others = Store(out.folder)
        weakref.finalize(others, folder.cleanup)
        return dataclasses.replace(self, others=others)


def find(what: Asked, cache: Path, precision: str = MEASURED) -> CaffeReferences:
    """Give references, computed unless they are on disk.

    Args:
        what: What is asked.
        cache: The folder where they are kept.
        precision: Whose noise is meant.
    """
    question = what.question()

    @functools.cache
    def undecided() -> Store:
        return _undecided(question, what.precision, cache / f"{what.digest}-undecided", found)

    found = _kept(question, what.precision, cache / what.digest)
    return CaffeReferences(
        found, question.arbiter, question.training, undecided, precision, question=question
    )


def _kept(question: Question, precision: str, folder: Path) -> Store:
    """Give values and squares from a folder, computed unless they are there."""
    with _filling(folder) as out:
        if out:
            decided = tell(question, lambda name, x: out.add(f"value/{name}", x.numpy()))
            memory.give_back()
            values = Under(out, "value")
            squares = _squares(question, values, precision, decisions=decided, runs=RUNS)
            out.add_all("squares", squares)
    return Store(folder)


def _undecided(question: Question, precision: str, folder: Path, kept: Store) -> Store:
    """Give the squares of runs that decide for themselves, computed unless they are there."""
    with _filling(folder) as out:
        if out:
            values, times = Under(kept, "value"), UNDECIDED
            squares = _squares(question, values, precision, runs=UNDECIDED_RUNS, times=times)
            out.add_all("squares", squares)
    return Store(folder)


def _squares(
    question: Question,
    values: Arrays,
    precision: str,
    *,
    runs: int,
    decisions: Tensors | None = None,
    times: float = 1,
) -> Arrays:
    """Compute how far so many times the roundings of a precision can move each tensor."""
    wide = UNIT_ROUNDOFF[NARROW[precision]] if precision in NARROW else 0.0
    return noise_squares(
        question,
        values,
        times * UNIT_ROUNDOFF[precision],
        decisions=decisions,
        seed=SEED,
        runs=runs,
        wide=times * wide,
    )


@contextlib.contextmanager
def _filling(folder: Path) -> Iterator[Writer | None]:
    """Give what fills a folder, which takes its place when the block ends well; None if it is."""
    if is_whole(folder):
        yield None
        return
    partial = folder.with_name(f"{folder.name}.{os.getpid()}")
    out = Writer(partial)
    try:
        yield out
        out.close()
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
