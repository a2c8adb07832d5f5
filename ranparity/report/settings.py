"""What runs were to do, and where they did it, as names and values; and in what they differ."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ranparity.report.document import Span, Table, cell, code, columns
from ranparity.report.reading import clean
from ranparity.report.run_record import TAPE
from ranparity.report.runs import FinishedRun
from ranparity.report.words import NOTHING, digest
from ranparity.training import recipe as recipes

Settings = Mapping[str, Any]  # values as JSON has them, by dotted names
MISSING = object()  # stands for what a record does not say
THEN = " then "  # between the values of a run's parts


@dataclass(frozen=True)
class Difference:
    """A name under which runs have different values, one for each run; `MISSING` where none."""

    name: str
    values: tuple[Any, ...]


def recipe(run: FinishedRun) -> dict[str, Any]:
    """All that makes a run what it is, wherever it runs.

    Data are what their digest says, wherever they lie. A field that an older record lacks is at its
    default, which is how that run trained. The number of a twin is left out: a twin is asked the
    same as its run.
    """
    task = run.task
    found = {
        "model": task.model,
        "data.name": task.data,
        "data.digest": run.data_digest,
        "data.train": task.train,
        "data.test": task.test,
        "seed": task.seed,
        "precision": task.precision,
        "accumulate": task.parts,
        "starting_weights": task.start or TAPE,
        **dict(_flat("recipe", _whole(json.loads(task.recipe)))),
    }
    return found if run.planned_steps is None else found | {"planned_steps": run.planned_steps}


def _whole(content: dict[str, Any]) -> dict[str, Any]:
    """A recipe with the fields that older records lack."""
    stages = [sorted((recipes.later() | stage).items()) for stage in content["stages"]]
    return content | {"stages": [dict(stage) for stage in stages]}


def environment(run: FinishedRun) -> dict[str, Any]:
    """Where a run was made; values that its parts have not in common stand one after another."""
    places = [part.environment for part in run.parts if part.environment is not None]
    flat = [_leaves(place) for place in places or [run.environment or {}]]
    names = dict.fromkeys(name for place in flat for name in place)
    found = {name: _of_parts([place.get(name, MISSING) for place in flat]) for name in names}
    return {"backend": THEN.join(run.backends), **found, "remat": run.remat}


def _of_parts(values: Sequence[Any]) -> Any:
    told = list(dict.fromkeys(shown(value).text for value in values))
    return values[0] if len(told) == 1 else THEN.join(told)


def _leaves(content: Mapping[str, Any]) -> dict[str, Any]:
    return {leaf: value for name in content for leaf, value in _flat(clean(name), content[name])}


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The values within a value by dotted names; items of a list of objects count from 1."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flat(f"{name}.{clean(key)}", item)
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for place, item in enumerate(value, start=1):
            yield from _flat(f"{name}.{place}", item)
    else:
        yield name, value


def differences(found: Sequence[Settings]) -> tuple[Difference, ...]:
    """What is not the same in all of several runs, in the order of its names' first appearance."""
    names = dict.fromkeys(name for settings in found for name in settings)
    rows = [(name, tuple(each.get(name, MISSING) for each in found)) for name in names]
    return tuple(Difference(*row) for row in rows if any(value != row[1][0] for value in row[1]))


def table(title: str, labels: Sequence[str], rows: Sequence[Difference]) -> Table:
    """Differences as rows, runs as columns."""
    body = ((cell(code(row.name)), *map(cell, map(shown, row.values))) for row in rows)
    return Table(columns(title, *map(code, labels)), tuple(body))


def shown(value: Any) -> Span:
    """A value for a reader."""
    if value is MISSING:
        return NOTHING
    if value is None:
        return Span("none")
    if not isinstance(value, str):
        return Span(clean(json.dumps(value)))
    return digest(value) if re.fullmatch(r"[0-9a-f]{64}", value) else Span(clean(value))
