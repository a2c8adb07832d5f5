"""The zoo's entries, and that adding one is enough."""

from __future__ import annotations

import dataclasses

import pytest

from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.models.config import AttentionConfig, Config, DRANetConfig, ResNetConfig, Stage


@pytest.mark.parametrize("name", zoo.ENTRIES)
def test_every_entry_has_its_prototxt(name: str) -> None:
    path = zoo.entry(name).prototxt
    assert path.is_file()
    assert path.name == f"{zoo.entry(name).title}.prototxt"


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(InputError) as caught:
        zoo.entry("attention57")
    names = ", ".join(zoo.ENTRIES)
    assert str(caught.value) == (
        f"unknown model 'attention57': expected one of {names}, or NAME@N for one with every width "
        "divided by N"
    )


def test_an_entry_without_its_prototxt_says_how_to_write_it() -> None:
    other = dataclasses.replace(zoo.entry("attention56"), name="other", title="Other")
    with pytest.raises(InputError, match="write it with: ranparity export other"):
        other.prototxt  # noqa: B018


def convolutions(config: Config) -> int:
    """Convolutions as the sources count them, worked out from the structure that they describe."""
    if isinstance(config, DRANetConfig):
        return convolutions(config.backbone)
    if isinstance(config, ResNetConfig):
        return 1 + 2 * sum(config.units) + len(config.units) - 1  # and where the width changes
    return 1 + sum(of_stage(config, stage) for stage in config.stages)


def of_stage(config: AttentionConfig, stage: Stage) -> int:
    """Three a unit and one for each projection; two more at the end of a mask (section 3)."""
    inside = stage.modules * (2 * config.p + config.t + of_mask(config, stage.mask_depth))
    projected = stage.units + config.module_sum * inside if config.shortcut != "identity" else 0
    return 3 * (1 + inside + stage.units) + 1 + projected + 2 * stage.modules


def of_mask(config: AttentionConfig, depth: int) -> int:
    """Units: r below each pool and r more at the bottom, r above each resizing but the last.

    A skip is a unit more for each level but the lowest. Without a pool there are r and r.
    """
    if config.mask == "local":
        return 3
    levels = max(depth, 1) - 1
    return config.r * (max(depth, 1) + 1 + levels) + config.mask_skip * levels


@pytest.mark.parametrize("name", zoo.ENTRIES)
def test_the_recorded_convolutions_are_the_papers(name: str) -> None:
    entry = zoo.entry(name)
    assert entry.integers is not None
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
