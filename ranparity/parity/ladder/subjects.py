"""What the ladder runs: a net of the zoo, or any Keras model; each as a worker sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ranparity.data.tape import Tape
from ranparity.models import zoo
from ranparity.parity.ladder import feed, state
from ranparity.parity.ladder.case import Case
from ranparity.training import variables
from ranparity.training.recipe import Stage
from ranparity.training.variables import Model

Array = NDArray[np.float32]
Arrays = Mapping[str, NDArray[Any]]


class Subject(Protocol):
    """A net in a process of Keras."""

    stage: Stage
    """Of the recipe that a run takes, for its update rule and learning rate."""

    def trained(self) -> Model:
        """Give what trains, up to the logits: (N, classes)."""

    def readable(self, trained: Model) -> Model:
        """Give the same layers, those with a name for what they make having a `caffe_name`."""

    def inferred(self) -> Model:
        """Give what infers, readable."""

    def start(self, trained: Model, tape: Tape, given: Arrays) -> dict[str, NDArray[Any]]:
        """Give what all variables begin a run with, by name.

        Args:
            trained: The model.
            tape: The case's.
            given: What the first of the backends has begun with; empty for that one.
        """

    def moved(self, tape: Tape, start: Arrays) -> dict[str, NDArray[Any]]:
        """Give variables as in the middle of a training."""

    def batch(self, tape: Tape) -> tuple[Array, Array]:
        """Give inputs of one step, images as NHWC, and targets (N, classes)."""

    def feed(self) -> tuple[feed.Feed, str]:
        """Give what makes the batches of a run, and what they are."""

    def arranged(self, images: Array) -> Array:
        """Give inputs as the model takes them."""

    def prototxt(self) -> str:
        """Give the net's description where there is no file of it, and it has one."""


def subject(case: Case) -> Subject:
    """Give what a case asks for.

    Raises:
        InputError: There is no such thing, or it cannot be run.
    """
    if case.imported:
        from ranparity.parity.ladder.imported import Imported

        return Imported(case)
    if case.of_file:
        from ranparity.parity.ladder.files import FileNet

        return FileNet(case)
    return ZooNet(case)


class Taped:
    """What nets have alike whose layers have Caffe's names, and that begin on the tape."""

    _case: Case

    def readable(self, trained: Model) -> Model:
        """Give the model as it is: all of its layers have Caffe's names."""
        return trained

    def start(self, trained: Model, tape: Tape, given: Arrays) -> dict[str, NDArray[Any]]:
        """Draw all variables from the tape: what others have begun with is not looked at."""
        del given
        return dict(variables.initialise(trained, tape))

    def moved(self, tape: Tape, start: Arrays) -> dict[str, NDArray[Any]]:
        """Give variables as in the middle of a training."""
        return dict(state.weights(tape, start))

    def arranged(self, images: Array) -> Array:
        """Give images in the data format of the case."""
        first = self._case.data_format == "channels_first"
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2)) if first else images


class ZooNet(Taped):
    """A net of the zoo, or a narrow twin.

    Args:
        case: What is asked of it.
    """

    def __init__(self, case: Case) -> None:
        self._case, self._entry = case, zoo.entry(case.model)
        self.stage = feed.stage_of(self._entry)

    def trained(self) -> Model:
        """Give the net up to its logits."""
        model = self._build(classifier_activation=None)
        if self._case.respect_frozen and self._entry.release.frozen:
            _freeze(model)
        return model

    def inferred(self) -> Model:
        """Give the net up to its probabilities."""
        return self._build()

    def batch(self, tape: Tape) -> tuple[Array, Array]:
        """Give normal pixels."""
        case, entry = self._case, self._entry
        shape = (case.batch_size, *case.size, entry.input_shape[2])
        return state.images(tape, shape), state.targets(tape, case.batch_size, entry.classes)

    def feed(self) -> tuple[feed.Feed, str]:
        """Give digits where they fit, or pixels of the tape."""
        return feed.feed(self._entry, self._case)

    def prototxt(self) -> str:
        """Give the prototxt of a narrow twin, which has no file."""
        if "@" not in self._case.model:
            return ""
        from ranparity.models.export import to_prototxt

        return to_prototxt(self._build(), self._entry.title)

    def _build(self, **arguments: Any) -> Model:
        import keras

        case, channels = self._case, self._entry.input_shape[2]
        first = case.data_format == "channels_first"
        return self._entry.build(
            input_shape=(channels, *case.size) if first else (*case.size, channels),
            data_format=case.data_format,
            initializer=keras.initializers.Zeros,
            **arguments,
        )


def _freeze(model: Model) -> None:
    """Freeze every BN, as the published files do: what Keras calls not trainable."""
    from ranparity.models.layers import BN

    for layer in model.layers:
        if isinstance(layer, BN):
            layer.trainable = False
