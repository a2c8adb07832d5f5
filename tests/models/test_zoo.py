"""The zoo's entries, and that adding one is enough."""

from __future__ import annotations

import dataclasses

import pytest

from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.models.config import AttentionConfig, Stage


@pytest.mark.parametrize("name", zoo.ENTRIES)
def test_every_entry_has_its_prototxt(name: str) -> None:
    path = zoo.entry(name).prototxt
    assert path.is_file()
    assert path.name == f"{zoo.entry(name).title}.prototxt"


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(InputError) as caught:
        zoo.entry("attention57")
    names = ", ".join(zoo.ENTRIES)
    assert str(caught.value) == f"unknown model 'attention57': expected one of {names}"


def test_an_entry_without_its_prototxt_says_how_to_write_it() -> None:
    other = dataclasses.replace(zoo.entry("attention56"), name="other", title="Other")
    with pytest.raises(InputError, match="write it with: ranparity export other"):
        other.prototxt  # noqa: B018


def convolutions(config: AttentionConfig) -> int:
    """Convolutions as the paper counts them, worked out from the structure in section 3."""

    def units(stage: Stage) -> int:
        """3 in the trunk, a fourth at the end; in the mask D down, one more, D-1 up, D-1 skips."""
        mask = stage.mask_depth + 1 + 2 * (stage.mask_depth - 1)
        return stage.modules * (4 + mask) + stage.units

    linear = sum(2 * stage.modules for stage in config.stages)
    projections = len(config.stages)
    plain = 3 * sum(units(stage) for stage in config.stages)
    return 1 + 4 * projections + plain + linear


@pytest.mark.parametrize("name", zoo.ENTRIES)
def test_the_recorded_convolutions_are_the_papers(name: str) -> None:
    entry = zoo.entry(name)
    assert convolutions(entry.config) == entry.integers.convolutions


def test_the_cifar_reading_gives_the_sources_parameters() -> None:
    """Attention-92 and -236 of the source's table differ by their modules alone.

    1,841,274 at m = 2 and 5,084,794 at m = 6 make 810,880 a module row, and so 1,030,394 at
    m = 1.
    """
    per_module = (5_084_794 - 1_841_274) // 4
    assert 1_841_274 - per_module == zoo.entry("attention56-cifar").integers.trainable_parameters


def test_narrowed_keeps_the_structure() -> None:
    config = zoo.entry("attentionnext56").config
    narrow = config.narrowed(8)
    assert [stage.channels for stage in narrow.stages] == [32, 64, 128, 256]
    assert (narrow.group, narrow.stem_channels) == (4, 8)
    assert convolutions(narrow) == convolutions(config)
