"""The network of a stage, and the weights that it begins with.

The first stage's come from the tape, or from a file as far as that has them; a later stage's are
those that the stage before has trained, variable by variable of the same name, and the tape's where
its network has more. In a twin of a run what a stage does not take from the one before is moved, as
far as it is trained (`ranparity.training.twins`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ranparity.data import digest
from ranparity.errors import InputError
from ranparity.models.entry import Entry
from ranparity.training import precisions, twins, variables, weights
from ranparity.training.plan import Plan
from ranparity.training.variables import Model, State
from ranparity.training.weights import Source

TAPE = "tape"  # what the record calls it
MOST_NAMES = 6  # that a line lists


@dataclass(frozen=True, eq=False)
class Start:
    """What a network begins with.

    Attributes:
        values: All of its variables by name.
        words: Where they come from, for the record.
        file: What the record says of the file that they come from, if there is one.
        line: The same for a reader; empty without a file.
    """

    values: State
    words: str = TAPE
    file: dict[str, Any] | None = None
    line: str = ""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the values."""
        return digest.of_named_arrays(self.values)


def network(entry: Entry, part: str, classes: int) -> Model:
    """Build what a stage trains: a part of a network, whose outputs are logits, images NHWC."""
    return entry.build(
        part=part,
        input_shape=entry.input_shape,
        classes=classes,
        classifier_activation=None,
        data_format="channels_last",
    )


def first(plan: Plan, model: Model, source: Source | None) -> Start:
    """Set the first stage's network to its start, and give it.

    Args:
        plan: The run.
        model: The network.
        source: The file that has weights of it; None is the tape alone.

    Raises:
        InputError: The file cannot be read, or is of another network.
    """
    values: State = variables.initialise(model, plan.tape)
    if source is None:
        return Start(_set(plan, model, values) if plan.twin else values)
    loaded = weights.named(source, weights.read(source), _networks(plan, model))
    kept = precisions.kept(plan.precision)
    found = {name: np.asarray(loaded[name], kept) for name in values if name in loaded}
    if not found:
        raise InputError(
            f"{source.path}: expected weights of the network of stage "
            f"{plan.recipe.stages[0].name}, and it has none of them"
        )
    both = _set(plan, model, {**values, **found})
    file = {"file": source.name, "digest": digest.of_named_arrays(loaded)}
    words = f"{source.name}, digest {file['digest']}"
    drawn = [name for name in values if name not in found]
    unused = [name for name in loaded if name not in found]
    line = (
        f"weights of {source.name}: {len(found)} of {len(both)} variables"
        f"{_listed('from the tape', drawn)}{_listed('not used of the file', unused)}"
    )
    return Start(both, _from({words: len(found), TAPE: len(drawn)}), file, line)


def later(plan: Plan, model: Model, before: State, stage: str) -> Start:
    """Set a later stage's network to its start, and give it.

    Args:
        plan: The run.
        model: The network.
        before: All variables of the network before it, trained.
        stage: The name of the stage that has trained them.

    Raises:
        InputError: A variable of the same name is of another shape.
    """
    values = variables.initialise(model, plan.tape)
    carried = {name: before[name] for name in values if name in before}
    both = _set(plan, model, values, carried)
    sources = {f"stage {stage}": len(carried), TAPE: len(values) - len(carried)}
    return Start(both, _from(sources))


def _set(plan: Plan, model: Model, given: State, carried: State | None = None) -> State:
    """Set a network to a start, and give it.

    Args:
        plan: The run; if it is a twin, what is given and trained is moved.
        model: The network.
        given: Where variables begin.
        carried: What takes the place of some of them, as it is.
    """
    values = {**given, **_moved(plan, model, given), **(carried or {})}
    variables.assign(variables.named(model), values)
    return values


def _moved(plan: Plan, model: Model, given: State) -> State:
    """Give the trained variables as a twin begins with them; none if the run is no twin."""
    if not plan.twin:
        return {}
    trained = variables.names(model, model.trainable_variables)
    kept = precisions.kept(plan.precision)
    start = {name: np.asarray(given[name], kept) for name in trained}
    return twins.twin(plan.tape, start, plan.twin, plan.precision)


def _networks(plan: Plan, model: Model) -> Iterator[Model]:
    """Give the networks of a run, the first of which is there; the others are built when asked."""
    yield model
    parts = [stage.part for stage in plan.recipe.stages]
    for part in dict.fromkeys(parts):
        if part != parts[0]:
            yield network(plan.entry, part, plan.dataset.classes)


def _from(sources: dict[str, int]) -> str:
    """Say how many variables each source has given; a sole one by its name alone."""
    given = {name: count for name, count in sources.items() if count}
    if len(given) == 1:
        return next(iter(given))
    return "; ".join(f"{name}: {count} variables" for name, count in given.items())


def _listed(what: str, names: list[str]) -> str:
    """Give a part of a line that lists variables; nothing if there is none."""
    if not names:
        return ""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"; {what}: {', '.join(names[:MOST_NAMES])}{more}"
