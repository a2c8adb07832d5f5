"""What levels 4 and 5 train on: digits as a run sees them, or pixels of the tape."""

from __future__ import annotations

from collections.abc import Callable

from ranparity import data
from ranparity.data import normalisation
from ranparity.data.batches import Batches
from ranparity.data.tape import Tape
from ranparity.models.entry import Entry
from ranparity.parity.ladder import state
from ranparity.parity.ladder.case import Case
from ranparity.parity.ladder.state import Array
from ranparity.training import recipe
from ranparity.training.recipe import Stage

DATA = "digits"
LOWER = 0.1  # what the learning rate is multiplied by from the middle on
Feed = Callable[[int], tuple[Array, Array]]


def stage_of(entry: Entry) -> Stage:
    """Give the last stage of the recipe that a run on digits takes, for its update rule."""
    name, _ = recipe.default(entry.name, DATA)
    return recipe.named(name).stages[-1]


def rate(stage: Stage, case: Case, step: int) -> float:
    """Give the learning rate of a step of the free run, which falls in its middle.

    It is the recipe's in proportion to the batch: a small batch at a large batch's rate is chaos
    from the first step on.
    """
    scaled = stage.learning_rate * min(1.0, case.batch_size / stage.batch_size)
    return scaled * (LOWER if step >= case.drop else 1.0)


def feed(entry: Entry, case: Case) -> tuple[Feed, str]:
    """Give what makes the images (NHWC) and targets of a step, and what they are.

    They are the digits where they are of the net's size, with 10 of its classes.
    """
    tape, channels = Tape(case.seed), entry.input_shape[2]
    dataset = data.load(DATA)
    if dataset.image_shape != (*case.size, channels):
        shape = (case.batch_size, *case.size, channels)

        def drawn(step: int) -> tuple[Array, Array]:
            found = state.targets(tape, case.batch_size, entry.classes, step + 1)
            return state.images(tape, shape, step + 1), found

        return drawn, "pixels of the tape"
    fitted = normalisation.fit(stage_of(entry).normalisation, dataset)
    batches = Batches(dataset, tape, case.batch_size, fitted)

    def of_run(step: int) -> tuple[Array, Array]:
        batch = batches.at(step)
        return batch.images, batch.targets

    return of_run, DATA
