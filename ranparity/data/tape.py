"""The tape: all randomness of a run, the same on every machine and framework.

Only the raw 64-bit words of NumPy's Philox4x64-10 are used (Salmon et al., "Parallel random
numbers: as easy as 1, 2, 3", SC 2011). NumPy promises that these stay as they are, and promises
nothing for its distributions, so what is made of the words is the arithmetic below and is held by
golden values in the tests.

A stream is addressed by (seed, purpose, epoch, step). Philox is a function of a key and a counter:

    key     = (seed, first 8 bytes of SHA-256(purpose) as a little-endian integer)
    counter = (block, step, epoch, 0), block = 1, 2, 3, ... with four words each

so every stream is 2^64 blocks long, no two overlap, and any is drawn without drawing another.
What needs a logarithm or the like takes it from `ranparity.data.arithmetic`, whose bits do not
depend on the processor.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ranparity.data.arithmetic import Floats, exponential, inverse_normal, logarithm
from ranparity.errors import InputError

Words = NDArray[np.uint64]

_WORD: Final = 1 << 64


@dataclass(frozen=True)
class Tape:
    """All the randomness of a run.

    Attributes:
        seed: From 0 to 2^64 - 1. Runs with one seed see the same randomness.

    Raises:
        InputError: The seed is out of range.
    """

    seed: int

    def __post_init__(self) -> None:
        if not 0 <= self.seed < _WORD:
            raise InputError(f"seed: expected 0 to 2^64 - 1. Received: {self.seed}")

    def words(self, purpose: str, count: int, *, epoch: int = 0, step: int = 0) -> Words:
        """Give the first `count` words of a stream, uint64."""
        digest = hashlib.sha256(purpose.encode()).digest()
        key = np.array([self.seed, int.from_bytes(digest[:8], "little")], dtype=np.uint64)
        counter = np.array([0, step, epoch, 0], dtype=np.uint64)
        return np.random.Philox(key=key, counter=counter).random_raw(count)

    def uniforms(self, purpose: str, count: int, *, epoch: int = 0, step: int = 0) -> Floats:
        """Give numbers in [0, 1): a word's upper 53 bits times 2^-53; one word each."""
        words = self.words(purpose, count, epoch=epoch, step=step)
        return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def integers(
        self, purpose: str, count: int, below: int, *, epoch: int = 0, step: int = 0
    ) -> NDArray[np.int64]:
        """Give integers in [0, below): the floor of word * below / 2^64; one word each.

        No integer's probability is off by more than 2^-64, and no word is rejected, so the k-th
        integer always comes from the k-th word.

        Args:
            purpose: The stream's purpose.
            count: How many.
            below: Upper limit, from 1 to 2^32.
            epoch: The stream's epoch.
            step: The stream's step.
        """
        if not 1 <= below <= 1 << 32:
            raise ValueError(f"`below` must be from 1 to 2^32. Received: below={below}")
        words = self.words(purpose, count, epoch=epoch, step=step)
        return _scaled(words, below).astype(np.int64)

    def permutation(
        self, purpose: str, count: int, *, epoch: int = 0, step: int = 0
    ) -> NDArray[np.int64]:
        """Give an order of 0..count-1: the places of the first `count` words, sorted by word.

        Equal words (a chance of count^2 / 2^65) keep their order.
        """
        words = self.words(purpose, count, epoch=epoch, step=step)
        return np.argsort(words, kind="stable").astype(np.int64)

    def normals(self, purpose: str, count: int, *, epoch: int = 0, step: int = 0) -> Floats:
        """Give standard normals: `inverse_normal((2k + 1) / 2^53)`, k being a word's upper 52 bits.

        One word each. The argument is exact, never 0 or 1, and symmetric about a half; the largest
        number possible is 8.2.
        """
        return inverse_normal(_inside(self.words(purpose, count, epoch=epoch, step=step)))

    def betas(
        self, purpose: str, count: int, alpha: float, *, epoch: int = 0, step: int = 0
    ) -> Floats:
        """Give numbers of the distribution Beta(alpha, alpha), in [0, 1].

        By Joehnk's rejection ("Erzeugung von betaverteilten und gammaverteilten Zufallszahlen",
        Metrika 8 (1964) 5-15): of u and v, uniform in (0, 1), come x = u^(1/alpha) and
        y = v^(1/alpha), and x / (x + y) where x + y is at most 1. The stream's words are taken in
        pairs, u and v being as the arguments in `normals`, and the k-th number is of the k-th pair
        that is not rejected. A pair is accepted with a chance of 1 in 70 for alpha = 4, 1 in 2 for
        1, nearly always for a small alpha.

        Args:
            purpose: The stream's purpose.
            count: How many.
            alpha: Above 0, up to 4.
            epoch: The stream's epoch.
            step: The stream's step.
        """
        if not 0 < alpha <= 4:
            raise ValueError(f"`alpha` must be above 0 and up to 4. Received: alpha={alpha}")
        pairs = 16 * max(count, 1)
        while True:
            words = self.words(purpose, 2 * pairs, epoch=epoch, step=step)
            accepted = _joehnk(_inside(words).reshape(-1, 2), alpha)
            if len(accepted) >= count:
                return accepted[:count]
            pairs *= 2  # a longer draw begins with the shorter


def _inside(words: Words) -> Floats:
    """Give (2k + 1) / 2^53, k being a word's upper 52 bits: exact, in (0, 1), never its ends."""
    odd = (words >> np.uint64(12)) * np.uint64(2) + np.uint64(1)
    return odd.astype(np.float64) * 2.0**-53


def _joehnk(pairs: Floats, alpha: float) -> Floats:
    """Give x / (x + y) of the pairs (u, v), shape (N, 2), that Joehnk's rejection accepts.

    Powers are taken as logarithms, and x / (x + y) = 1 / (1 + y/x), so that a small alpha, for
    which x and y are too small for float64, gives the right share all the same.
    """
    logs = logarithm(pairs)
    with np.errstate(over="ignore"):  # an infinite logarithm is that of a power that is 0
        powers = exponential(logs / alpha)
        apart = (logs[:, 1] - logs[:, 0]) / alpha
    smaller = exponential(-np.abs(apart))  # the smaller of x and y by the larger
    shares = np.where(apart > 0, smaller, 1.0) / (1.0 + smaller)
    return shares[powers[:, 0] + powers[:, 1] <= 1.0]


def _scaled(words: Words, below: int) -> Words:
    """Give floor(word * below / 2^64) for below <= 2^32, from two products of 32 by 33 bits.

    With word = high * 2^32 + low it is floor((high * below + floor(low * below / 2^32)) / 2^32),
    and neither the products nor the sum can exceed 64 bits.
    """
    half, factor = np.uint64(32), np.uint64(below)
    high, low = words >> half, words & np.uint64(0xFFFFFFFF)
    return (high * factor + (low * factor >> half)) >> half
