"""Functions of the real numbers whose every bit is the same on every machine.

Only + - * / and square roots in float64 are used, each rounded as IEEE 754 says, and exact changes
of the exponent. `np.log`, `np.exp` and `np.cos` are avoided: their last bit depends on the
processor.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_CHUNK: Final = 1 << 14  # elements worked on at a time, so that they stay in the processor's cache


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


_EXPONENTIAL: Final = tuple(1 / math.factorial(k) for k in range(14))
_LEAST: Final = -708.0  # below, the result would no longer be a normal number


def exponential(x: Floats) -> Floats:
    """Give e^x for x up to 0, to about 2e-16 relative; 0 for x under -708.

    x = k ln 2 + r with k whole and |r| at most .347, and e^x = 2^k (1 + r + r^2/2! + ... +
    r^13/13!); what is left out is less than 5e-18 of it.
    """
    held = np.maximum(x, _LEAST)
    power = np.rint(held / _LN2_HIGH)
    rest = (held - power * _LN2_HIGH) - power * _LN2_LOW
    value = np.ldexp(_polynomial(_EXPONENTIAL, rest), power.astype(np.int32))
    return np.where(x < _LEAST, 0.0, value)
