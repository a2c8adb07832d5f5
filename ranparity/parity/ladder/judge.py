"""Evidence of a backend against the arbiter's references, level by level. Imports no Keras."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.caffe.arbiter.run import Step
from ranparity.caffe.graph import Graph
from ranparity.parity.ladder import decisions, evidence, rounding
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.decisions import Differing
from ranparity.parity.ladder.references import (
    UNDECIDED,
    CaffeReferences,
    Executed,
    References,
)
from ranparity.parity.ladder.rounding import Row
from ranparity.parity.ladder.store import Store

Arrays = Mapping[str, NDArray[Any]]
PASS, FAIL = "pass", "fail"
QUANTILES = (0.5, 0.9, 0.99, 1.0)


@dataclasses.dataclass(frozen=True)
class Difference:
    """The first tensor that differs.

    Attributes:
        tensor: KIND/NAME.
        layer: The layer that it is of.
        type: Its type in Caffe.
        attributes: Of the layer.
        inputs: The blobs that the layer reads.
        inputs_agreed: Whether none of these differs; None where they were not compared.
        behind: Of a gradient the layers up to those behind it that have weights, whose gradients
            agreed: the fault is in what one of these gives back.
    """

    tensor: str
    layer: str = ""
    type: str = ""
    attributes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    inputs_agreed: bool | None = None
    behind: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The tensor's name in Caffe, without its kind."""
        return self.tensor.removeprefix(RUN).partition("/")[2] or self.tensor


@dataclasses.dataclass
class Result:
    """What a level says of a net on a backend.

    Attributes:
        case: What was asked.
        backend: Its name, or the names of a pair.
        level: A number of `case.LEVELS`.
        rows: One for each tensor, in the order in which they are computed.
        differing: Decisions that differ.
        first: The first tensor that differs.
        layers: The largest rho of each layer's tensors, in graph order: infinite where one cannot
            be compared, None where a layer has none. Empty in lockstep: each step has its own.
    """

    case: Case
    backend: str
    level: int
    rows: list[Row]
    differing: list[Differing] = dataclasses.field(default_factory=list)
    first: Difference | None = None
    layers: Mapping[str, float | None] = dataclasses.field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """`pass` where every tensor is identical or a rounding apart, and so is every decision."""
        bad = any(row.verdict in rounding.FAILED for row in self.rows)
        return FAIL if bad or any(each.is_fault for each in self.differing) else PASS

    @property
    def quantiles(self) -> list[float] | None:
        """Of rho, at `QUANTILES`; None where nothing can be compared, or one is infinite."""
        rhos = self.rhos
        if not rhos or not all(map(math.isfinite, rhos)):
            return None
        return [float(x) for x in np.quantile(rhos, QUANTILES)]

    @property
    def rhos(self) -> list[float]:
        """Of all tensors that can be compared."""
        return [row.rho for row in self.rows if row.rho is not None]

    def to_json(self) -> dict[str, Any]:
        """The result as data that JSON can hold, without its rows."""
        rhos = self.rhos
        worst = max(rhos, default=None)
        return {
            "model": self.case.model,
            "backend": self.backend,
            "level": self.level,
            "precision": self.case.precision,
            "size": list(self.case.size),
            "batch_size": self.case.batch_size,
            "seed": self.case.seed,
            "data_format": self.case.data_format,
            "threads": self.case.threads,
            "tensors": len(self.rows),
            "verdicts": {
                name: sum(row.verdict == name for row in self.rows) for name in rounding.VERDICTS
            },
            "worst_rho": rounding.in_json(worst),
            "worst_tensor": next((r.tensor for r in self.rows if r.rho == worst), None),
            "median_rho": rounding.in_json(statistics.median(rhos)) if rhos else None,
            "quantiles": self.quantiles,
            "decisions_differ": sum(each.count for each in self.differing),
            "decisions": [each.to_json() for each in self.differing],
            "first_difference": self.first.name if self.first else None,
            "first": dataclasses.asdict(self.first) if self.first else None,
            "verdict": self.verdict,
        }


def forward(case: Case, backend: str, found: Store, references: References) -> Result:
    """Level 1: every blob in inference mode."""
    return _forward(case, backend, evidence.blobs(case, found, "1/blob"), references)


def _forward(case: Case, backend: str, given: Arrays, references: References) -> Result:
    rows = [_row(f"blob/{name}", given.get(name), references) for name in _made(references.arbiter)]
    return _result(case, backend, 1, rows, references.arbiter)


Opinion = Callable[[Graph, Arrays, Arrays], Arrays]


