"""The tape: all randomness of a run, the same on every machine and framework.

Only the raw 64-bit words of NumPy's Philox4x64-10 are used (Salmon et al., "Parallel random
numbers: as easy as 1, 2, 3", SC 2011). NumPy promises that these stay as they are, and promises
nothing for its distributions, so what is made of the words is the arithmetic below and is held by
golden values in the tests.

A stream is addressed by (seed, purpose, epoch, step). Philox is a function of a key and a counter:

    key     = (seed, first 8 bytes of SHA-256(purpose) as a little-endian integer)
    counter = (block, step, epoch, 0), block = 1, 2, 3, ... with four words each

so every stream is 2^64 blocks long, no two overlap, and any is drawn without drawing another.
Arithmetic in float64 uses + - * / and square roots alone, each rounded as IEEE 754 says; `np.log`
and `np.cos` are avoided because their last bit depends on the processor.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ranparity.errors import InputError

Words = NDArray[np.uint64]
Floats = NDArray[np.float64]

_WORD: Final = 1 << 64
_CHUNK: Final = 1 << 14  # elements worked on at a time, so that they stay in the processor's cache


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
        words = self.words(purpose, count, epoch=epoch, step=step)
        odd = (words >> np.uint64(12)) * np.uint64(2) + np.uint64(1)
        return inverse_normal(odd.astype(np.float64) * 2.0**-53)


def _scaled(words: Words, below: int) -> Words:
    """Give floor(word * below / 2^64) for below <= 2^32, from two products of 32 by 33 bits.

    With word = high * 2^32 + low it is floor((high * below + floor(low * below / 2^32)) / 2^32),
    and neither the products nor the sum can exceed 64 bits.
    """
    half, factor = np.uint64(32), np.uint64(below)
    high, low = words >> half, words & np.uint64(0xFFFFFFFF)
    return (high * factor + (low * factor >> half)) >> half


# Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics
# 37 (1988) 477-484, routine PPND16: numerators and denominators, constant term first.
_CENTRE: Final = (
    (
        3.3871328727963666080e0,
        1.3314166789178437745e2,
        1.9715909503065514427e3,
        1.3731693765509461125e4,
        4.5921953931549871457e4,
        6.7265770927008700853e4,
        3.3430575583588128105e4,
        2.5090809287301226727e3,
    ),
    (
        1.0,
        4.2313330701600911252e1,
        6.8718700749205790830e2,
        5.3941960214247511077e3,
        2.1213794301586595867e4,
        3.9307895800092710610e4,
        2.8729085735721942674e4,
        5.2264952788528545610e3,
    ),
)
_TAIL: Final = (
    (
        1.42343711074968357734e0,
        4.63033784615654529590e0,
        5.76949722146069140550e0,
        3.64784832476320460504e0,
        1.27045825245236838258e0,
        2.41780725177450611770e-1,
        2.27238449892691845833e-2,
        7.74545014278341407640e-4,
    ),
    (
        1.0,
        2.05319162663775882187e0,
        1.67638483018380384940e0,
        6.89767334985100004550e-1,
        1.48103976427480074590e-1,
        1.51986665636164571966e-2,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    ),
)
_FAR_TAIL: Final = (
    (
        6.65790464350110377720e0,
        5.46378491116411436990e0,
        1.78482653991729133580e0,
        2.96560571828504891230e-1,
        2.65321895265761230930e-2,
        1.24266094738807843860e-3,
        2.71155556874348757815e-5,
        2.01033439929228813265e-7,
    ),
    (
        1.0,
        5.99832206555887937690e-1,
        1.36929880922735805310e-1,
        1.48753612908506148525e-2,
        7.86869131145613259100e-4,
        1.84631831751005468180e-5,
        1.42151175831644588870e-7,
        2.04426310338993978564e-15,
    ),
)


def inverse_normal(probabilities: Floats) -> Floats:
    """Give x with P(normal <= x) = p, by Wichura's AS 241, to about 1e-15 relative.

    Args:
        probabilities: In (0, 1), shape (N,).
    """
    result = np.empty_like(probabilities)
    for start in range(0, len(probabilities), _CHUNK):
        part = slice(start, start + _CHUNK)
        result[part] = _inverse_normal(probabilities[part])
    return result


def _inverse_normal(probabilities: Floats) -> Floats:
    distance = probabilities - 0.5
    result = distance * _ratio(_CENTRE, 0.180625 - distance * distance)
    outside = np.flatnonzero(np.abs(distance) > 0.425)
    result[outside] = _tails(probabilities[outside])
    return result


def _tails(probabilities: Floats) -> Floats:
    """Give the inverse normal where |p - 1/2| > .425."""
    below = probabilities < 0.5
    depth = np.sqrt(-logarithm(np.where(below, probabilities, 1 - probabilities)))
    size = np.where(depth <= 5, _ratio(_TAIL, depth - 1.6), _ratio(_FAR_TAIL, depth - 5))
    return np.where(below, -size, size)


def _ratio(terms: tuple[tuple[float, ...], tuple[float, ...]], x: Floats) -> Floats:
    return _polynomial(terms[0], x) / _polynomial(terms[1], x)


def _polynomial(coefficients: tuple[float, ...], x: Floats) -> Floats:
    """Give sum_i coefficients[i] x^i by Horner's rule, each product and each sum rounded."""
    value = np.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value *= x
        value += coefficient
    return value


# ln 2 in two parts: the first has 33 bits, so that its product with an exponent is exact.
_LN2_HIGH: Final = float.fromhex("0x1.62e42fee00000p-1")
_LN2_LOW: Final = float.fromhex("0x1.a39ef35793c76p-33")
_SQRT_HALF: Final = float.fromhex("0x1.6a09e667f3bcdp-1")
_ATANH: Final = tuple(1 / (2 * k + 1) for k in range(13))


def logarithm(x: Floats) -> Floats:
    """Give the natural logarithm of positive normal numbers, from exact bits and a series.

    x = m 2^e with m in [sqrt(1/2), sqrt(2)), and ln m = 2 atanh(s) = 2 s (1 + s^2/3 + s^4/5 + ...)
    with s = (m - 1)/(m + 1), at most .172; 13 terms leave out less than 1e-20 of the sum.
    """
    mantissa, exponent = np.frexp(x)
    low = mantissa < _SQRT_HALF
    mantissa = np.where(low, mantissa * 2, mantissa)
    power = exponent.astype(np.float64) - low
    s = (mantissa - 1) / (mantissa + 1)
    series = 2 * s * _polynomial(_ATANH, s * s)
    result: Floats = power * _LN2_HIGH + (power * _LN2_LOW + series)
    return result
