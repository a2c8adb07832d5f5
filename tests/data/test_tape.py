from __future__ import annotations

import hashlib
import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import beta, chisquare, kstest

from ranparity.data.tape import Tape
from ranparity.errors import InputError

SEEDS = st.integers(0, 2**64 - 1)
PLACES = st.integers(0, 2**40)
MASK = 2**64 - 1


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x64-10 in Python's integers, from the paper (Salmon et al., SC 2011, section 3.3)."""
    for _ in range(10):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * counter[0], 2**64)
        high1, low1 = divmod(0xCA5A826395121157 * counter[2], 2**64)
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0]
        key = [(key[0] + 0x9E3779B97F4A7C15) & MASK, (key[1] + 0xBB67AE8584CAA73B) & MASK]
    return counter


@given(seed=SEEDS, purpose=st.text(max_size=20), epoch=PLACES, step=PLACES)
def test_words_are_philox_of_the_documented_key_and_counter(
    seed: int, purpose: str, epoch: int, step: int
) -> None:
    digest = hashlib.sha256(purpose.encode()).digest()
    key = [seed, int.from_bytes(digest[:8], "little")]
    blocks = [philox([block, step, epoch, 0], key) for block in (1, 2)]
    words = Tape(seed).words(purpose, 7, epoch=epoch, step=step)
    assert words.tolist() == list(itertools.chain(*blocks))[:7]


def test_golden_words() -> None:
    words = Tape(7).words("golden", 5, epoch=3, step=2)
    assert words.tolist() == [
        0xCF52AB66B8E77EE8,
        0x287CD97A9922BF51,
        0x7114DF26BD5F4B51,
        0x3FFF821309C4F56E,
        0xDC2669F8505D5A3F,
    ]


def test_golden_draws() -> None:
    drawn, place = Tape(7), {"epoch": 3, "step": 2}
    uniforms = [x.hex() for x in drawn.uniforms("golden", 3, **place).tolist()]
    assert uniforms == ["0x1.9ea556cd71cefp-1", "0x1.43e6cbd4c915cp-3", "0x1.c4537c9af57d2p-2"]
    assert drawn.integers("golden", 8, 10, **place).tolist() == [8, 1, 4, 2, 8, 7, 0, 9]
    assert drawn.permutation("golden", 8, **place).tolist() == [6, 1, 3, 2, 5, 0, 4, 7]
    normals = [x.hex() for x in drawn.normals("golden", 4, **place).tolist()]
    assert normals == [
        "0x1.c135b18a48670p-1",
        "-0x1.00879dbe8fd63p+0",
        "-0x1.2c3b7defa1482p-3",
        "-0x1.5959d10183934p-1",
    ]
    betas = [x.hex() for x in drawn.betas("golden", 3, 0.2, **place).tolist()]
    assert betas == ["0x1.ffdac7ed5d8dfp-1", "0x1.e3e7908e5f682p-1", "0x1.776e77cea1e74p-1"]
    (share,) = drawn.betas("golden", 1, 4.0, **place).tolist()
    assert share.hex() == "0x1.0ab3c19751b6dp-1"


def test_golden_normals_in_bulk() -> None:
    """A million numbers: also the tails, where the logarithm is ours."""
    normals = Tape(0).normals("golden", 1_000_000).astype("<f8")
    assert hashlib.sha256(normals.tobytes()).hexdigest() == GOLDEN_MILLION


def test_golden_betas_in_bulk() -> None:
    drawn = [Tape(0).betas("golden", 10_000, alpha).astype("<f8") for alpha in (0.2, 1.0, 4.0)]
    assert hashlib.sha256(b"".join(betas.tobytes() for betas in drawn)).hexdigest() == GOLDEN_BETAS


GOLDEN_BETAS = "fc424a3026f172072a7fe915a73ff757587777cdbf1f39a4ccb47ca643bcc143"
GOLDEN_MILLION = "8097e603ab5cea340eb5eb40eac9b22e15645b8d4499b16d1aea75e280f609f7"


@given(seed=SEEDS, below=st.integers(1, 2**32))
def test_integers_are_the_floor_of_the_exact_product(seed: int, below: int) -> None:
    drawn = Tape(seed)
    words = drawn.words("x", 20).tolist()
    assert drawn.integers("x", 20, below).tolist() == [word * below >> 64 for word in words]


@pytest.mark.parametrize("below", [0, -1, 2**32 + 1])
def test_integers_refuse_what_their_arithmetic_cannot_hold(below: int) -> None:
    with pytest.raises(ValueError, match="must be from 1 to 2\\^32"):
        Tape(0).integers("x", 1, below)


@given(seed=SEEDS, count=st.integers(0, 300))
def test_a_permutation_has_every_index_once(seed: int, count: int) -> None:
    assert sorted(Tape(seed).permutation("x", count).tolist()) == list(range(count))


