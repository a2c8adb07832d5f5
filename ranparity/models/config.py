"""The Residual Attention Networks as data: one dataclass for the family. Imports no Keras."""

from __future__ import annotations

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Stage:
    """The units that share one resolution and width.

    Attributes:
        channels: Width of the units' sums.
        stride: Of the projection unit that opens the stage.
        modules: Number of attention modules after it.
        mask_depth: Number of max pools in a module's mask.
        units: Number of units after the modules.
    """

    channels: int
    stride: int
    modules: int = 0
    mask_depth: int = 0
    units: int = 0


@dataclasses.dataclass(frozen=True)
class Spelling:
    """How the published files spell what the two kinds of net name differently."""

    down: str
    up: str
    residual: str


PREACTIVATION_SPELLING = Spelling("down_sample", "up_sample", "{module}_residual")
RESNEXT_SPELLING = Spelling("down", "up", "{module}/attention_residual")


@dataclasses.dataclass(frozen=True)
class AttentionConfig:
    """One network of the family (Wang et al., CVPR 2017, section 3 and Tables 2 and 6).

    Attributes:
        stages: The stages in order; one without modules is the tail.
        stem: `imagenet` (7x7 convolution of stride 2, 3x3 max pool) or `cifar` (3x3).
        stem_channels: Width of the first convolution.
        unit: `preactivation` (BN and ReLU before each convolution) or `resnext` (grouped,
            BN after each convolution, ReLU after the sum).
        bottleneck: A unit's inner width is its stage's divided by this.
        group: Groups of the units' 3x3 convolutions.
    """

    stages: tuple[Stage, ...]
    stem: Literal["imagenet", "cifar"] = "imagenet"
    stem_channels: int = 64
    unit: Literal["preactivation", "resnext"] = "preactivation"
    bottleneck: int = 4
    group: int = 1

    @property
    def spelling(self) -> Spelling:
        """How layers of this kind of net are named."""
        return RESNEXT_SPELLING if self.unit == "resnext" else PREACTIVATION_SPELLING

    def narrowed(self, factor: int) -> AttentionConfig:
        """The same structure with every width (and the groups) divided by a factor."""
        return dataclasses.replace(
            self,
            stages=tuple(
                dataclasses.replace(stage, channels=stage.channels // factor)
                for stage in self.stages
            ),
            stem_channels=max(1, self.stem_channels // factor),
            group=max(1, self.group // factor),
        )
