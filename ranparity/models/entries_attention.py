"""The Residual Attention Networks of the zoo: release, CIFAR nets, ablations, others' forms.

Imports no Keras. "The paper" is Wang et al., CVPR 2017 (arXiv 1704.06904).
"""

from __future__ import annotations

from typing import Any

from ranparity.models.config import AttentionConfig, Stage
from ranparity.models.entry import Entry, Figure, Integers, Release

CIFAR, IMAGENET = (32, 32, 3), (224, 224, 3)
CIFAR_DEPTHS = (3, 2, 1)
_RESNEXT = {"unit": "resnext", "bottleneck": 2, "group": 32}


def _imagenet(modules: tuple[int, int, int], **changes: Any) -> AttentionConfig:
    """Stages A, B, C with masks of 3, 2, 1 pools, and a tail of three units (paper, Table 2)."""
    a, b, c = modules
    return AttentionConfig(
        stages=(
            Stage(256, stride=1, modules=a, mask_depth=3),
            Stage(512, stride=2, modules=b, mask_depth=2),
            Stage(1024, stride=2, modules=c, mask_depth=1),
            Stage(2048, stride=2, units=2),
        ),
        **changes,
    )


def _cifar(modules: int, **changes: Any) -> AttentionConfig:
    """Equal modules per stage with ResNet-164's widths: depth 36 m + 20 (paper, Table 6).

    The masks' 3, 2, 1 pools are this project's reading; the paper states them for ImageNet
    only.
    """
    return AttentionConfig(
        stages=tuple(
            Stage(channels, stride=stride, modules=modules, mask_depth=depth, units=1)
            for channels, stride, depth in zip((64, 128, 256), (1, 2, 2), CIFAR_DEPTHS, strict=True)
        ),
        stem="cifar",
        stem_channels=16,
        **changes,
    )


def _e4040(modules: tuple[int, int, int], **changes: Any) -> AttentionConfig:
    """The E4040 form of rl3164, so2639 and st3425: 5x5 stem and 2x2 pool, a 1x1 shortcut always.

    Source: rahullokesh/Residual-Attention-Network-For-Image-Classification at commit f658942,
    utils/model_utils.py. Repaired here: the first module of stage 2 in the 92, which nothing
    read, masks resized by bilinear interpolation, BN in the mask's last layers.
    """
    a, b, c = modules
    return AttentionConfig(
        stages=(
            Stage(64, stride=1, modules=a, mask_depth=3),
            Stage(128, stride=2, modules=b, mask_depth=2),
            Stage(256, stride=2, modules=c, mask_depth=1),
            Stage(512, stride=1, units=2),
        ),
        stem="e4040",
        shortcut="convolution",
        **changes,
    )


def _e4040_wide(modules: tuple[int, int, int], **changes: Any) -> AttentionConfig:
    """The E4040 form of xh2510, qt2139 and kl3350: wider, and modules without a bottleneck.

    Source: ecbme4040/e4040-2021Fall-Project-REAL-xh2510-qt2139-kl3350 at commit 6b9497f, Modual/.
    Repaired here as in `_e4040`; the last two units add their shortcut, which theirs do not.
    """
    a, b, c = modules
    return AttentionConfig(
        stages=(
            Stage(128, stride=1, modules=a, mask_depth=2),
            Stage(256, stride=2, modules=b, mask_depth=1, bottleneck=2),
            Stage(512, stride=2, modules=c, mask_depth=1, bottleneck=2),
            Stage(1024, stride=1, bottleneck=2),
            Stage(1024, stride=1, units=1, bottleneck=1),
        ),
        stem="e4040",
        stem_channels=32,
        module_bottleneck=1,
        shortcut="convolution",
        **changes,
    )


# github.com/tengshaofeng/ResidualAttentionNetwork-pytorch at commit 88ed90f,
# model/residual_attention_network.py, ResidualAttentionModel_92_32input_update.
_TENGSHAOFENG = AttentionConfig(
    stages=(
        Stage(128, stride=1, modules=1, mask_depth=2),
        Stage(256, stride=2, modules=2, mask_depth=1),
        Stage(512, stride=2, modules=3, mask_depth=0),
        Stage(1024, stride=1, units=2),
    ),
    stem="cifar",
    stem_channels=32,
)

