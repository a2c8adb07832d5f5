"""Wrong labels on purpose, by which the paper shows what attention is worth (its section 4.1)."""

from __future__ import annotations

import numpy as np

from ranparity.data.dataset import Labels
from ranparity.data.tape import Tape
from ranparity.errors import InputError


def noisy(labels: Labels, classes: int, noise: float, tape: Tape) -> Labels:
    """Give labels of which each keeps its class with the chance 1 - noise.

    Otherwise it becomes one of the other classes with equal chance (Wang et al., CVPR 2017,
    equation 7, with the clean ratio r = 1 - noise). The draw depends on the seed and the image's
    place alone, so all stages of a run see the same labels, and a label that is wrong at one noise
    is wrong in the same way at any larger one.

    Args:
        labels: The right classes, int64 in [0, classes), shape (N,).
        classes: Number of classes.
        noise: From 0 to 1.
        tape: The run's randomness.

    Returns:
        int64, shape (N,).

    Raises:
        InputError: The noise is out of range, or there is no other class.
    """
    if not 0 <= noise <= 1:
        raise InputError(f"label noise: expected 0 to 1. Received: {noise}")
    if noise == 0:
        return labels
    if classes < 2:
        raise InputError(f"label noise: expected data of two classes or more. Received: {classes}")
    count = len(labels)
    wrong = tape.uniforms("label noise/wrong", count) < noise
    others = tape.integers("label noise/class", count, classes - 1)
    others += others >= labels  # counts the classes without the right one
    return np.where(wrong, others, labels)