def opinion(case: Case, name: str, forward: Opinion, references: CaffeReferences) -> Result:
    """Level 1 of another reader of Caffe, with the weights and images of the references.

    Args:
        case: What was asked.
        name: What the reader is called.
        forward: Gives its blobs for a graph, images (NCHW) and weights.
        references: Of inference.
    """
    question = references.question
    inputs, weights = (
        {name: x.numpy() for name, x in tensors.items()}
        for tensors in (question.inputs, question.weights)
    )
    given = forward(question.arbiter.graph, inputs, weights)
    return _forward(case, name, given, references)


def training(
    case: Case, backend: str, found: Store, references: References, prefix: str = ""
) -> tuple[Result, Result]:
    """Levels 2 and 3: the step with all tensors to be read, and the step of a run.

    Args:
        case: What was asked.
        backend: Its name.
        found: Its evidence.
        references: Of the step.
        prefix: What the evidence's names begin with: `4@STEP/` of a lockstep run.
    """
    arbiter = references.arbiter
    given = evidence.blobs(case, found, f"{prefix}2/blob")
    theirs = arbiter.decisions(_decided(given, references))
    ours = arbiter.decisions(_decided({}, references))
    differing = list(decisions.compare(references, theirs, ours))
    if differing:
        references = references.deciding(theirs)
    probed = {f"blob/{name}": given.get(name) for name in _made(arbiter, training=True)}
    of_run = evidence.after(case, found, f"{prefix}3")
    other = evidence.after(case, found, f"{prefix}2")
    of_probe = of_run | other
    names = references.names
    gradients = ["loss", *reversed(_of(names, "gradient")), *_of(names, "statistic")]
    state = [*_of(names, "weight"), *_of(names, "kept"), *_of(names, "statistic")]
    row = _row if references.takes_decisions else _undecided
    rows = [_row(name, x, references) for name, x in probed.items()]
    rows += [row(name, of_probe.get(name), references) for name in gradients]
    moved = [row(name, of_probe.get(name), references) for name in state]
    if any(name in other for name in state):
        moved += [_of_run(name, of_run.get(name), references) for name in ["loss", *state]]
    return (
        _result(case, backend, 2, rows, arbiter, differing),
        _result(case, backend, 3, moved, arbiter),
    )


def pair(
    case: Case, backends: tuple[str, str], one: Store, other: Store, references: References
) -> Result:
    """Level 1 or 2 of one backend against another: in float64 the arbiter rounds as they do.

    Both have roundings, so the noise is that of two. Where they decided otherwise, gradients are
    left to the arbiter, which takes the decisions of each.

    Args:
        case: What was asked.
        backends: Their names.
        one: The first one's evidence.
        other: The second one's.
        references: Of inference at level 1, of the step at level 2.
    """
    arbiter = references.arbiter
    training = references.training
    level = 2 if training else 1
    tensors = [evidence.of_level(case, found, level) for found in (one, other)]
    names = [f"blob/{name}" for name in _made(arbiter, training=training)]
    if training:
        blobs = [evidence.blobs(case, found, "2/blob") for found in (one, other)]
        theirs = [arbiter.decisions(_decided(found, references)) for found in blobs]
        known = references.names
        names += ["loss", *_of(known, "statistic")]
        if all(bool((theirs[0][top] == theirs[1][top]).all()) for top in theirs[0]):
            names += list(reversed(_of(known, "gradient")))
    rows = [
        _between(name, tensors[0].get(name), tensors[1].get(name), references) for name in names
    ]
    return _result(case, "~".join(backends), level, rows, arbiter)


def _between(
    name: str, one: NDArray[Any] | None, other: NDArray[Any] | None, references: References
) -> Row:
    if one is None or other is None:
        return rounding.missing(name, "one of the backends has not given it")
    noise = math.sqrt(2) * references.noise(name)
    return rounding.compare(name, one, other, noise, references.precision)


RUN = "run/"  # before a tensor of the step without probes, where that has other bits


def _of_run(name: str, found: NDArray[Any] | None, references: References) -> Row:
    """Judge a tensor of a step whose blobs, and so its decisions, cannot be read.

    A compiler may fuse a step that gives no blobs in another way, and then its blobs are a rounding
    apart, and so are its decisions.
    """
    row = _undecided(name, found, references)
    return dataclasses.replace(row, tensor=RUN + row.tensor)


def _undecided(name: str, found: NDArray[Any] | None, references: References) -> Row:
    """Judge a tensor where nobody knows what was decided.

    What comes before any gradient does not depend on it; the rest, where it is further away than
    roundings alone would have it, is held against what turned decisions explain.
    """
    row = _row(name, found, references)
    if (row.rho or 0) > UNDECIDED and name.startswith(("gradient/", "weight/", "kept/")):
        noise = references.undecided_noise(name)
        assert found is not None  # noqa: S101  (or it could not differ)
        row = rounding.compare(name, found, references.value(name), noise, references.precision)
        row = dataclasses.replace(row, reason="its decisions cannot be read")
    return row