ORIGINALS = (
    Entry(
        "attention56",
        "Attention-56",
        "original",
        _imagenet((1, 1, 1)),
        (224, 224, 3),
        1000,
        Integers(385, 110, 107, 31_810_728, 31_883_432, 6_270_836_736),
        odd_size=201,
        reproduces="the authors' Caffe release",
        figures=(
            Figure("trainable_parameters", 31.9e6, "31.9 M", "Table 2"),
            Figure("parameters_with_statistics", 31.9e6, "31.9 M", "Table 2"),
            Figure("macs", 6.2e9, "6.2 G", "Table 2"),
            Figure("macs", 6.3e9, "6.3 G", "Table 7"),
        ),
        release=Release(frozen=True),
    ),
    Entry(
        "attention92",
        "Attention-92",
        "original",
        _imagenet((1, 2, 3)),
        (224, 224, 3),
        1000,
        Integers(631, 179, 176, 52_466_344, 52_599_976, 10_533_789_696),
        odd_size=201,
        reproduces="the authors' Caffe release",
        figures=(
            Figure("trainable_parameters", 51.3e6, "51.3 M", "Table 2"),
            Figure("parameters_with_statistics", 51.3e6, "51.3 M", "Table 2"),
            Figure("macs", 10.4e9, "10.4 G", "Table 2"),
        ),
        release=Release(frozen=True),
    ),
    Entry(
        "attentionnext56",
        "AttentionNeXt-56",
        "original",
        _imagenet((1, 1, 1), **_RESNEXT),
        (224, 224, 3),
        1000,
        Integers(381, 110, 107, 31_318_824, 31_417_256, 6_419_106_816),
        odd_size=201,
        reproduces="the authors' Caffe release",
        figures=(
            Figure("trainable_parameters", 31.9e6, "31.9 M", "Table 7"),
            Figure("parameters_with_statistics", 31.9e6, "31.9 M", "Table 7"),
            Figure("macs", 6.3e9, "6.3 G", "Table 7"),
        ),
        release=Release("AttentionNext-56", frozen=True, param=True),
    ),
    Entry(
        "attentionnext92",
        "AttentionNeXt-92",
        "original",
        _imagenet((1, 2, 3), **_RESNEXT),
        (224, 224, 3),
        1000,
        Integers(621, 179, 173, 52_102_952, 52_274_088, 10_704_337_920),
        odd_size=201,
        reproduces="the authors' Caffe release",
        release=Release(frozen=True, param=True, errata=("classifier-reads-ave_pool",)),
    ),
)


def _figure(value: float, printed: str, where: str) -> tuple[Figure, ...]:
    """The number of parameters that a source prints."""
    return (Figure("trainable_parameters", value, printed, where),)


def _small(
    name: str,
    title: str,
    config: AttentionConfig,
    integers: Integers,
    reproduces: str,
    figures: tuple[Figure, ...] = (),
) -> Entry:
    """A net for 32x32 images of 10 classes."""
    return Entry(
        name,
        title,
        "derived",
        config,
        CIFAR,
        10,
        integers,
        odd_size=25,
        figures=figures,
        reproduces=reproduces,
    )


CIFAR_NETS = (
    _small(
        "attention56-cifar",
        "Attention-56-CIFAR",
        _cifar(1),
        Integers(383, 109, 107, 1_030_394, 1_045_306, 122_825_216),
        "the paper's Tables 1, 3 and 4",
    ),
    _small(
        "attention92-cifar",
        "Attention-92-CIFAR",
        _cifar(2),
        Integers(695, 196, 194, 1_841_274, 1_868_346, 211_913_216),
        "the paper's Tables 3, 5 and 6",
        _figure(1.9e6, "1.9 M", "Table 6"),
    ),
    _small(
        "attention128-cifar",
        "Attention-128-CIFAR",
        _cifar(3),
        Integers(1_007, 283, 281, 2_652_154, 2_691_386, 301_001_216),
        "the paper's Table 3",
    ),
    _small(
        "attention164-cifar",
        "Attention-164-CIFAR",
        _cifar(4),
        Integers(1_319, 370, 368, 3_463_034, 3_514_426, 390_089_216),
        "the paper's Table 3",
    ),
    _small(
        "attention236-cifar",
        "Attention-236-CIFAR",
        _cifar(6),
        Integers(1_943, 544, 542, 5_084_794, 5_160_506, 568_265_216),
        "the paper's Table 6",
        _figure(5.1e6, "5.1 M", "Table 6"),
    ),
    _small(
        "attention452-cifar",
        "Attention-452-CIFAR",
        _cifar(6, p=2, t=4, r=3),
        Integers(4_103, 1_192, 1_190, 10_181_242, 10_339_898, 984_386_048),
        "the paper's Table 6",
        _figure(8.6e6, "8.6 M", "Table 6"),
    ),
)

