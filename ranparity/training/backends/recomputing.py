"""Where a net is divided, so that a training keeps little for its way back.

Of each part but the last only what it reads is kept, and the rest is computed a second time, part
by part. So a training needs memory for what the parts hand on, and for one part's inside.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

SHARES = (1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""One over the share of all that a part's inside may be at most."""


def parts(sizes: Sequence[float], lives: Sequence[int]) -> list[int]:
    """Divide steps that follow one another.

    Args:
        sizes: Memory of what each step makes.
        lives: The last step that reads it: its own place if there is none, and the number of steps
            if it outlives them all.

    Returns:
        The end of each part, the number of steps last: those that need the least memory for what is
        handed on and for the largest inside, among insides of at most one over `SHARES` of all.
    """
    found = [list(_within(sum(sizes) / share, sizes, lives)) for share in SHARES]
    return min(found, key=lambda ends: needed(ends, sizes, lives))


def needed(ends: Sequence[int], sizes: Sequence[float], lives: Sequence[int]) -> float:
    """Give the memory that a division needs; see `parts`."""
    begun = [0, *ends][: len(ends)]
    inside = [sum(sizes[a:b]) for a, b in zip(begun, ends, strict=True)]
    handed = [
        sizes[place]
        for a, b in zip(begun, ends, strict=True)
        for place in range(a, b)
        if lives[place] >= b
    ]
    return max(inside, default=0.0) + math.fsum(handed)


def _within(limit: float, sizes: Sequence[float], lives: Sequence[int]) -> Iterator[int]:
    """The ends of the parts that hand on least, none of a larger inside than the limit.

    A single step may have one: it cannot be divided.
    """
    best, before = [0.0], [0]
    for end in range(1, len(sizes) + 1):
        inside = handed = 0.0
        best.append(math.inf)
        before.append(end - 1)
        for begin in range(end - 1, -1, -1):
            inside += sizes[begin]
            if inside > limit and begin < end - 1:
                break
            handed += sizes[begin] if lives[begin] >= end else 0.0
            if best[begin] + handed < best[end]:
                best[end], before[end] = best[begin] + handed, begin
    ends, end = [], len(sizes)
    while end:
        ends.append(end)
        end = before[end]
    yield from reversed(ends)
