"""The networks as data: one dataclass for each family. Imports no Keras."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

from ranparity.errors import InputError


@dataclasses.dataclass(frozen=True)
class Stage:
    """The units that share one resolution and width.

    Attributes:
        channels: Width of the units' sums.
        stride: Of the projection unit that opens the stage.
        modules: Number of attention modules after it.
        mask_depth: Number of max pools in a module's mask.
        units: Number of units after the modules.
        bottleneck: What the inner width of the units outside of modules is divided by, if that is
            another number than the net's.
    """

    channels: int
    stride: int
    modules: int = 0
    mask_depth: int = 0
    units: int = 0
    bottleneck: int | None = None


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
    """One network of the family (Wang et al., CVPR 2017, section 3, Tables 1 to 6).

    A net whose stages have no modules is a plain residual network of the same units.

    Attributes:
        stages: The stages in order; one without modules is the tail.
        stem: `imagenet` (7x7 convolution of stride 2, BN, ReLU, 3x3 max pool), `cifar` (3x3, BN,
            ReLU), `bare` (3x3 alone, as in ResNet-164: He et al., 2016) or `e4040` (5x5, BN, ReLU,
            2x2 max pool).
        stem_channels: Width of the first convolution.
        unit: `preactivation` (BN and ReLU before each convolution) or `resnext` (grouped,
            BN after each convolution, ReLU after the sum).
        bottleneck: A unit's inner width is its stage's divided by this;
        module_bottleneck: or by this within the modules, if it is given.
        group: Groups of the units' 3x3 convolutions.
        p: Units before a module splits into trunk and mask, and again after its end.
        t: Units of the trunk.
        r: Units between two pools of the mask.
        mask: `encoder-decoder` (pools down, interpolations up) or `local` (three units at the
            trunk's resolution; Table 4).
        mask_skip: Whether a unit leads from each level down to the same level up.
        shortcut: `identity`, or `convolution`: every unit's shortcut is a 1x1 convolution.
        module_sum: Whether the units of the modules add their shortcut at all.
        activation: Of the mask (section 3.2): `mixed` (sigmoid), `channel` (L2 normalisation over
            channels at each position) or `spatial` (each channel's map standardised, then sigmoid).
        learning: `residual`, (1 + M) * T, or `naive`, M * T (section 3.2).
        head: `average` (the whole last map is averaged, then the classifier) or `flatten` (the
            classifier reads the last map itself).
    """

    stages: tuple[Stage, ...]
    stem: Literal["imagenet", "cifar", "bare", "e4040"] = "imagenet"
    stem_channels: int = 64
    unit: Literal["preactivation", "resnext"] = "preactivation"
    bottleneck: int = 4
    module_bottleneck: int | None = None
    group: int = 1
    p: int = 1
    t: int = 2
    r: int = 1
    mask: Literal["encoder-decoder", "local"] = "encoder-decoder"
    mask_skip: bool = True
    shortcut: Literal["identity", "convolution"] = "identity"
    module_sum: bool = True
    activation: Literal["mixed", "channel", "spatial"] = "mixed"
    learning: Literal["residual", "naive"] = "residual"
    head: Literal["average", "flatten"] = "average"

    builder: ClassVar[str] = "ranparity.models.attention:build_attention"
    parts: ClassVar[tuple[str, ...]] = ("whole",)

    @property
    def spelling(self) -> Spelling:
        """How layers of this kind of net are named."""
        return RESNEXT_SPELLING if self.unit == "resnext" else PREACTIVATION_SPELLING

    def narrowed(self, factor: int) -> AttentionConfig:
        """The same structure with every width (and the groups) divided by a factor."""
        _check(factor, [stage.channels // self.bottleneck for stage in self.stages])
        group = max(1, self.group // factor)
        _check_groups(factor, group, [s.channels // factor // self.bottleneck for s in self.stages])
        return dataclasses.replace(
            self,
            stages=tuple(
                dataclasses.replace(stage, channels=stage.channels // factor)
                for stage in self.stages
            ),
            stem_channels=max(1, self.stem_channels // factor),
            group=group,
        )


@dataclasses.dataclass(frozen=True)
class ResNetConfig:
    """A residual network of two-convolution units (He et al., CVPR 2016, Table 1).

    Attributes:
        units: Number of units in each stage.
        channels: Width of each stage.
        stem: `imagenet` (7x7 convolution of stride 2, 3x3 max pool) or `cifar` (3x3, no pool).
    """

    units: tuple[int, ...] = (2, 2, 2, 2)
    channels: tuple[int, ...] = (64, 128, 256, 512)
    stem: Literal["imagenet", "cifar"] = "imagenet"

    builder: ClassVar[str] = "ranparity.models.resnet:build_resnet"
    parts: ClassVar[tuple[str, ...]] = ("whole",)

    def narrowed(self, factor: int) -> ResNetConfig:
        """The same structure with every width divided by a factor."""
        _check(factor, self.channels)
        return dataclasses.replace(self, channels=tuple(c // factor for c in self.channels))


@dataclasses.dataclass(frozen=True)
class DRANetConfig:
    """DRA-Net: features, adaptive weights, attractors, residual aggregation (leinusi/DRA-Net).

    Attributes:
        backbone: The feature extractor.
        hidden: Width of the attractors, and of what their weights are computed from.
        weighting: Hidden width of the MLP that gives the adaptive weights.
        classifying: Hidden width of the MLP that gives the classes.
        distance: Hidden width of the MLP that learns the distance of two attractors.
        regulariser: `published` (the mean learned distance of attractor pairs, added to the loss
            and so minimised, as coded) or `diversity` (the mean Euclidean distance, subtracted and
            so rewarded, as the text says).
        regulariser_weight: Its factor in the loss.
        backbone_classes: Of the classifier that the features are trained with in the first stage.
    """

    backbone: ResNetConfig = ResNetConfig()
    hidden: int = 1024
    weighting: int = 512
    classifying: int = 256
    distance: int = 1024
    regulariser: Literal["published", "diversity"] = "published"
    regulariser_weight: float = 1e-3
    backbone_classes: int = 1000

    builder: ClassVar[str] = "ranparity.models.dranet:build_dranet"
    parts: ClassVar[tuple[str, ...]] = ("whole", "features", "aggregation")

    def narrowed(self, factor: int) -> DRANetConfig:
        """The same structure with every width divided by a factor."""
        names = ("hidden", "weighting", "classifying", "distance")
        _check(factor, [getattr(self, name) for name in names])
        widths = {name: getattr(self, name) // factor for name in names}
        return dataclasses.replace(self, backbone=self.backbone.narrowed(factor), **widths)


Config = AttentionConfig | ResNetConfig | DRANetConfig


def _check(factor: int, widths: list[int] | tuple[int, ...]) -> None:
    """Refuses a factor that leaves a layer without a channel."""
    if factor < 1 or min(widths) // factor < 1:
        raise InputError(
            f"a narrow twin: expected widths divided by 1 to {min(widths)}, found {factor}"
        )


def _check_groups(factor: int, group: int, widths: list[int]) -> None:
    """Refuses a factor that leaves 3x3 convolutions with a part of a group."""
    if any(width % group for width in widths):
        raise InputError(
            f"a narrow twin: expected a number that leaves widths which its {group} groups divide, "
            f"such as a power of 2, found {factor}"
        )