ABLATIONS = (
    _small(
        "attention56-cifar-channel",
        "Attention-56-CIFAR-channel",
        _cifar(1, activation="channel"),
        Integers(383, 109, 107, 1_030_394, 1_045_309, 122_825_216),
        "the paper's Table 1: channel attention",
    ),
    _small(
        "attention56-cifar-spatial",
        "Attention-56-CIFAR-spatial",
        _cifar(1, activation="spatial"),
        Integers(386, 109, 107, 1_030_394, 1_045_306, 122_825_216),
        "the paper's Table 1: spatial attention",
    ),
    _small(
        "attention56-cifar-naive",
        "Attention-56-CIFAR-naive",
        _cifar(1, learning="naive"),
        Integers(380, 109, 107, 1_030_394, 1_045_306, 122_825_216),
        "the paper's Table 3: naive attention learning",
    ),
    _small(
        "attention92-cifar-naive",
        "Attention-92-CIFAR-naive",
        _cifar(2, learning="naive"),
        Integers(689, 196, 194, 1_841_274, 1_868_346, 211_913_216),
        "the paper's Table 3: naive attention learning",
    ),
    _small(
        "attention128-cifar-naive",
        "Attention-128-CIFAR-naive",
        _cifar(3, learning="naive"),
        Integers(998, 283, 281, 2_652_154, 2_691_386, 301_001_216),
        "the paper's Table 3: naive attention learning",
    ),
    _small(
        "attention164-cifar-naive",
        "Attention-164-CIFAR-naive",
        _cifar(4, learning="naive"),
        Integers(1_307, 370, 368, 3_463_034, 3_514_426, 390_089_216),
        "the paper's Table 3: naive attention learning",
    ),
    _small(
        "attention56-cifar-local",
        "Attention-56-CIFAR-local",
        _cifar(1, mask="local"),
        Integers(308, 91, 89, 1_042_490, 1_056_442, 152_488_448),
        "the paper's Table 4: local convolutions",
    ),
    _small(
        "attention56-cifar-no-skip",
        "Attention-56-CIFAR-no-skip",
        _cifar(1, mask_skip=False),
        Integers(350, 100, 98, 1_003_514, 1_017_658, 120_318_464),
        "the paper's section 3.1 without the skips between bottom-up and top-down",
    ),
)

E4040_NETS = (
    _small(
        "attention56-e4040",
        "Attention-56-E4040",
        _e4040((1, 1, 1)),
        Integers(414, 139, 107, 3_001_226, 3_019_594, 71_527_424),
        "E4040, rl3164, so2639 and st3425",
        _figure(2_877_290, "2,877,290", "E4040 rl3164, summary"),
    ),
    _small(
        "attention92-e4040",
        "Attention-92-E4040",
        _e4040((1, 2, 3)),
        Integers(681, 229, 176, 5_237_514, 5_271_114, 107_826_176),
        "E4040, rl3164, so2639 and st3425",
    ),
    _small(
        "attention56-e4040-naive",
        "Attention-56-E4040-naive",
        _e4040((1, 1, 1), learning="naive"),
        Integers(411, 139, 107, 3_001_226, 3_019_594, 71_527_424),
        "E4040, rl3164, so2639 and st3425: naive attention learning",
    ),
    _small(
        "attention56-e4040-spatial",
        "Attention-56-E4040-spatial",
        _e4040((1, 1, 1), activation="spatial"),
        Integers(417, 139, 107, 3_001_226, 3_019_594, 71_527_424),
        "E4040, rl3164, so2639 and st3425: spatial attention",
        _figure(2_878_186, "2,878,186", "E4040 rl3164, summary"),
    ),
    _small(
        "attention92-e4040-spatial",
        "Attention-92-E4040-spatial",
        _e4040((1, 2, 3), activation="spatial"),
        Integers(687, 229, 176, 5_237_514, 5_271_114, 107_826_176),
        "E4040, rl3164, so2639 and st3425: spatial attention",
        _figure(9_365_738, "9,365,738", "E4040 rl3164, summary"),
    ),
    _small(
        "attention56-e4040-wide",
        "Attention-56-E4040-wide",
        _e4040_wide((1, 1, 1)),
        Integers(342, 115, 89, 56_122_474, 56_180_586, 1_227_728_896),
        "E4040, xh2510, qt2139 and kl3350",
        _figure(54_062_026, "54,062,026", "E4040 xh2510, summary"),
    ),
    _small(
        "attention92-e4040-wide",
        "Attention-92-E4040-wide",
        _e4040_wide((1, 2, 3)),
        Integers(573, 193, 149, 99_820_650, 99_929_962, 1_932_371_968),
        "E4040, xh2510, qt2139 and kl3350",
    ),
    _small(
        "attention56-e4040-wide-plain",
        "Attention-56-E4040-wide-plain",
        _e4040_wide((1, 1, 1), module_sum=False),
        Integers(300, 94, 89, 54_008_938, 54_067_050, 1_169_532_928),
        "E4040, xh2510, qt2139 and kl3350: modules without the residual Add",
    ),
    _small(
        "attention92-e4040-wide-plain",
        "Attention-92-E4040-wide-plain",
        _e4040_wide((1, 2, 3), module_sum=False),
        Integers(495, 154, 149, 94_168_170, 94_277_482, 1_817_552_896),
        "E4040, xh2510, qt2139 and kl3350: modules without the residual Add",
    ),
)

OTHERS = (
    _small(
        "attention92-tengshaofeng",
        "Attention-92-tengshaofeng",
        _TENGSHAOFENG,
        Integers(525, 152, 149, 12_170_730, 12_231_786, 1_089_185_792),
        "tengshaofeng's CIFAR net and ResCon's 92@32, without the size reference added to the mask",
    ),
)

ENTRIES = (*ORIGINALS, *CIFAR_NETS, *ABLATIONS, *E4040_NETS, *OTHERS)
