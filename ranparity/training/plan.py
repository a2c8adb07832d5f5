"""What a run is going to do, once everything about it has been checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ranparity.data.augment import Augmentation
from ranparity.data.batches import Batches
from ranparity.data.dataset import Dataset
from ranparity.data.normalisation import Normalisation
from ranparity.data.tape import Tape
from ranparity.errors import InputError
from ranparity.models.entry import Entry
from ranparity.training.recipe import Recipe, Stage
from ranparity.training.weights import Source


@dataclass(frozen=True, eq=False)
class Segment:
    """A stage of the run.

    Attributes:
        stage: How it trains.
        batches: What each of its steps sees.
        steps: Its number of steps, if it does not run out of patience.
    """

    stage: Stage
    batches: Batches
    steps: int


@dataclass(frozen=True, eq=False)
class Plan:
    """A run that has been checked and can start, or go on.

    Attributes:
        entry: The network.
        recipe: How to train, with what the command line changed.
        dataset: The images.
        normalisation: What is taken from their pixels.
        tape: All randomness.
        precision: One of `backends.PRECISIONS`; see `ranparity.training.precisions`.
        backend: Name of the backend.
        folder: The run directory.
        weights: Where the weights at the start come from, if not from the tape alone.
        place: What is of this machine alone, for the run directory: where it has the data.
        earlier: The `run.json` of the run that goes on; None for a new one.
        overwrite: Whether a run that is in the folder may be replaced.
        checkpoint_every: Steps from one checkpoint to the next; None is by time alone.
        tensorboard: Whether to write numbers for TensorBoard.
        remat: Whether steps compute parts of the net twice, to need less memory.
        device: What it is to compute on, one of `backends.DEVICES`.
        tf32: Whether a GPU may compute products of float32 numbers in TF32.
        accumulate: Into how many parts a step divides its batch, to need less memory.
        devices: How many compute each batch together, a part each.
        twin: Which of the run's twins this is, from 1; 0 is the run itself.
    """

    entry: Entry
    recipe: Recipe
    dataset: Dataset
    normalisation: Normalisation
    tape: Tape
    precision: str
    backend: str
    folder: Path
    weights: Source | None = None
    place: dict[str, Any] = field(default_factory=dict)
    earlier: dict[str, Any] | None = None
    overwrite: bool = False
    checkpoint_every: int | None = None
    tensorboard: bool = False
    remat: bool = False
    device: str = "auto"
    tf32: bool = False
    accumulate: int = 1
    devices: int = 1
    twin: int = 0

    @cached_property
    def segments(self) -> list[Segment]:
        """The stages, one after another."""
        return [self._segment(index) for index in range(len(self.recipe.stages))]

    @property
    def steps(self) -> int:
        """Steps of the whole run, if no stage runs out of patience."""
        return sum(segment.steps for segment in self.segments)

    def _segment(self, index: int) -> Segment:
        stage = self.recipe.stages[index]
        batches = self._batches(stage, f"{stage.name} " if index else "")
        return Segment(stage, batches, stage.length(batches.steps_per_epoch))

    def _batches(self, stage: Stage, prefix: str) -> Batches:
        return Batches(
            dataset=self.dataset,
            tape=self.tape,
            batch_size=stage.batch_size,
            normalisation=self.normalisation,
            augmentation=Augmentation(
                padding=stage.padding,
                flip=stage.flip,
                shift=stage.shift,
                e4040_noise=stage.e4040_noise,
                mixup=stage.mixup,
                mixup_epochs=stage.mixup_epochs,
            ),
            label_noise=stage.label_noise,
            prefix=prefix,
        )


def normalisation_of(recipe: Recipe) -> str:
    """Give the kind of normalisation of a recipe, which all of its stages share.

    Raises:
        InputError: They do not: a net has one kind of input.
    """
    kinds = sorted({stage.normalisation for stage in recipe.stages})
    if len(kinds) > 1:
        raise InputError(
            f"recipe {recipe.name}: expected one normalisation for all stages. "
            f"Received: {', '.join(kinds)}"
        )
    return kinds[0]


def check_stages(entry: Entry, recipe: Recipe) -> None:
    """Raise `InputError` unless a network has the parts that a recipe's stages train.

    The names of several stages must also do as names of files.
    """
    for stage in recipe.stages:
        if stage.part not in entry.parts:
            raise InputError(
                f"recipe {recipe.name}, stage {stage.name}: expected a part of {entry.name}, which "
                f"has {', '.join(entry.parts)}. Received: {stage.part}"
            )
    for stage in recipe.stages[:-1]:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", stage.name) or stage.name == "final":
            raise InputError(
                f"recipe {recipe.name}: expected stages named by letters, digits, - and _, and "
                f"none of them final. Received: {stage.name!r}"
            )


def check_parts(recipe: Recipe, parts: int, devices: int) -> None:
    """Raise `InputError` unless every batch can be divided into equal parts for all devices."""
    for stage in recipe.stages:
        where = f"the batch of {stage.batch_size} images of stage {stage.name}"
        if stage.batch_size % parts:
            raise InputError(
                f"--accumulate: expected a number that divides {where}. Received: {parts}"
            )
        if stage.batch_size // parts % devices:
            what = f"each of the {parts} parts of {where}" if parts > 1 else where
            raise InputError(
                f"--devices: expected a number that divides {what}. Received: {devices}"
            )


def check_fit(entry: Entry, dataset: Dataset) -> None:
    """Raise `InputError` unless the images are of the network's input size."""
    if tuple(entry.input_shape) != dataset.image_shape:
        raise InputError(
            f"--model {entry.name} takes images of {_times(entry.input_shape)}, and --data "
            f"{dataset.name} has {_times(dataset.image_shape)}: choose another model or other data"
        )


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
