"""What the zoo says of a network: one `Entry` each. Imports no Keras until a model is built."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ranparity import files
from ranparity.errors import InputError
from ranparity.models.config import Config

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
        integers: Counts that a check asserts; a narrow twin has none.
        odd_size: A second input size, in pixels, at which Caffe's ceil rule and `same` part.
        figures: What the paper says of it.
        reproduces: What of which source it is, in a few words.
        release: What the published file says beside the structure.
    """

    name: str
    title: str
    origin: Literal["original", "derived"]
    config: Config
    input_shape: tuple[int, int, int]
    classes: int
    integers: Integers | None
    odd_size: int
    figures: tuple[Figure, ...] = ()
    reproduces: str = ""
    release: Release = Release()

    @property
    def prototxt(self) -> Path:
        """Its file: in the installed package, or in prototxt/ of the source tree.

        Raises:
            InputError: There is no such file, because it has not been exported yet.
        """
        for folder in PROTOTXT_FOLDERS:
            if (folder / f"{self.title}.prototxt").is_file():
                return folder / f"{self.title}.prototxt"
        if "@" in self.name:
            raise InputError(
                f"{self.name}: expected a net of the zoo, found a narrow twin, which has no "
                "prototxt: leave @N out"
            )
        raise InputError(
            f"{self.name}: expected {self.title}.prototxt in {PROTOTXT_FOLDERS[-1]}; write it "
            f"with: ranparity export {self.name}"
        )

    @property
    def prototxt_digest(self) -> str:
        """SHA-256 of its file; raises as `prototxt` does."""
        return files.digest(self.prototxt)

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Heights and widths that a check builds it at: its own, and an odd one."""
        return self.input_shape[:2], (self.odd_size, self.odd_size)

    @property
    def parts(self) -> tuple[str, ...]:
        """What `build` can build: `whole`, and what else a stage of a training may train."""
        return self.config.parts

    def narrowed(self, factor: int) -> Entry:
        """Its narrow twin: the same structure, every width divided by a factor, no prototxt."""
        return dataclasses.replace(
            self,
            name=f"{self.name}@{factor}",
            title=f"{self.title}@{factor}",
            origin="derived",
            config=self.config.narrowed(factor),
            integers=None,
            figures=(),
            release=Release(),
            reproduces=f"nothing: {self.title} with every width divided by {factor}",
        )

    def build(
        self, *, part: str = "whole", input_shape: tuple[int, ...] | None = None, **arguments: Any
    ) -> keras.Model:
        """Builds the Keras model; other arguments as in `ranparity.models.Attention56`.

        Args:
            part: One of `parts`.
            input_shape: (H, W, C), or (C, H, W) with `channels_first`; by default its own.
            **arguments: Such as `classes`, `weights`, `data_format` and `initializer`.

        Raises:
            InputError: It has no such part.
        """
        import keras

        if part not in self.parts:
            raise InputError(
                f"{self.name}: expected one of its parts {', '.join(self.parts)}, found {part}"
            )

        data_format = arguments.get("data_format") or keras.config.image_data_format()
        if input_shape is None:
            height, width, channels = self.input_shape
            first = data_format == "channels_first"
            input_shape = (channels, height, width) if first else self.input_shape
        module, _, function = self.config.builder.partition(":")
        build = getattr(importlib.import_module(module), function)
        defaults: dict[str, Any] = {"classes": self.classes, "name": self.name.replace("@", "-by-")}
        if part != "whole":
            defaults["part"] = part
        return build(self.config, input_shape=input_shape, **(defaults | arguments))


def function_name(entry: Entry) -> str:
    """The name of the function that builds it: `DRANetDiversity` for DRA-Net-diversity."""
    return "".join(part[:1].upper() + part[1:] for part in entry.title.split("-"))