def lockstep(case: Case, backend: str, parts: Sequence[tuple[int, Result]]) -> Result:
    """Level 4: level 3 at several steps of a run.

    Args:
        case: What was asked.
        backend: Its name.
        parts: What level 3 says of each step.
    """
    rows = [dataclasses.replace(row, step=step) for step, part in parts for row in part.rows]
    first = next((part.first for _, part in parts if part.first), None)
    return Result(case, backend, 4, rows, [], first)


def _decided(given: Arrays, references: References) -> dict[str, NDArray[Any]]:
    """Blobs that layers decide on: a backend's where it has one of the right shape."""
    names = {step.node.inputs[0] for step in references.arbiter.decides}
    own = {name: references.value(f"blob/{name}") for name in names}
    return own | {
        name: given[name] for name in names & set(given) if given[name].shape == own[name].shape
    }


def _made(arbiter: Executed, *, training: bool = False) -> list[str]:
    """What layers make, in graph order; training ends before the probabilities."""
    return [
        name
        for step in arbiter.steps
        if not (training and step.node.type == "Softmax" and step.node.inputs[0] == arbiter.logits)
        for name in step.node.outputs
    ]


def _of(names: Iterable[str], kind: str) -> list[str]:
    return [name for name in names if name.startswith(f"{kind}/")]


def _row(name: str, found: NDArray[Any] | None, references: References) -> Row:
    if found is None:
        return rounding.missing(name, "the backend has not given it")
    return rounding.compare(
        name, found, references.value(name), references.noise(name), references.precision
    )


def _result(
    case: Case,
    backend: str,
    level: int,
    rows: list[Row],
    arbiter: Executed,
    differing: list[Differing] | None = None,
) -> Result:
    first = next((row for row in rows if row.verdict in rounding.FAILED), None)
    owners = _owners(arbiter)
    found = _difference(first.tensor, rows, arbiter, owners) if first else None
    layers = _largest(rows, arbiter, owners)
    return Result(case, backend, level, rows, differing or [], found, layers)


def _largest(
    rows: Iterable[Row], arbiter: Executed, owners: Mapping[str, Step]
) -> dict[str, float | None]:
    """Give the largest rho of each layer's tensors."""
    layers: dict[str, float | None] = {step.node.name: None for step in arbiter.steps}
    for row in rows:
        owner = owners.get(_owned(row.tensor))
        if owner:
            rho = math.inf if row.rho is None else row.rho
            layers[owner.node.name] = max(layers[owner.node.name] or 0.0, rho)
    return layers


def _difference(
    tensor: str, rows: list[Row], arbiter: Executed, owners: Mapping[str, Step]
) -> Difference:
    """Say what is known of the layer that a tensor is of."""
    step = owners.get(_owned(tensor))
    if step is None:
        return Difference(tensor)
    inputs = tuple(step.node.inputs)
    verdicts = [row.verdict for row in rows if row.tensor in {f"blob/{n}" for n in inputs}]
    known = any(row.tensor.startswith("blob/") for row in rows)
    agreed = not any(verdict in rounding.FAILED for verdict in verdicts)
    is_gradient = _owned(tensor).startswith(f"{evidence.GRADIENT}/")
    return Difference(
        tensor,
        step.node.name,
        step.node.type,
        step.facts.attributes,
        inputs,
        agreed if known else None,
        _behind(step, arbiter) if is_gradient else (),
    )


def _behind(step: Step, arbiter: Executed) -> tuple[str, ...]:
    """The layers that read what a layer gives, and so on up to those with weights."""
    carrying, found = set(step.node.outputs), []
    for later in arbiter.steps:
        if carrying.intersection(later.node.inputs):
            found.append(later.node.name)
            if not later.weights:
                carrying.update(later.node.outputs)
    return tuple(found)


def _owners(arbiter: Executed) -> dict[str, Step]:
    """Give each tensor's layer; the first one's, of what several share."""
    owners: dict[str, Step] = {}
    for step in arbiter.steps:
        names = [f"blob/{name}" for name in step.node.outputs]
        names += [f"statistic/{step.node.name}/{name}" for name in step.facts.statistics]
        parameters = step.weights.values()
        names += [f"{kind}/{name}" for kind in ("gradient", "weight") for name in parameters]
        for name in names:
            owners.setdefault(name, step)
    return owners


def _owned(tensor: str) -> str:
    """Give the name by which a tensor is known to its layer: what a rule keeps, its parameter's."""
    tensor = tensor.removeprefix(RUN)
    if tensor.startswith("kept/"):
        return "weight/" + tensor.removeprefix("kept/").rpartition("/")[0]
    return tensor
