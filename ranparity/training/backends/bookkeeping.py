"""What the trainers of all frameworks keep alike: which variable is which, and its slots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranparity.errors import InputError
from ranparity.training import variables
from ranparity.training.update import Update
from ranparity.training.variables import Model, State


class Bookkeeping:
    """A model's variables by name, and the names of the slots of an update rule.

    Attributes:
        model: The Keras model.
        update: The update rule.
        variables: All of the model's variables by name, in its order.
        trainable: Names of those that are trained.
        others: Names of those that are not: BN statistics, and all of the layers that are fixed.
        dtype: What all of the variables are.
    """

    def __init__(self, model: Model, update: Update) -> None:
        self.model = model
        self.update = update
        self.variables = variables.named(model)
        self.trainable = variables.names(model, model.trainable_variables)
        self.others = variables.names(model, model.non_trainable_variables)
        self.dtype = np.dtype(self.variables[self.trainable[0]].dtype)

    @property
    def classes(self) -> int:
        """How many outputs the model has."""
        return int(self.model.output_shape[-1])

    def batch(
        self, images: NDArray[Any], targets: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Give a batch in the model's type; outputs beyond the classes of the data are never right.

        A network may have more outputs than the data have classes, such as ImageNet's 1,000; the
        first of them are the data's.

        Args:
            images: NHWC.
            targets: Shape (N, classes of the data).

        Returns:
            The images, and the targets with zeros up to the model's outputs.
        """
        images, targets = self.floats((images, targets))
        return images, np.pad(targets, ((0, 0), (0, self.classes - targets.shape[1])))

    def floats(self, arrays: Iterable[Any]) -> list[NDArray[Any]]:
        """Give arrays or numbers as arrays of the model's type."""
        return [np.asarray(array, self.dtype) for array in arrays]

    def named_slots(self, slots: Sequence[Sequence[NDArray[Any]]]) -> dict[str, NDArray[Any]]:
        """Name slots that are given by trainable variable, each in the rule's order."""
        return {
            f"{name}/{slot}": array
            for name, arrays in zip(self.trainable, slots, strict=True)
            for slot, array in zip(self.update.slots, arrays, strict=True)
        }

    def grouped_slots(self, slots: State) -> list[list[NDArray[Any]]]:
        """Give named slots by trainable variable, each in the rule's order.

        Raises:
            InputError: They are not those of the rule and the model.
        """
        wanted = {
            f"{name}/{slot}": tuple(self.variables[name].shape)
            for name in self.trainable
            for slot in self.update.slots
        }
        if odd := sorted(set(wanted) ^ set(slots)):
            raise InputError(f"slots: expected those of {self.update.rule}. Not in both: {odd[0]}")
        for name, shape in wanted.items():
            if slots[name].shape != shape:
                raise InputError(
                    f"slot {name}: expected shape {shape}. Received: {slots[name].shape}"
                )
        return [
            self.floats(slots[f"{name}/{slot}"] for slot in self.update.slots)
            for name in self.trainable
        ]

    def empty_slots(self) -> list[list[NDArray[Any]]]:
        """Give the slots at the start, by trainable variable: zeros."""
        return [
            [np.zeros(tuple(self.variables[name].shape), self.dtype) for _ in self.update.slots]
            for name in self.trainable
        ]


def check_devices(asked: int, found: int) -> None:
    """Raise `InputError` if more devices are asked for than there are."""
    if asked > found:
        raise InputError(
            f"--devices: expected no more than the framework sees, {found}. Received: {asked}"
        )
