"""By how much a loss is multiplied on the way back, so that float16 can hold its gradients.

float16 has no numbers below 6e-8, where most gradients of a mean over images lie. So the loss is
multiplied by a power of two, and the gradients of the weights, which are in float32, are divided by
it again: both are exact. A scale that is too large shows: a gradient is then no finite number. Such
a step is left out, and changes nothing but the scale.

The rule is that of Keras 3.15 (keras/src/optimizers/loss_scale_optimizer.py), with its numbers:
begin high, halve after a step that was left out, double after so many that were not. It is worked
out here, in Python, so that it is the same on every backend.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ranparity.errors import InputError

INITIAL = 2.0**15  # Keras's `initial_scale`
GROWTH_STEPS = 2000  # Keras's `dynamic_growth_steps`
FACTOR = 2.0
LEAST = 1 / INITIAL  # below, gradients that are no numbers are not the scale's doing
RULE = {"initial": INITIAL, "factor": FACTOR, "growth_steps": GROWTH_STEPS}
"""What the record says of it."""


@dataclass(frozen=True)
class Scaling:
    """Where the scale is.

    Attributes:
        scale: What the next step's loss is multiplied by.
        good: Steps since it has changed.
        skipped: Steps that have been left out.
    """

    scale: float = INITIAL
    good: int = 0
    skipped: int = 0

    def after(self, *, finite: bool) -> Scaling:
        """Give where it is after a step.

        Args:
            finite: Whether all of its gradients were finite numbers; without, it is left out.

        Raises:
            InputError: They are not, however small the scale is made.
        """
        if finite:
            if self.good + 1 < GROWTH_STEPS:
                return Scaling(self.scale, self.good + 1, self.skipped)
            return Scaling(self.scale * FACTOR, 0, self.skipped)
        if self.scale / FACTOR < LEAST:
            raise InputError(
                f"loss scale {self.scale:g}: expected gradients that are finite numbers, and some "
                "are not, however small the loss is made: lower --learning-rate, or take another "
                "--precision"
            )
        return Scaling(self.scale / FACTOR, 0, self.skipped + 1)

    def to_json(self) -> dict[str, Any]:
        """It as data that JSON can hold."""
        return asdict(self)
