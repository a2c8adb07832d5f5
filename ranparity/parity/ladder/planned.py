"""Which cases the sessions of the ladder run, by their records. Loads no more than a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ranparity.models import zoo
from ranparity.parity.ladder.case import LEVELS, PROTOTXT, Case
from ranparity.training.precisions import MIXED

RECORD, QUICK_RECORD, OPINIONS_RECORD = "ladder.json", "ladder-quick.json", "opinions.json"
PUBLISHED = ("attention56", "attention92", "attentionnext56", "attentionnext92")
TRAINED = ("attention56-cifar", "dranet-cifar")
QUICK = (Case("attention56-cifar", (32, 32), 8, levels=(1, 2, 3)),)
CASES = (
    *(Case(name, (32, 32), 8, levels=LEVELS) for name in TRAINED),
    *(Case(name, (32, 32), 8, levels=(1, 2), precision="float64") for name in TRAINED),
    *(Case(TRAINED[0], (32, 32), 8, levels=(1, 2, 3), precision=each) for each in MIXED),
    Case(TRAINED[0], (32, 32), 8, levels=(3, 4), devices=2),
    *(Case(name, (224, 224), 2, levels=(1, 2, 3)) for name in PUBLISHED),
)
MOST = 224  # pixels of second opinions' images
OPINIONS = tuple(
    Case(f"{zoo.entry(name).title}{PROTOTXT}", (MOST, MOST), 1, levels=(1,)) for name in PUBLISHED
)
"""Of the files that a second opinion is asked of by default, those that everybody has."""
BY_RECORD: Mapping[str, Sequence[Case]] = {
    RECORD: CASES,
    QUICK_RECORD: QUICK,
    OPINIONS_RECORD: OPINIONS,
}