@given(seed=SEEDS, first=st.integers(0, 50), more=st.integers(0, 50))
def test_a_longer_draw_begins_with_the_shorter(seed: int, first: int, more: int) -> None:
    drawn = Tape(seed)
    for draw in (drawn.words, drawn.uniforms, drawn.normals):
        longer = draw("x", first + more)
        assert np.array_equal(draw("x", first), longer[:first])  # bit for bit


def test_every_part_of_the_address_counts() -> None:
    addresses = [
        (seed, purpose, epoch, step)
        for seed in (0, 1)
        for purpose in ("a", "b")
        for epoch in (0, 1)
        for step in (0, 1)
    ]
    first = {
        int(Tape(seed).words(purpose, 1, epoch=epoch, step=step)[0])
        for seed, purpose, epoch, step in addresses
    }
    assert len(first) == len(addresses)


def test_uniforms_are_below_one_and_fill_the_interval() -> None:
    uniforms = Tape(1).uniforms("x", 100_000)
    assert 0 <= uniforms.min() < 1e-3
    assert 1 - 1e-3 < uniforms.max() < 1
    assert abs(uniforms.mean() - 0.5) < 5 * math.sqrt(1 / 12 / 100_000)


@pytest.mark.parametrize("below", [2, 9, 300])
def test_integers_are_equally_likely(below: int) -> None:
    """By Pearson's chi-square, which notices if one of them is left out or twice as likely."""
    drawn = Tape(1).integers("x", 100_000, below)
    assert chisquare(np.bincount(drawn, minlength=below)).pvalue > 1e-3
    uneven = Tape(1).integers("x", 100_000, below + 1) % below
    assert chisquare(np.bincount(uneven, minlength=below)).pvalue < 1e-6


def test_normals_have_the_moments_of_a_normal() -> None:
    """Each moment within five standard deviations of its own sampling error."""
    normals, count = Tape(1).normals("x", 200_000), 200_000
    assert abs(normals.mean()) < 5 / math.sqrt(count)
    assert abs((normals**2).mean() - 1) < 5 * math.sqrt(2 / count)
    assert abs((normals**3).mean()) < 5 * math.sqrt(15 / count)
    assert abs((normals**4).mean() - 3) < 5 * math.sqrt(96 / count)


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.4, 1.0, 1.5, 4.0])
def test_betas_are_of_their_distribution(alpha: float) -> None:
    """By Kolmogorov and Smirnov; an alpha that is a fifth off is told apart by as many numbers.

    Only those below a half, as float64 cannot hold what is close to 1; and these are a half.
    """
    betas = Tape(1).betas("x", 50_000, alpha)
    low = betas[betas < 0.5]
    assert abs(len(low) - 25_000) < 5 * math.sqrt(50_000) / 2
    assert kstest(low, lambda x: 2 * beta(alpha, alpha).cdf(x)).pvalue > 1e-3
    assert kstest(low, lambda x: 2 * beta(alpha * 1.2, alpha * 1.2).cdf(x)).pvalue < 1e-6


@given(
    seed=SEEDS,
    alpha=st.one_of(st.floats(0, 4, exclude_min=True), st.floats(0.05, 2)),
    place=PLACES,
)
@example(seed=0, alpha=5e-324, place=0)  # its powers are all 0 and infinite
def test_betas_are_joehnks_of_the_streams_words(seed: int, alpha: float, place: int) -> None:
    """Once more with Python's own powers, one pair after another."""
    drawn = Tape(seed)
    betas = drawn.betas("x", 5, alpha, epoch=place, step=place).tolist()
    words = drawn.words("x", 10_000, epoch=place, step=place).tolist()
    points = [((word >> 12) * 2 + 1) / 2**53 for word in words]
    expected = []
    for u, v in zip(points[::2], points[1::2], strict=True):
        if len(expected) < 5 and power(u, alpha) + power(v, alpha) <= 1:
            apart = (math.log(v) - math.log(u)) / alpha
            expected.append(1 / (1 + math.exp(min(apart, 700))))
    np.testing.assert_allclose(betas, expected, rtol=min(1e-13 / alpha, 0.1), atol=1e-300)


def power(base: float, alpha: float) -> float:
    return math.exp(math.log(base) / alpha)


@given(seed=SEEDS, first=st.integers(0, 40), more=st.integers(0, 40), alpha=st.floats(0.1, 4))
def test_more_betas_begin_with_the_fewer(seed: int, first: int, more: int, alpha: float) -> None:
    longer = Tape(seed).betas("x", first + more, alpha)
    assert np.array_equal(Tape(seed).betas("x", first, alpha), longer[:first])


@pytest.mark.parametrize("alpha", [0, -1, 4.001, math.nan])
def test_betas_refuse_what_they_would_wait_for_too_long(alpha: float) -> None:
    with pytest.raises(ValueError, match=r"must be above 0 and up to 4\. Received: alpha="):
        Tape(0).betas("x", 1, alpha)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_out_of_range_is_bad_input(seed: int) -> None:
    with pytest.raises(InputError, match=f"^seed: expected 0 to 2\\^64 - 1. Received: {seed}$"):
        Tape(seed)
