"""The precisions that a run can have, and what of it is in which.

In float32 and float64 everything is. In bfloat16 and float16 only what layers compute is: weights
are rounded to it each time they are used, and so are maps and their gradients. Weights themselves,
slots, the statistics of batch normalisation, the loss, and sums that normalisations and averages
take on their way are in float32 (Micikevicius et al., Mixed Precision Training, ICLR 2018, section
3.1; in Keras a policy such as `mixed_bfloat16`).
"""

from __future__ import annotations

NAMES = ("float32", "float64", "bfloat16", "float16")
MIXED = ("bfloat16", "float16")
SCALED = ("float16",)  # gradients of a loss that is not scaled are below its smallest numbers


def kept(precision: str) -> str:
    """Give the type of what a run keeps: weights, slots, statistics, losses."""
    return "float32" if precision in MIXED else precision


def policy(precision: str) -> str:
    """Give Keras's name for it."""
    return f"mixed_{precision}" if precision in MIXED else precision


def is_scaled(precision: str) -> bool:
    """Whether the loss is multiplied on the way back; see `ranparity.training.scaling`."""
    return precision in SCALED
