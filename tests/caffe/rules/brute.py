"""Sizes of windows by counting, which the rules are held against."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import strategies as st

SIZES, SMALL = st.integers(1, 60), st.integers(1, 8)


def window_starts(size: int, pad: int, stride: int) -> Iterator[int]:
    """Where windows start, in pixels of the map: in its padding first, then a stride further."""
    return iter(range(-pad, size + 10 * (pad + stride) + 100, stride))


def brute_convolution(size: int, kernel: int, stride: int, pad: int, dilation: int) -> int | None:
    """Counts the windows all of whose taps lie in the padded map; None where there are none."""
    taps = [dilation * tap for tap in range(kernel)]
    fitting = [
        start for start in window_starts(size, pad, stride) if start + taps[-1] <= size + pad - 1
    ]
    return len(fitting) or None


def brute_pooling(
    size: int, kernel: int, stride: int, pad: int, ceil: bool, clip: bool
) -> int | None:
    """Counts windows: those that fit; with ceil, one more until the padded map is covered.

    Where there is padding, a last window that starts beyond the map and its first padding goes.
    """
    if kernel > size + 2 * pad:
        return None
    windows: list[int] = []
    for start in window_starts(size, pad, stride):
        covered = windows and windows[-1] + kernel >= size + pad
        if covered or (not ceil and start + kernel > size + pad):
            break
        windows.append(start)
    if clip and windows[-1] >= size:
        windows.pop()
    return len(windows)
