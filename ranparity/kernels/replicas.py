"""Replicas of a net, each of which computes a part of a batch: where they have to agree.

Only batch normalisation looks at a batch as a whole, and of its parts, which are equally large, the
mean and then the variance about it are the means over all replicas. So with these the net is what
it is on one device, up to rounding. A mean over replicas is differentiable: its gradient is the
mean of their gradients.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

Mean = Callable[[Any], Any]  # of a tensor of each replica, to the same one in all of them

_MEANS: list[Mean] = []


@contextlib.contextmanager
def together(mean: Mean) -> Iterator[None]:
    """Have what is computed in the block, or traced, be a replica's.

    Args:
        mean: Over all replicas, as the framework computes it.
    """
    _MEANS.append(mean)
    try:
        yield
    finally:
        _MEANS.pop()


def several() -> bool:
    """Whether what is computed is a replica's."""
    return bool(_MEANS)


def mean(x: Any) -> Any:
    """Give the mean of a tensor over all replicas; of one that is alone, the tensor."""
    return _MEANS[-1](x) if _MEANS else x
