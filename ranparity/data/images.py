"""How an image file becomes pixels, by a fixed rule.

It is decoded to RGB (the EXIF orientation and transparency are ignored), and the square in the
middle of it (left and top edge rounded down) is resized with Pillow's antialiased bilinear filter,
which is what resizing the shorter side and cutting out the middle does. An image is stored 8/7
times as large as the network sees it (256 for 224), and the batches cut that out. A JPEG file does
not say exactly which pixels it stands for, so the record holds the versions of Pillow and of its
JPEG decoder.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from ranparity.data.dataset import Labels, Pixels
from ranparity.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

CHANNELS: Final = 3
RULE: Final = "RGB, central square, antialiased bilinear"
_FORMATS: Final = ("JPEG", "PNG")  # of the content, whatever the file is called


@dataclass(frozen=True, eq=False)
class FilePart:
    """A part whose images are decoded whenever they are read.

    Attributes:
        root: The folder that the names begin at.
        names: The files, with `/` between folders.
        labels: Their classes, int64, shape (N,).
        side: Height and width of the squares that they become.
    """

    root: Path
    names: tuple[str, ...]
    labels: Labels
    side: int

    def __post_init__(self) -> None:
        self.labels.flags.writeable = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        return self.side, self.side, CHANNELS

    def read(self, chosen: NDArray[np.int64]) -> Pixels:
        """Decode images by their places, several at a time; shape (n, side, side, 3)."""
        pixels = np.empty((len(chosen), *self.shape), np.uint8)
        paths = [self.root / self.names[place] for place in chosen.tolist()]

        def decode_into(place: int) -> None:
            pixels[place] = decode(paths[place], self.side)

        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            for _ in pool.map(decode_into, range(len(paths))):
                pass
        return pixels


def stored_size(image_size: int) -> int:
    """Give the side of the stored square: 8/7 of what the network sees, to the nearest integer.

    A half never occurs: 16 n / 14 has no remainder of 7, as 16 n is even and 14 k + 7 is odd.
    """
    return (16 * image_size + 7) // 14


def decode(path: Path, side: int) -> Pixels:
    """Give the square in the middle of an image, resized; shape (side, side, 3), uint8.

    Raises:
        InputError: It cannot be read as JPEG or PNG.
    """
    import PIL.Image

    try:
        with PIL.Image.open(path, formats=_FORMATS) as image:
            return np.asarray(_square(image, side))
    except Exception as error:  # Pillow's decoders raise many kinds, by what is wrong
        raise InputError(
            f"{path}: cannot be read as a JPEG or PNG image: {_reason(error)}"
        ) from error


def _reason(error: Exception) -> str:
    """Say what is wrong with an image, without its path."""
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "it is neither"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _square(image: Image, side: int) -> Image:
    """Give the central square in RGB."""
    from PIL.Image import Resampling

    if image.mode == "P":  # the colours of a palette can have transparency, which RGBA can hold
        image = image.convert("RGBA")
    if image.mode[0] in "IF":  # Pillow would cut these off at 255
        raise ValueError("it has more than 8 bits a pixel; make it one of 8 bits")
    width, height = image.size
    short = min(width, height)
    left, top = (width - short) // 2, (height - short) // 2
    box = (left, top, left + short, top + short)
    return image.convert("RGB").resize((side, side), Resampling.BILINEAR, box=box)


def versions() -> dict[str, str]:
    """Give what decodes the images."""
    import PIL
    from PIL import features

    turbo = features.version("libjpeg_turbo")
    decoder = f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version('jpg')}"
    return {"pillow": PIL.__version__, "jpeg_decoder": decoder}
