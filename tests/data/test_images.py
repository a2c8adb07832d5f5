from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ranparity.data import images
from ranparity.data.images import FilePart
from ranparity.errors import InputError

BROKEN = "cannot be read as a JPEG or PNG image"


def picture(width: int, height: int) -> Image.Image:
    """A picture whose red is the column and whose green is the row."""
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    return Image.fromarray(np.stack([columns, rows, np.full_like(rows, 9)], axis=-1))


def test_the_stored_square_is_eight_sevenths() -> None:
    sizes = {size: images.stored_size(size) for size in (1, 7, 32, 224, 299, 320)}
    assert sizes == {1: 1, 7: 8, 32: 37, 224: 256, 299: 342, 320: 366}


@given(st.integers(1, 10_000))
def test_the_stored_square_is_the_nearest_integer(size: int) -> None:
    assert abs(7 * images.stored_size(size) - 8 * size) <= 3


@pytest.mark.parametrize(
    ("width", "height", "left", "top"),
    [(20, 20, 0, 0), (31, 20, 5, 0), (20, 31, 0, 5), (30, 20, 5, 0), (20, 21, 0, 0)],
)
def test_the_square_is_in_the_middle(
    width: int, height: int, left: int, top: int, tmp_path: Path
) -> None:
    picture(width, height).save(tmp_path / "a.png")
    pixels = images.decode(tmp_path / "a.png", 20)
    assert pixels.shape == (20, 20, 3)
    assert pixels[0, 0].tolist() == [left, top, 9]
    assert pixels[19, 19].tolist() == [left + 19, top + 19, 9]


def test_it_is_nearly_what_resizing_the_whole_and_then_cutting_gives(tmp_path: Path) -> None:
    whole = picture(200, 100)
    whole.save(tmp_path / "a.png")
    resized = whole.resize((74, 37), Image.Resampling.BILINEAR)
    middle = np.asarray(resized.crop((18, 0, 55, 37))).astype(int)  # 18.5 is the exact middle
    difference = images.decode(tmp_path / "a.png", 37).astype(int) - middle
    assert abs(difference).max() <= 2  # half a pixel of 200 / 74 columns


def test_the_orientation_in_exif_is_ignored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    picture(20, 20).save(tmp_path / "a.jpg", quality=95)
    picture(20, 20).save(tmp_path / "b.jpg", quality=95, exif=exif)
    plain, turned = (images.decode(tmp_path / name, 20) for name in ("a.jpg", "b.jpg"))
    assert plain.tolist() == turned.tolist()


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "CMYK"])
def test_other_colour_modes_become_rgb(mode: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    extra = {"transparency": b"\x00\x80"} if mode == "P" else {}
    picture(20, 20).convert(mode).save(path, **extra)
    pixels = images.decode(path, 20)
    assert (pixels.shape, pixels.dtype) == ((20, 20, 3), np.uint8)
    if mode in ("L", "LA"):
        grey = np.asarray(picture(20, 20).convert("L"))
        assert pixels.tolist() == np.repeat(grey[..., np.newaxis], 3, axis=2).tolist()


def test_the_suffix_does_not_decide(tmp_path: Path) -> None:
    picture(20, 20).save(tmp_path / "a.jpg", format="PNG")
    assert images.decode(tmp_path / "a.jpg", 20)[3, 4].tolist() == [4, 3, 9]


def message(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        images.decode(path, 20)
    return str(caught.value)


def test_sixteen_bits_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.full((20, 20), 1000, np.uint16)).save(path)
    assert (
        message(path) == f"{path}: {BROKEN}: it has more than 8 bits a pixel; make it one of 8 bits"
    )


@pytest.mark.parametrize("content", [b"", b"text", b"GIF89a" + bytes(40)])
def test_another_format_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    assert message(path) == f"{path}: {BROKEN}: it is neither"


def test_a_real_gif_is_refused(tmp_path: Path) -> None:
    picture(20, 20).save(tmp_path / "a.png", format="GIF")
    assert message(tmp_path / "a.png") == f"{tmp_path / 'a.png'}: {BROKEN}: it is neither"


def test_a_file_that_is_gone_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    assert message(path) == f"{path}: {BROKEN}: No such file or directory"


def test_a_truncated_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    picture(200, 200).save(path)
    path.write_bytes(path.read_bytes()[:-200])
    assert message(path).startswith(f"{path}: {BROKEN}: image file is truncated")


@given(st.data())
def test_a_damaged_image_is_never_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(["a.jpg", "a.png"]))
    path = tmp_path_factory.mktemp("damaged") / name
    picture(40, 40).save(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 10))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        assert images.decode(path, 8).shape == (8, 8, 3)
    except InputError as error:
        assert str(error).startswith(f"{path}: {BROKEN}: ")  # noqa: PT017


# A part of files.


@pytest.fixture
def part(tmp_path: Path) -> FilePart:
    """Eight pictures, the k-th of them black but for its red, k."""
    for place in range(8):
        Image.new("RGB", (20, 30), (place, 0, 0)).save(tmp_path / f"{place}.png")
    names = tuple(f"{place}.png" for place in range(8))
    return FilePart(tmp_path, names, np.arange(8), 16)


def test_images_come_in_the_order_asked_for(part: FilePart) -> None:
    chosen = [7, 0, 3, 3, 5, 1]
    pixels = part.read(np.array(chosen))
    assert part.shape == (16, 16, 3)
    assert pixels.shape == (6, 16, 16, 3)
    assert pixels[:, 0, 0, 0].tolist() == chosen
    assert pixels[..., 1:].max() == 0


def test_several_threads_may_read(part: FilePart) -> None:
    found: list[list[int]] = []

    def read() -> None:
        for _ in range(10):
            found.append(part.read(np.arange(8))[:, 5, 5, 0].tolist())

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [list(range(8))] * 40


def test_the_image_that_cannot_be_read_is_named(part: FilePart) -> None:
    (part.root / "3.png").write_bytes(b"")
    with pytest.raises(InputError) as caught:
        part.read(np.arange(8))
    assert str(caught.value) == f"{part.root / '3.png'}: {BROKEN}: it is neither"
    assert part.read(np.array([1, 2])).shape == (2, 16, 16, 3)


def test_what_decodes_is_named() -> None:
    import PIL

    versions = images.versions()
    assert versions["pillow"] == PIL.__version__
    assert versions["jpeg_decoder"].startswith("libjpeg")
