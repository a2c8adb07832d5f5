"""Trainable parameters and depths by formulas of their own, against the zoo and the sources.

Nothing here builds a net or reads a prototxt: a formula goes from a config to a number, the
recorded integers come from the prototxts (`ranparity check` holds the Keras models to them), and
the sources' numbers are written out.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ranparity.models import zoo
from ranparity.models.config import AttentionConfig, DRANetConfig, ResNetConfig, Stage

STEMS = {"imagenet": 7, "cifar": 3, "bare": 3, "e4040": 5}


@dataclasses.dataclass(frozen=True)
class Count:
    """Parameters of a net of the attention family (the paper's section 3)."""

    config: AttentionConfig

    @property
    def before(self) -> bool:
        """Whether BN and ReLU stand before a convolution, and not after it."""
        return self.config.unit == "preactivation"

    def unit(self, inputs: int, outputs: int, inner: int, shortcut: bool) -> int:
        """1x1, 3x3, 1x1 with a BN each, of 2 parameters a channel, and perhaps a shortcut's 1x1."""
        kernels = inputs * inner + 9 * inner * inner // self.config.group + inner * outputs
        bn = 2 * (inputs + inner + inner) if self.before else 2 * (inner + inner + outputs)
        projection = inputs * outputs + (0 if self.before else 2 * outputs)
        return kernels + bn + shortcut * projection

    def mask_units(self, depth: int) -> int:
        """r after each pool and r more at the bottom; r after each resizing but the last; skips."""
        if self.config.mask == "local":
            return 3
        if depth == 0:
            return 2 * self.config.r
        ups = depth - 1
        return self.config.r * (depth + 1 + ups) + self.config.mask_skip * ups

    def module(self, stage: Stage) -> int:
        """p + t units of the trunk, p after the mask, the mask's, and its two 1x1 convolutions."""
        c, config = stage.channels, self.config
        inner = c // (config.module_bottleneck or config.bottleneck)
        always = config.shortcut == "convolution" and config.module_sum
        units = 2 * config.p + config.t + self.mask_units(stage.mask_depth)
        last = 2 * c * c + (4 * c if self.before else 2 * c)
        return units * self.unit(c, c, inner, always) + last

    def stage(self, inputs: int, stage: Stage) -> int:
        c = stage.channels
        inner = c // (stage.bottleneck or self.config.bottleneck)
        always = self.config.shortcut == "convolution"
        after = stage.units * self.unit(c, c, inner, always)
        return self.unit(inputs, c, inner, True) + stage.modules * self.module(stage) + after

    def net(self, classes: int) -> int:
        """Stem, stages, the BN before the average pool, and a classifier with bias."""
        stem = self.config.stem_channels
        total = STEMS[self.config.stem] ** 2 * 3 * stem
        total += 0 if self.config.stem == "bare" else 2 * stem
        widths = [stem, *(stage.channels for stage in self.config.stages)]
        for inputs, stage in zip(widths, self.config.stages, strict=False):
            total += self.stage(inputs, stage)
        total += 2 * widths[-1] if self.before else 0
        return total + (widths[-1] + 1) * classes

    def depth(self) -> int:
        """Layers as the paper counts them: the trunk's, with stem and classifier, without masks."""
        units = sum(
            1 + (2 * self.config.p + self.config.t) * stage.modules + stage.units
            for stage in self.config.stages
        )
        return 3 * units + 2


def dense(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs


def backbone(config: ResNetConfig) -> int:
    """He et al., 2016, Table 1: pairs of 3x3 convolutions, each convolution with a BN."""
    first = config.channels[0]
    total = (9 if config.stem == "cifar" else 49) * 3 * first + 2 * first
    width = first
    for units, c in zip(config.units, config.channels, strict=True):
        total += 9 * width * c + 2 * c + 9 * c * c + 2 * c
        total += (units - 1) * (2 * 9 * c * c + 4 * c)
        total += width * c + 2 * c if width != c else 0
        width = c
    return total


def dranet(config: DRANetConfig, classes: int) -> int:
    """The layers of the module text of `ranparity.models.dranet`, one a line."""
    f, h = config.backbone.channels[-1], config.hidden
    total = backbone(config.backbone)
    total += dense(f, h)  # embedding
    total += dense(h, config.weighting) + dense(config.weighting, classes)  # adaptive weights
    total += classes * h  # attractors
    total += dense(h, f)  # what they add to the features
    total += dense(f, config.classifying) + dense(config.classifying, classes)
    if config.regulariser == "published":
        total += dense(2 * h, config.distance) + dense(config.distance, 1)  # learned distance
    return total


def parameters(config: Any, classes: int) -> int:
    if isinstance(config, DRANetConfig):
        return dranet(config, classes)
    if isinstance(config, ResNetConfig):
        return backbone(config) + dense(config.channels[-1], classes)
    return Count(config).net(classes)


@pytest.mark.parametrize("name", zoo.ENTRIES)
def test_the_recorded_parameters_are_the_formulas(name: str) -> None:
    entry = zoo.entry(name)
    assert entry.integers is not None
    assert entry.integers.trainable_parameters == parameters(entry.config, entry.classes)


SOURCES = {
    "attention56": 31_810_728,
    "attention92-cifar": 1_841_274,
    "attention236-cifar": 5_084_794,
    "attention452-cifar": 10_181_242,
    "attention92-tengshaofeng": 12_170_730,
    "resnet164-cifar": 1_703_258,
    "resnet18": 11_689_512,
    "resnet18-cifar": 11_173_962,
}


@pytest.mark.parametrize(("name", "number"), SOURCES.items())
def test_the_formula_gives_the_sources_numbers(name: str, number: int) -> None:
    entry = zoo.entry(name)
    assert parameters(entry.config, entry.classes) == number


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("attention92-cifar", 1_707_258),
        ("attention236-cifar", 4_682_746),
        ("attention452-cifar", 9_243_130),
    ],
)
def test_the_other_reading_of_the_cifar_masks_is_smaller(name: str, number: int) -> None:
    """With 2, 1 and 0 pools: the smallest mask map as small as the smallest trunk map."""
    config = zoo.entry(name).config
    assert isinstance(config, AttentionConfig)
    stages = tuple(
        dataclasses.replace(stage, mask_depth=stage.mask_depth - 1) for stage in config.stages
    )
    assert Count(dataclasses.replace(config, stages=stages)).net(10) == number


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        ("attention56-cifar", 1),
        ("attention92-cifar", 2),
        ("attention128-cifar", 3),
        ("attention164-cifar", 4),
        ("attention236-cifar", 6),
    ],
)
def test_the_name_is_the_depth_as_the_paper_counts_it(name: str, modules: int) -> None:
    config = zoo.entry(name).config
    assert isinstance(config, AttentionConfig)
    assert {stage.modules for stage in config.stages} == {modules}
    assert Count(config).depth() == 36 * modules + 20
    assert name == f"attention{36 * modules + 20}-cifar"


@pytest.mark.parametrize(
    ("name", "depth"),
    [("attention452-cifar", 452), ("resnet164-cifar", 164), ("attention56", 56)],
)
def test_the_depth_of_other_nets(name: str, depth: int) -> None:
    config = zoo.entry(name).config
    assert isinstance(config, AttentionConfig)
    assert Count(config).depth() == depth


def test_452_has_the_hyper_parameters_of_table_6() -> None:
    config = zoo.entry("attention452-cifar").config
    assert isinstance(config, AttentionConfig)
    assert (config.p, config.t, config.r) == (2, 4, 3)


FIELDS = {
    "stem_channels": 32,
    "bottleneck": 2,
    "module_bottleneck": 2,
    "p": 2,
    "t": 3,
    "r": 2,
    "mask": "local",
    "mask_skip": False,
    "shortcut": "convolution",
    "stem": "e4040",
    "unit": "resnext",
}


@pytest.mark.parametrize(("field", "value"), FIELDS.items())
def test_a_changed_structure_changes_the_formula(field: str, value: Any) -> None:
    """Else the equality above would say nothing of the field."""
    config = zoo.entry("attention56-cifar").config
    changed = dataclasses.replace(config, **{field: value})
    assert parameters(changed, 10) != parameters(config, 10)
