"""Are two means the same but for a margin, and do they differ? Paired tests, power and verdicts.

Runs of one seed see the same weights and batches on every backend, so accuracies are compared seed
by seed: everything here is about the mean of such differences, by Student's t.

    equivalence   two one-sided tests (Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987): that the
                  mean is not above -margin, and that it is not below +margin, are both rejected
    difference    the two-sided test that the mean is 0
    several       Holm's step-down correction (Scand. J. Stat. 6, 1979) in each family of
                  comparisons, for each of the two tests by itself
    power         of the two one-sided tests: exact, by integration over the spread that would be
                  found
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

LEVEL = 0.05
Verdict = Literal["equivalent", "different", "inconclusive"]
RULE = (
    "both tests are corrected for the number of comparisons by Holm's method; equivalent: the two "
    "one-sided tests reject that the means differ by the margin or more; different: they do not, "
    "and the two-sided test rejects that the means are equal; inconclusive: neither"
)


@dataclass(frozen=True)
class Paired:
    """Differences of pairs, summed up.

    Attributes:
        mean: Theirs.
        spread: Their standard deviation (divided by n - 1).
        count: How many.
    """

    mean: float
    spread: float
    count: int

    @property
    def error(self) -> float:
        """The standard error of the mean."""
        return self.spread / math.sqrt(self.count)

    @property
    def freedom(self) -> int:
        """Degrees of freedom."""
        return self.count - 1


def paired(differences: Sequence[float]) -> Paired:
    """Sum differences up, two or more."""
    return Paired(statistics.fmean(differences), statistics.stdev(differences), len(differences))


def p_equivalence(found: Paired, margin: float) -> float:
    """Give the p value of the two one-sided tests: the larger one of theirs."""
    return max(_tail(found, margin + found.mean), _tail(found, margin - found.mean))


def p_difference(found: Paired) -> float:
    """Give the p value of the two-sided test that the mean is 0."""
    return min(1.0, 2 * _tail(found, abs(found.mean)))


def _tail(found: Paired, distance: float) -> float:
    """Give the chance that a mean is found so far, or further, above the truth.

    Where all differences are equal there is nothing left to chance.
    """
    from scipy.special import stdtr

    if found.error == 0:
        return float(distance <= 0)
    return float(stdtr(found.freedom, -distance / found.error))


def interval(found: Paired, level: float) -> tuple[float, float]:
    """Give the interval of the mean of confidence 1 - 2 level.

    It lies within the margin exactly if one pair of one-sided tests at that level says equivalent.
    """
    half = _quantile(found.freedom, level) * found.error
    return found.mean - half, found.mean + half


def _quantile(freedom: int, level: float) -> float:
    """Give what Student's t exceeds with a chance of `level`."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1 - level))


def holm(values: Sequence[float]) -> list[float]:
    """Adjust p values of one family: the smallest times n, the next times n - 1, and so on.

    None becomes smaller than one before it, or larger than 1. What is at most the level then is
    rejected, with a chance of a wrong rejection in the family that is at most the level.
    """
    order = sorted(range(len(values)), key=values.__getitem__)
    adjusted, least = [0.0] * len(values), 0.0
    for step, place in enumerate(order):
        least = max(least, min(1.0, (len(values) - step) * values[place]))
        adjusted[place] = least
    return adjusted


def verdict(equivalence: float, difference: float, level: float) -> Verdict:
    """Apply the rule to the adjusted p values of both tests.

    A mean that is found to differ from 0, and to do so by less than the margin, is equivalent.
    """
    if equivalence <= level:
        return "equivalent"
    return "different" if difference <= level else "inconclusive"


def power(
    margin: float, error: float, freedom: int, level: float, difference: float = 0.0
) -> float:
    """Give the chance that the two one-sided tests say equivalent.

    The mean that is found is normal around the true difference, and the spread that is found is,
    by itself, a chi variable: for each spread the means that pass lie between -(margin - t error)
    and +(margin - t error), and their chance is summed over spreads.

    Args:
        margin: Of equivalence, above 0.
        error: The true standard error of the mean.
        freedom: Degrees of freedom of the spread.
        level: Of each one-sided test.
        difference: The true difference of the means.
    """
    from scipy.integrate import quad
    from scipy.special import gammaln, ndtr

    if error == 0:
        return float(abs(difference) < margin)
    reach, shift = margin / error, difference / error
    quantile = _quantile(freedom, level)
    half = freedom / 2
    scale = math.log(2) + half * math.log(half) - float(gammaln(half))

    def inside(ratio: float) -> float:
        """Of the spread that is found to the true one: its density times the chance to pass."""
        if ratio == 0:
            return 0.0
        density = math.exp(scale + (freedom - 1) * math.log(ratio) - half * ratio * ratio)
        width = reach - quantile * ratio
        return density * float(ndtr(width - shift) - ndtr(-width - shift))

    # Beyond the second end the density is nothing.
    end = min(reach / quantile, 1 + 12 / math.sqrt(freedom))
    return min(1.0, max(0.0, float(quad(inside, 0, end, limit=200)[0])))
