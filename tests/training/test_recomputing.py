"""Where a net is divided to be computed twice: no other division of its kind needs less."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from hypothesis import given
from hypothesis import strategies as st

from ranparity.training.backends import recomputing
from ranparity.training.backends.recomputing import SHARES, needed, parts

Steps = tuple[list[int], list[int]]


@st.composite
def steps(draw: st.DrawFn, most: int = 9) -> Steps:
    """Sizes, and for each step the last one that reads it; the last one's outlives them all."""
    count = draw(st.integers(1, most))
    sizes = draw(st.lists(st.integers(0, 9), min_size=count, max_size=count))
    lives = [draw(st.integers(place, count)) for place in range(count)]
    return sizes, [*lives[:-1], count]


def divisions(count: int) -> Iterator[list[int]]:
    inner = range(1, count)
    for number in range(count):
        for ends in itertools.combinations(inner, number):
            yield [*ends, count]


def insides(ends: Sequence[int], sizes: Sequence[float]) -> list[tuple[int, float]]:
    """The number of steps of each part, and the memory inside."""
    begun = [0, *ends][: len(ends)]
    return [(b - a, sum(sizes[a:b])) for a, b in zip(begun, ends, strict=True)]


@given(steps(), st.integers(1, 20))
def test_no_division_within_a_limit_hands_on_less(known: Steps, limit: int) -> None:
    sizes, lives = known

    def fits(ends: Sequence[int]) -> bool:
        return all(count == 1 or inside <= limit for count, inside in insides(ends, sizes))

    def handed(ends: Sequence[int]) -> float:
        return needed(ends, sizes, lives) - max(inside for _, inside in insides(ends, sizes))

    found = list(recomputing._within(limit, sizes, lives))
    assert fits(found)
    assert handed(found) == min(handed(ends) for ends in divisions(len(sizes)) if fits(ends))


@given(steps(40))
def test_a_division_is_whole_and_needs_no_more_than_none(known: Steps) -> None:
    sizes, lives = known
    ends = parts(sizes, lives)
    assert ends == sorted(set(ends))
    assert ends[-1] == len(sizes)
    assert ends[0] > 0
    assert needed(ends, sizes, lives) <= needed([len(sizes)], sizes, lives)


def test_a_chain_is_divided_as_by_hand() -> None:
    """16 equal steps, each read by the next: 4 parts of 4 hand on 4 and are 4 inside."""
    sizes, lives = [1.0] * 16, [place + 1 for place in range(16)]
    assert parts(sizes, lives) == [4, 8, 12, 16]
    assert needed([4, 8, 12, 16], sizes, lives) == 8
    assert needed([16], sizes, lives) == 17
    assert 1 in SHARES, "or a net that gains nothing would be divided"


def test_a_part_ends_where_little_is_handed_on() -> None:
    sizes, lives = [4.0, 4.0, 1.0, 4.0, 4.0], [1, 2, 3, 4, 5]
    assert parts(sizes, lives) == [3, 5]
