"""The networks as data: narrow twins, and the factors that leave a layer without a channel."""

from __future__ import annotations

import dataclasses

import pytest

from ranparity.errors import InputError
from ranparity.models import zoo
from ranparity.models.config import AttentionConfig, DRANetConfig, ResNetConfig

WIDTHS = {
    "channels",
    "stem_channels",
    "group",
    "hidden",
    "weighting",
    "classifying",
    "distance",
}


def flat(value: object, name: str = "") -> dict[str, object]:
    """All fields of a config, those of its parts too."""
    if dataclasses.is_dataclass(value):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {
            k: v for key, part in fields.items() for k, v in flat(part, f"{name}.{key}").items()
        }
    if isinstance(value, tuple):
        return {k: v for n, part in enumerate(value) for k, v in flat(part, f"{name}[{n}]").items()}
    return {name: value}


@pytest.mark.parametrize("name", zoo.ENTRIES)
def test_a_narrow_twin_differs_in_its_widths_alone(name: str) -> None:
    config = zoo.entry(name).config
    before, after = flat(config), flat(config.narrowed(4))
    assert before.keys() == after.keys()
    for field, value in before.items():
        if field.rpartition(".")[2].partition("[")[0] in WIDTHS:
            assert after[field] == max(1, value // 4), field  # type: ignore[operator]
        else:
            assert after[field] == value, field
    assert config.narrowed(1) == config


@pytest.mark.parametrize(
    ("config", "most"),
    [
        (zoo.entry("attention56-cifar").config, 16),
        (zoo.entry("attention92-tengshaofeng").config, 32),
        (zoo.entry("attentionnext56").config, 128),
        (ResNetConfig(), 64),
        (DRANetConfig(), 256),
    ],
)
def test_a_factor_that_leaves_no_channel_is_refused(
    config: AttentionConfig | ResNetConfig | DRANetConfig, most: int
) -> None:
    for factor in (0, -1, most + 1):
        with pytest.raises(InputError) as caught:
            config.narrowed(factor)
        assert str(caught.value) == (
            f"a narrow twin: expected widths divided by 1 to {most}, found {factor}"
        )


def test_a_factor_that_breaks_the_groups_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        zoo.entry("attentionnext56@7")
    assert str(caught.value) == (
        "a narrow twin: expected a number that leaves widths which its 4 groups divide, such as a "
        "power of 2, found 7"
    )
    assert zoo.entry("attentionnext56@128").config.group == 1  # type: ignore[union-attr]


def test_the_widest_division_leaves_one_channel() -> None:
    narrow = zoo.entry("attention56-cifar").config.narrowed(16)
    assert isinstance(narrow, AttentionConfig)
    assert [stage.channels // narrow.bottleneck for stage in narrow.stages] == [1, 2, 4]
    assert narrow.stem_channels == 1


def test_the_parts_of_each_family() -> None:
    assert zoo.entry("attention56").parts == zoo.entry("resnet18").parts == ("whole",)
    assert zoo.entry("dranet").parts == ("whole", "features", "aggregation")


def test_layers_of_the_two_forms_are_spelled_as_in_the_release() -> None:
    plain, resnext = (zoo.entry(f"attention{kind}56").config for kind in ("", "next"))
    assert isinstance(plain, AttentionConfig)
    assert isinstance(resnext, AttentionConfig)
    assert (plain.spelling.down, plain.spelling.up) == ("down_sample", "up_sample")
    assert (resnext.spelling.down, resnext.spelling.up) == ("down", "up")
