"""The picture of masks: the same figures give the same bytes, others others; bands of modules."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ranparity.pictures import drawing
from ranparity.pictures.attention import Module, Seen, statistics
from ranparity.pictures.images import Chosen


def seen(stage: int = 1, side: int = 4, seed: int = 0) -> Seen:
    before, mask = np.random.default_rng(seed).random((2, 2, side, side))
    module = Module(f"Attention_{stage}", stage, (side, side, 8), True, (None, None, None))
    figures = statistics(mask, is_sigmoid=True)
    return Seen(module, before, mask, (1 + mask) * before, figures)


def chosen(titles: tuple[str, str] = ("class 0", "class 1")) -> Chosen:
    pixels = np.random.default_rng(1).integers(17, size=(2, 8, 8, 3), dtype=np.uint8)
    return Chosen(pixels, 16, pixels.astype(np.float32), titles, ({}, {}))


def opened(png: bytes) -> Any:
    return Image.open(io.BytesIO(png))


def test_the_same_figures_give_the_same_bytes_and_others_others() -> None:
    png = drawing.draw("net", chosen(), [seen()])
    assert png == drawing.draw("net", chosen(), [seen()])
    other = seen(seed=5)
    changed = drawing.draw("net", chosen(), [other])
    assert changed != png
    with opened(png) as image:
        assert set(image.info) == {"Description", "dpi"}, "no program and no date"
        assert drawing.fingerprint(chosen(), [seen()]) in image.info["Description"]
    with opened(changed) as image:
        assert drawing.fingerprint(chosen(), [other]) in image.info["Description"]


def test_what_the_user_has_set_for_matplotlib_changes_nothing() -> None:
    import matplotlib as mpl

    png = drawing.draw("net", chosen(), [seen()])
    with mpl.rc_context({"image.cmap": "gray", "font.size": 30, "savefig.transparent": True}):
        assert drawing.draw("net", chosen(), [seen()]) == png


def test_the_picture_has_room_for_all_modules() -> None:
    sizes = []
    for modules in ([seen()], [seen(), seen(2)], [seen()] * 4):
        with opened(drawing.draw("net", chosen(), modules)) as image:
            sizes.append(image.size)
    assert sizes[0][0] < sizes[1][0]
    assert sizes[0][1] == sizes[1][1] < sizes[2][1]
    assert sizes[2][0] == sizes[1][0], "four modules of a stage are two bands of two"


@pytest.mark.parametrize("title", ["日本 $\\frac$", "\\" * 90])
def test_any_title_can_be_drawn(title: str) -> None:
    with opened(drawing.draw(title[:2], chosen((title, title)), [seen()])) as image:
        assert image.size[0] > 100


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_a_mask_of_one_value_can_be_drawn(value: float) -> None:
    flat = np.full((2, 4, 4), value)
    same = Seen(seen().module, flat, flat, flat, statistics(flat, is_sigmoid=True))
    with opened(drawing.draw("net", chosen(), [same])) as image:
        assert image.size[0] > 100


@given(st.lists(st.integers(1, 7), min_size=1, max_size=5))
def test_bands_are_three_modules_wide_at_most_and_break_no_short_stage(counts: list[int]) -> None:
    modules = [
        seen(stage=stage, side=1) for stage, count in enumerate(counts) for _ in range(count)
    ]
    bands = drawing.parted(modules)
    assert [each for band in bands for each in band] == modules
    assert all(1 <= len(band) <= drawing.ACROSS for band in bands)
    for stage, count in enumerate(counts):
        within = [band for band in bands if any(each.module.stage == stage for each in band)]
        assert len(within) == -(-count // drawing.ACROSS)
