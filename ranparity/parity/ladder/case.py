"""What is asked of a net at the levels of the ladder."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

LEVELS = (1, 2, 3, 4, 5)
SEPARATOR = ":"  # between a module and the function in it that gives a model
PROTOTXT = ".prototxt"  # what the name of a net's file ends with
STEPS = 16  # of levels 4 and 5
TWINS = 8
STEPS_BEFORE = 7  # that the optimizer has behind it at level 3
BATCH, BATCH_LARGE, LARGE = 8, 2, 64  # images by default; of nets whose sides are over so many


@dataclasses.dataclass(frozen=True)
class Case:
    """A net in a state of its own, and what is compared of it.

    Attributes:
        model: A name of the zoo, or of a narrow twin; or the path of a prototxt; or
            MODULE:FUNCTION, which gives any model.
        size: Height and width of the images, in pixels; empty where the model alone has it.
        batch_size: How many images.
        seed: Of the tape that all numbers come from.
        precision: One of `backends.PRECISIONS`.
        data_format: `channels_last` or `channels_first`.
        threads: How many a backend computes with; 0 is one for each processor that its process has:
            all, or its share of them where backends run beside each other.
        levels: Which of `LEVELS`.
        steps: Of levels 4 and 5.
        twins: Of level 5, on each backend.
        fault: What is planted, a name of `faults.PLANTED`; empty for nothing.
        respect_frozen: Whether BN that the prototxt calls frozen is so: kept statistics in training
            too, and neither scale nor shift trained.
        devices: How many compute each step of a run together, those of levels 3 to 5; every tensor
            of levels 1 and 2 is one's.
    """

    model: str
    size: tuple[int, ...]
    batch_size: int
    seed: int = 0
    precision: str = "float32"
    data_format: str = "channels_last"
    threads: int = 0
    levels: tuple[int, ...] = (1, 2, 3)
    steps: int = STEPS
    twins: int = TWINS
    fault: str = ""
    respect_frozen: bool = False
    devices: int = 1

    @property
    def imported(self) -> bool:
        """Whether the model is not this project's: it has no prototxt, and Keras's names."""
        return SEPARATOR in self.model and not self.of_file

    @property
    def of_file(self) -> bool:
        """Whether the net is that of a prototxt."""
        return self.model.endswith(PROTOTXT)

    @property
    def how(self) -> str:
        """How the net is run, in words."""
        return in_words(self.precision, self.devices)

    @property
    def program(self) -> Case:
        """The same for all cases that a backend can run with what it has compiled for one.

        Faults are told apart, though some change nothing that is compiled.
        """
        return dataclasses.replace(self, seed=0, levels=(), steps=0, twins=0)

    @property
    def snapshots(self) -> tuple[int, ...]:
        """The steps of the free run, counted from 0, that level 4 takes from one common state."""
        some = {1, self.drop, self.steps - 1}
        return tuple(sorted(step for step in some if 0 <= step < self.steps))

    @property
    def drop(self) -> int:
        """The step of the free run from which on the learning rate is a tenth."""
        return self.steps // 2

    def to_json(self) -> dict[str, Any]:
        """The case as data that JSON can hold; one device goes without saying."""
        content = dataclasses.asdict(self)
        if self.devices == 1:  # as before there were several: records go by the digest
            del content["devices"]
        return content

    @property
    def digest(self) -> str:
        """SHA-256 of it."""
        return hashlib.sha256(json.dumps(self.to_json()).encode()).hexdigest()


def from_json(content: Mapping[str, Any]) -> Case:
    """Give the case that `Case.to_json` made `content` of."""
    return Case(**{**content, "size": tuple(content["size"]), "levels": tuple(content["levels"])})


def in_words(precision: str, devices: int) -> str:
    """Say how a net is run; one device goes without saying."""
    return f"{precision}, {devices} devices" if devices > 1 else precision


@dataclasses.dataclass(frozen=True)
class Job:
    """A case to run.

    Attributes:
        case: Which, as JSON has it.
        folder: Where its evidence goes.
        common: The evidence that level 4 takes its states from; its own free run's if empty.
        device: On what, one of `backends.DEVICES`.
    """

    case: dict[str, Any]
    folder: str
    common: str = ""
    device: str = "auto"
