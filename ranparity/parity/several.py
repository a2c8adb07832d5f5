"""The worker of the directions session: trains one net several times, compiled once.

`python -m ranparity.parity.several JSON` takes what `Work` holds. Every run is an ordinary one, by
`ranparity.training.session.train`, with its own weights, batches and record; what they share is the
step that the framework has compiled, which holds none of these.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ranparity import data
from ranparity.data import normalisation
from ranparity.data.tape import Tape
from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.training import backends, plan, variables
from ranparity.training.backends import Trainer
from ranparity.training.plan import Plan
from ranparity.training.recipe import Recipe, named
from ranparity.training.update import Update
from ranparity.training.variables import Model

Make = Callable[..., Trainer]  # see `Backend.trainer`


@dataclass(frozen=True)
class Work:
    """Runs that differ in their seeds alone.

    Attributes:
        backend: What trains.
        model: A name of the zoo.
        data: What `ranparity.data.load` takes.
        partial: As it takes it.
        recipe: Name of a recipe of one stage.
        changes: Fields of its stage that are others here.
        runs: Run directories by seed, as JSON has it: the seeds are texts.
    """

    backend: str
    model: str
    data: str
    partial: bool
    recipe: str
    changes: Mapping[str, Any]
    runs: Mapping[str, str]

    def to_json(self) -> str:
        """Give the worker's argument."""
        return json.dumps(asdict(self))

    def trained_by(self) -> Recipe:
        """Give the recipe with its changes."""
        found = named(self.recipe)
        changes = dict(self.changes)
        changes["schedule"] = tuple(map(tuple, changes.get("schedule", ())))
        return replace(found, stages=(replace(found.stages[0], **changes),))


def main(argument: str) -> int:
    """Train each run; one whose loss is no number does not end the others. Gives the status."""
    work = Work(**json.loads(argument))
    dataset = data.load(work.data, partial=work.partial)
    how = work.trained_by()
    fitted = normalisation.fit(plan.normalisation_of(how), dataset)
    module: Any = backends.start(work.backend)[0]
    original = module.trainer
    module.trainer = shared(original)
    failed = []
    try:
        for seed, folder in work.runs.items():
            failed += _train(
                Plan(
                    entry=zoo.entry(work.model),
                    recipe=how,
                    dataset=dataset,
                    normalisation=fitted,
                    tape=Tape(int(seed)),
                    precision=backends.PRECISIONS[0],
                    backend=work.backend,
                    folder=Path(folder),
                    place={"data": data.located(work.data)},
                    overwrite=True,
                )
            )
    finally:
        module.trainer = original
    print(" | ".join(failed), file=sys.stderr)
    return 1 if failed else 0


def _train(planned: Plan) -> list[str]:
    """Carry out a plan; gives why that failed, if it did."""
    from ranparity.training.session import train

    planned.folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        train(planned, quiet=True, warn=_warn)
    except (InputError, OSError) as error:
        return [f"seed {planned.tape.seed}: {error}"]
    return []


def _warn(text: str) -> None:
    print(text, file=sys.stderr)


def shared(make: Make) -> Make:
    """Give what makes trainers as `make` does, but takes up the one that it has already made.

    That one gets the weights of the model that it is asked for and empty slots, so that nothing is
    left of the run before. All models must be of one net, and asked for with the same options.
    """
    made: dict[tuple[Any, ...], Trainer] = {}

    def trainer(model: Model, update: Update, **options: Any) -> Trainer:
        how = (update, *sorted(options.items()))
        if how not in made:
            made[how] = make(model, update, **options)
            return made[how]
        kept = made[how]
        weights = {
            name: np.array(variable.numpy()) for name, variable in variables.named(model).items()
        }
        kept.restore(weights, {name: np.zeros_like(slot) for name, slot in kept.slots().items()})
        return kept

    return trainer


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
