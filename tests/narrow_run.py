"""`python -m ranparity.run` with one more network: `narrow`, small enough to be killed often.

Usage: python narrow_run.py OPTIONS. What is not given is that net on the digits, a recipe of its
own of three epochs of 12 steps, and everything that a batch can draw.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

from ranparity import run
from ranparity.models import zoo
from ranparity.models.config import AttentionConfig, Stage

NARROW = replace(
    zoo.ENTRIES["attention56-cifar"],
    name="narrow",
    title="Narrow",
    config=AttentionConfig(
        stages=(Stage(16, stride=2, modules=1, mask_depth=1, units=1),),
        stem="cifar",
        stem_channels=4,
    ),
)
RECIPE = [
    "--batch-size=119",
    "--epochs=3",
    "--schedule=20:0.1",
    "--padding=4",
    "--flip",
    "--shift=1",
    "--mixup=0.5",
    "--mixup-epochs=2",
    "--label-noise=0.1",
]


def main(arguments: Sequence[str]) -> int:
    """Run the command line."""
    zoo.ENTRIES["narrow"] = NARROW
    return run.main(["--model=narrow", *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
