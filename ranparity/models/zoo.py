"""The networks by name: one entry each. Imports no Keras until a model is built.

To add a network of a known family, add one `Entry`; every check, report row and test picks it
up.
"""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ranparity.errors import InputError
from ranparity.models.config import AttentionConfig, Stage

if TYPE_CHECKING:
    import keras

_PACKAGE = Path(__file__).resolve().parents[1]
PROTOTXT_FOLDERS = (_PACKAGE / "prototxt", _PACKAGE.parent / "prototxt")


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure that the paper gives for a network.

    Attributes:
        what: `trainable_parameters`, `parameters_with_statistics` or `macs`: what it is held
            against here.
        value: In units of one.
        printed: As the paper prints it.
        where: The place in the paper.
    """

    what: str
    value: float
    printed: str
    where: str


@dataclasses.dataclass(frozen=True)
class Integers:
    """Counts of a published net at its own size; a check asserts them exactly."""

    layers: int
    convolutions: int
    bn: int
    trainable_parameters: int
    parameters_with_statistics: int
    macs: int


@dataclasses.dataclass(frozen=True)
class Release:
    """What a published file says that a Keras model does not hold.

    Attributes:
        net_name: The net's name in the file, where it is not the title.
        frozen: Whether the BN layers say `frozen`.
        param: Whether the convolutions carry a `param` message at its defaults.
        errata: Repairs of the published file that the prototxt here includes.
    """

    net_name: str | None = None
    frozen: bool = False
    param: bool = False
    errata: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Entry:
    """A network of the zoo.

    Attributes:
        name: What commands call it.
        title: Its name in tables, and its file's name.
        origin: `original` if its authors published a prototxt, otherwise `derived`.
        config: Its structure.
        input_shape: (H, W, C), in pixels.
        classes: Number of classes.
        integers: Counts that a check asserts.
        odd_size: A second input size, in pixels, at which Caffe's ceil rule and `same` part.
        figures: What the paper says of it.
        release: What the published file says beside the structure.
        builder: The function that builds a config, as `module:function`.
    """

    name: str
    title: str
    origin: Literal["original", "derived"]
    config: AttentionConfig
    input_shape: tuple[int, int, int]
    classes: int
    integers: Integers
    odd_size: int
    figures: tuple[Figure, ...] = ()
    release: Release = Release()
    builder: str = "ranparity.models.attention:build_attention"

    @property
    def prototxt(self) -> Path:
        """Its file: in the installed package, or in prototxt/ of the source tree.

        Raises:
            InputError: There is no such file, because it has not been exported yet.
        """
        for folder in PROTOTXT_FOLDERS:
            if (folder / f"{self.title}.prototxt").is_file():
                return folder / f"{self.title}.prototxt"
        raise InputError(
            f"{self.name}: expected {self.title}.prototxt in {PROTOTXT_FOLDERS[-1]}; write it "
            f"with: ranparity export {self.name}"
        )

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Heights and widths that a check builds it at: its own, and an odd one."""
        return self.input_shape[:2], (self.odd_size, self.odd_size)

    def build(self, *, input_shape: tuple[int, ...] | None = None, **arguments: Any) -> keras.Model:
        """Builds the Keras model; arguments as in `ranparity.models.Attention56`."""
        import keras

        data_format = arguments.get("data_format") or keras.config.image_data_format()
        if input_shape is None:
            height, width, channels = self.input_shape
            first = data_format == "channels_first"
            input_shape = (channels, height, width) if first else self.input_shape
        module, _, function = self.builder.partition(":")
        build = getattr(importlib.import_module(module), function)
        defaults = {"classes": self.classes, "name": self.name}
        return build(self.config, input_shape=input_shape, **(defaults | arguments))


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


def _cifar(modules: int) -> AttentionConfig:
    """Equal modules per stage with ResNet-164's widths: depth 36 m + 20 (paper, Table 6).

    The masks' 3, 2, 1 pools are this project's reading; the paper states them for ImageNet
    only.
    """
    return AttentionConfig(
        stages=(
            Stage(64, stride=1, modules=modules, mask_depth=3, units=1),
            Stage(128, stride=2, modules=modules, mask_depth=2, units=1),
            Stage(256, stride=2, modules=modules, mask_depth=1, units=1),
        ),
        stem="cifar",
        stem_channels=16,
    )


_RESNEXT = {"unit": "resnext", "bottleneck": 2, "group": 32}

ENTRIES = {
    entry.name: entry
    for entry in (
        Entry(
            "attention56",
            "Attention-56",
            "original",
            _imagenet((1, 1, 1)),
            (224, 224, 3),
            1000,
            Integers(385, 110, 107, 31_810_728, 31_883_432, 6_270_836_736),
            odd_size=201,
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
            release=Release(frozen=True, param=True, errata=("classifier-reads-ave_pool",)),
        ),
        Entry(
            "attention56-cifar",
            "Attention-56-CIFAR",
            "derived",
            _cifar(1),
            (32, 32, 3),
            10,
            Integers(383, 109, 107, 1_030_394, 1_045_306, 122_825_216),
            odd_size=25,
        ),
    )
}


def entry(name: str) -> Entry:
    """Returns a network by its name.

    Raises:
        InputError: There is none of this name.
    """
    if name not in ENTRIES:
        raise InputError(f"unknown model {name!r}: expected one of {', '.join(ENTRIES)}")
    return ENTRIES[name]
