"""The residual networks of the zoo, and DRA-Net on top of one. Imports no Keras."""

from __future__ import annotations

from ranparity.models.config import AttentionConfig, DRANetConfig, ResNetConfig, Stage
from ranparity.models.entry import Entry, Figure, Integers

CIFAR, IMAGENET = (32, 32, 3), (224, 224, 3)
_SMALL = ResNetConfig(stem="cifar")

# He et al., ECCV 2016 (arXiv 1603.05027), pre-activation: 3 stages of 18 bottlenecks.
_RESNET164 = AttentionConfig(
    stages=(
        Stage(64, stride=1, units=17),
        Stage(128, stride=2, units=17),
        Stage(256, stride=2, units=17),
    ),
    stem="bare",
    stem_channels=16,
)

ENTRIES = (
    Entry(
        "resnet164-cifar",
        "ResNet-164-CIFAR",
        "derived",
        _RESNET164,
        CIFAR,
        10,
        Integers(549, 166, 163, 1_703_258, 1_727_482, 247_646_720),
        odd_size=25,
        figures=(Figure("trainable_parameters", 1.7e6, "1.7 M", "Table 6"),),
        reproduces="the baseline of the paper's Tables 5 and 6 (He et al., ECCV 2016)",
    ),
    Entry(
        "resnet18",
        "ResNet-18",
        "derived",
        ResNetConfig(),
        IMAGENET,
        1000,
        Integers(70, 20, 20, 11_689_512, 11_699_112, 1_814_073_344),
        odd_size=201,
        figures=(Figure("trainable_parameters", 11_689_512, "11,689,512", "PyTorch's model zoo"),),
        reproduces="He et al., CVPR 2016, as in PyTorch's model zoo",
    ),
    Entry(
        "resnet18-cifar",
        "ResNet-18-CIFAR",
        "derived",
        _SMALL,
        CIFAR,
        10,
        Integers(69, 20, 20, 11_173_962, 11_183_562, 555_422_720),
        odd_size=25,
        reproduces="He et al., CVPR 2016, with a 3x3 stem",
    ),
    Entry(
        "dranet",
        "DRA-Net",
        "derived",
        DRANetConfig(),
        IMAGENET,
        10,
        Integers(91, 20, 20, 14_999_893, 15_009_493, 1_817_381_376),
        odd_size=201,
        reproduces="leinusi's DRA-Net, regulariser as coded",
    ),
    Entry(
        "dranet-diversity",
        "DRA-Net-diversity",
        "derived",
        DRANetConfig(regulariser="diversity"),
        IMAGENET,
        10,
        Integers(89, 20, 20, 12_900_692, 12_910_292, 1_815_283_200),
        odd_size=201,
        reproduces="leinusi's DRA-Net, regulariser as its text says",
    ),
    Entry(
        "dranet-cifar",
        "DRA-Net-CIFAR",
        "derived",
        DRANetConfig(_SMALL),
        CIFAR,
        10,
        Integers(90, 20, 20, 14_992_213, 15_001_813, 559_237_632),
        odd_size=25,
        reproduces="leinusi's DRA-Net at 32x32",
    ),
    Entry(
        "dranet-cifar-diversity",
        "DRA-Net-CIFAR-diversity",
        "derived",
        DRANetConfig(_SMALL, regulariser="diversity"),
        CIFAR,
        10,
        Integers(88, 20, 20, 12_893_012, 12_902_612, 557_139_456),
        odd_size=25,
        reproduces="leinusi's DRA-Net at 32x32, regulariser as its text says",
    ),
)
