"""What the directions session asks, stated before anything is trained: statistics and their rule.

Each statistic is a sum of held-out errors of one seed, each with its factor, so that seeds are
paired: all nets of a seed see the same images in the same order, and the same labels where there is
noise. The nets are narrow and the trainings short: directions are tried here, not figures.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

SHARE = 0.95
RULE = (
    f"over seeds, the two-sided {SHARE:.0%} t interval of the mean: above 0 the direction holds "
    "(yes), below 0 it does not (no), around 0 it is inconclusive"
)
LEVELS = (0.1, 0.3, 0.5, 0.7)  # of label noise, as in the paper's Table 5
Holds = Literal["yes", "no", "inconclusive"]


@dataclass(frozen=True)
class Condition:
    """What is trained once a seed: a net with a share of wrong training labels."""

    model: str
    noise: float = 0.0


@dataclass(frozen=True)
class Experiment:
    """A direction to be tried.

    Attributes:
        name: What records call it.
        what: The nets and what is done with them, in words.
        statistic: What each seed gives, in words; in points of percent.
        direction: What the claim says of it, in words.
        factors: Of the error of each condition, in points of percent.
    """

    name: str
    what: str
    statistic: str
    direction: str
    factors: Mapping[Condition, float]

    def value(self, errors: Mapping[Condition, float]) -> float:
        """Give a seed's statistic.

        Args:
            errors: In points of percent.
        """
        return math.fsum(factor * errors[each] for each, factor in self.factors.items())


def experiments(depths: Sequence[int], narrow: str) -> list[Experiment]:
    """Give the experiments, on whatever data.

    Args:
        depths: Of the attention nets that are held against naive learning.
        narrow: What the names of narrow nets end with, such as `@8`.
    """
    learned = {f"attention{depth}-cifar": f"attention{depth}-cifar-naive" for depth in depths}
    residual = {
        Condition(f"{name}{narrow}"): sign / len(depths)
        for pair in learned.items()
        for name, sign in zip(pair, (-1.0, 1.0), strict=True)
    }
    baseline, attention = f"resnet164-cifar{narrow}", f"attention92-cifar{narrow}"
    levels = ", ".join(f"{level:.0%}" for level in LEVELS)
    noisy = f"{baseline} and {attention} with label noise of {levels}"
    grown = "the growth of the error from 10 % to 70 % noise, along the least-squares line"
    return [
        Experiment(
            "attention-residual",
            " and ".join(f"{a}{narrow} against {b}{narrow}" for a, b in learned.items()),
            "error of naive learning less error of attention residual learning, mean over depths",
            "above 0: attention residual learning has the lower error (paper, Table 3)",
            residual,
        ),
        Experiment(
            "label-noise",
            noisy,
            f"{grown}: of ResNet-164, less of Attention-92",
            "above 0: the error of Attention-92 grows more slowly (paper, Table 5)",
            {
                **{Condition(baseline, level): _growth(level) for level in LEVELS},
                **{Condition(attention, level): -_growth(level) for level in LEVELS},
            },
        ),
        Experiment(
            "label-noise-error",
            noisy,
            "error of ResNet-164 less error of Attention-92, mean over the levels of noise",
            "above 0: Attention-92 has the lower error under noise (paper, Table 5)",
            {
                **{Condition(baseline, level): 1 / len(LEVELS) for level in LEVELS},
                **{Condition(attention, level): -1 / len(LEVELS) for level in LEVELS},
            },
        ),
        Experiment(
            "label-noise-growth",
            noisy,
            f"{grown}: mean of both nets",
            "above 0: noise makes the error larger (paper, Table 5)",
            {
                Condition(model, level): _growth(level) / 2
                for model in (baseline, attention)
                for level in LEVELS
            },
        ),
    ]


def _growth(level: float) -> float:
    """Give the factor of a level's error in the growth along the least-squares line.

    The line's slope is sum((x - mean) * error) / sum((x - mean)^2).
    """
    centre = statistics.fmean(LEVELS)
    slope = (level - centre) / math.fsum((each - centre) ** 2 for each in LEVELS)
    return slope * (LEVELS[-1] - LEVELS[0])


def judged(values: Sequence[float]) -> dict[str, Any]:
    """Give what the record says of the seeds' values: mean, spread, interval, and what follows.

    Args:
        values: Of two seeds or more; their spread is the standard deviation (divided by n - 1).
    """
    mean, spread = statistics.fmean(values), statistics.stdev(values)
    half = quantile(len(values) - 1) * spread / math.sqrt(len(values))
    interval = (mean - half, mean + half)
    return {
        "per_seed": list(values),
        "mean": mean,
        "spread": spread,
        "interval": list(interval),
        "holds": holds(interval),
    }


def holds(interval: tuple[float, float]) -> Holds:
    """Apply the rule to an interval."""
    if interval[0] > 0:
        return "yes"
    return "no" if interval[1] < 0 else "inconclusive"


def quantile(freedom: int) -> float:
    """Give how many standard errors the interval reaches on each side: Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + SHARE) / 2))
