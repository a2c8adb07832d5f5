"""Weights of a `.caffemodel`: read by map, so that a file of any size costs no memory, and written.

Of the binary a layer's name, type and blobs are read, and nothing else: forks give one number to
different messages (see caffe.proto), but these are everywhere the same. All three forms are known:
`layer` (100), `layers` (2), and the first form within it; blobs of floats or doubles, packed or
not, with a shape or with the four sides of old files.
Source: BVLC/caffe, src/caffe/proto/caffe.proto; src/caffe/blob.cpp, FromProto.
"""

from __future__ import annotations

import dataclasses
import math
import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ranparity.caffe import caffe_pb2
from ranparity.caffe.prototxt import Shape
from ranparity.caffe.rules.base import MOST_AXES, by
from ranparity.errors import InputError
from ranparity.files import replacing

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # protobuf's wire types
MOST_VARINT = 10  # bytes
FIRST_LOOK = 16  # numbers


@dataclasses.dataclass(frozen=True, eq=False)
class Blob:
    """Numbers of a layer.

    Attributes:
        values: In the file's order and type, one axis; they lie in the file until they are used.
        shape: As the file has it.
        is_old: Whether it has four sides and no shape, as old files do.
    """

    values: NDArray[Any]
    shape: Shape
    is_old: bool = False

    def fits(self, shape: Shape) -> bool:
        """Whether it is a blob of a shape; old ones have 1 for each axis before.

        Source: BVLC/caffe, src/caffe/blob.cpp, ShapeEquals.
        """
        if not self.is_old:
            return self.shape == shape
        return len(shape) <= len(self.shape) and self.shape == (
            *(1,) * (len(self.shape) - len(shape)),
            *shape,
        )

    def shaped(self, shape: Shape) -> NDArray[Any]:
        """Give the numbers in a shape of as many."""
        return self.values.reshape(shape)


@dataclasses.dataclass(frozen=True)
class LayerBlobs:
    """A layer of a file.

    Attributes:
        name: Its name.
        type: Its type; of an old file by its name now, where there is one.
        blobs: Its numbers.
    """

    name: str
    type: str
    blobs: tuple[Blob, ...]


@dataclasses.dataclass(frozen=True)
class CaffeModel:
    """What is in a file.

    Attributes:
        name: Of the net.
        layers: In the file's order.
        source: The file.
        pages: It in memory, as far as it has been read; None for one that is not mapped.
    """

    name: str
    layers: tuple[LayerBlobs, ...]
    source: str
    pages: mmap.mmap | None = dataclasses.field(default=None, repr=False, compare=False)

    def let_go(self) -> None:
        """Let the system have what has been read; it is read again where it is used."""
        if self.pages is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.pages.madvise(mmap.MADV_DONTNEED)

    def by_name(self) -> dict[str, LayerBlobs]:
        """Give the layers that have blobs by name.

        Raises:
            InputError: Two of them have one name.
        """
        found: dict[str, LayerBlobs] = {}
        for layer in self.layers:
            if layer.blobs and layer.name in found:
                raise InputError(f'{self.source}: two layers with blobs are called "{layer.name}"')
            if layer.blobs:
                found[layer.name] = layer
        return found


class DamagedError(Exception):
    """A file that is none, or not whole: at which byte, and why."""


def read(path: str | Path) -> CaffeModel:
    """Read a file; its numbers stay in it until they are used.

    Raises:
        InputError: It cannot be read, or is no `.caffemodel`; names the byte.
    """
    source = str(path)
    expected = f"{source}: expected a .caffemodel"
    try:
        with Path(path).open("rb") as file:
            data = _mapped(file)
    except OSError as error:
        raise InputError(f"{expected}, cannot read it: {error.strerror or error}") from None
    try:
        name, layers = _net(data)
    except DamagedError as error:
        raise InputError(f"{expected}: {error}") from None
    if not layers:
        raise InputError(f"{expected} with layers, found none in its {len(data):,} bytes")
    return CaffeModel(name, layers, source, data if isinstance(data, mmap.mmap) else None)


def _mapped(file: BinaryIO) -> Any:
    try:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:  # an empty file cannot be mapped
        return b""


@dataclasses.dataclass(frozen=True)
class _Field:
    """A field of a message.

    Attributes:
        number: Its number.
        kind: Its wire type.
        at: Where it begins.
        start: Where its content begins; of a number its value is here.
        end: Where it ends.
    """

    number: int
    kind: int
    at: int
    start: int
    end: int


def _field(data: Any, at: int, end: int) -> _Field:
    """Give the field that begins at a byte."""
    tag, start = _varint(data, at, end)
    number, kind = tag >> 3, tag & 7
    if not number:
        raise DamagedError(f"byte {at:,} begins no field of protobuf")
    if kind == VARINT:
        return _Field(number, kind, at, *_varint(data, start, end))
    if kind == BYTES:
        length, start = _varint(data, start, end)
    elif kind in (FIXED32, FIXED64):
        length = 4 if kind == FIXED32 else 8
    else:
        raise DamagedError(f"byte {at:,} begins a field of no type that is in use ({kind})")
    if start + length > end:
        raise DamagedError(
            f"the field at byte {at:,} is of {length:,} bytes, and there are {end - start:,}: is "
            "the file cut off?"
        )
    return _Field(number, kind, at, start, start + length)


def _fields(data: Any, start: int, end: int) -> Iterator[_Field]:
    """Yield the fields of a message."""
    while start < end:
        field = _field(data, start, end)
        yield field
        start = field.end


def _varint(data: Any, start: int, end: int) -> tuple[int, int]:
    value = 0
    for place in range(MOST_VARINT):
        if start + place >= end:
            raise DamagedError(f"a number at byte {start:,} does not end: is the file cut off?")
        byte = data[start + place]
        value |= (byte & 0x7F) << (7 * place)
        if not byte & 0x80:
            return value, start + place + 1
    raise DamagedError(f"a number at byte {start:,} is longer than {MOST_VARINT} bytes")


@dataclasses.dataclass(frozen=True)
class _Form:
    """The numbers of a layer's fields in one of the forms."""

    name: int
    type: int
    blobs: int
    inner: int = 0  # of the first form within this one


NEW = _Form(name=1, type=2, blobs=7)
V1 = _Form(name=4, type=5, blobs=6, inner=1)
V0 = _Form(name=1, type=2, blobs=50)
FORMS = {100: NEW, 2: V1}
NAME = 1  # of the net


def _net(data: Any) -> tuple[str, tuple[LayerBlobs, ...]]:
    name, layers = "", []
    for field in _fields(data, 0, len(data)):
        if field.kind == BYTES and field.number in FORMS:
            layers.append(_layer(data, field.start, field.end, FORMS[field.number]))
        elif field.kind == BYTES and field.number == NAME:
            name = _text(data, field)
    return name, tuple(layers)


def _layer(data: Any, start: int, end: int, form: _Form) -> LayerBlobs:
    name, type_ = "", ""
    blobs: list[Blob] = []
    for field in _fields(data, start, end):
        if field.number == form.type:
            type_ = _text(data, field) if field.kind == BYTES else _old_type(field.start)
        if field.kind != BYTES:
            continue
        if field.number == form.blobs:
            blobs.append(_blob(data, field.start, field.end))
        elif field.number == form.name:
            name = _text(data, field)
        elif field.number == form.inner:
            inner = _layer(data, field.start, field.end, V0)
            name, type_ = inner.name, inner.type
            blobs.extend(inner.blobs)
    return LayerBlobs(name, type_, tuple(blobs))


def _text(data: Any, field: _Field) -> str:
    try:
        return bytes(data[field.start : field.end]).decode()
    except UnicodeDecodeError:
        raise DamagedError(f"the text at byte {field.at:,} is not UTF-8") from None


def _old_type(number: int) -> str:
    """A V1 type's name; forks give numbers of their own."""
    known = caffe_pb2.V1LayerParameter.LayerType
    return known.Name(number) if number in known.values() else str(number)


SIDES = (1, 2, 3, 4)  # of an old blob: num, channels, height, width
SHAPE = 7
TYPES: dict[int, np.dtype[Any]] = {5: np.dtype("<f4"), 8: np.dtype("<f8")}  # data and double_data


def _blob(data: Any, start: int, end: int) -> Blob:
    sides = dict.fromkeys(SIDES, 0)
    shape: Shape | None = None
    parts: list[NDArray[Any]] = []
    at = start
    while at < end:
        field = _field(data, at, end)
        at = field.end
        if field.number in SIDES and field.kind == VARINT:
            sides[field.number] = field.start
        elif field.number == SHAPE and field.kind == BYTES:
            shape = _shape(data, field.start, field.end)
        elif field.number in TYPES:
            values, at = _numbers(data, field, end)
            parts.append(values)
    values = parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, "<f4"), *parts])
    found = tuple(sides.values()) if shape is None else shape
    if math.prod(found) != len(values):
        raise DamagedError(
            f"the blob at byte {start:,} is of {by(found) or 'no axes'} and has {len(values):,} "
            "numbers"
        )
    return Blob(values, found, is_old=shape is None)


def _numbers(data: Any, field: _Field, end: int) -> tuple[NDArray[Any], int]:
    """Give the numbers that a field begins, packed or one a field, and where they end."""
    dtype = TYPES[field.number]
    if field.kind == BYTES:
        count, left = divmod(field.end - field.start, dtype.itemsize)
        if left:
            raise DamagedError(f"the numbers at byte {field.start:,} are not whole")
        return np.frombuffer(data, dtype, count, field.start), field.end
    if field.kind != (FIXED32 if dtype.itemsize == 4 else FIXED64):
        raise DamagedError(f"the number at byte {field.at:,} is of another type")
    step = field.end - field.at
    rows = np.frombuffer(data, np.uint8, (end - field.at) // step * step, field.at)
    rows = rows.reshape(-1, step)
    count = _alike(rows[:, 0])
    values = np.ascontiguousarray(rows[:count, step - dtype.itemsize :]).view(dtype).ravel()
    return values, field.at + count * step


def _alike(column: NDArray[Any]) -> int:
    """How many of the first elements are the same; looks no more than twice as far."""
    seen = FIRST_LOOK
    while True:
        others = np.flatnonzero(column[:seen] != column[0])
        if len(others):
            return int(others[0])
        if seen >= len(column):
            return len(column)
        seen *= 2


def _shape(data: Any, start: int, end: int) -> Shape:
    """The dimensions of a BlobShape, packed or one a field."""
    found: list[int] = []
    for field in _fields(data, start, end):
        if field.number != 1:
            continue
        if field.kind == VARINT:
            found.append(field.start)
            continue
        at = field.start
        while at < field.end:
            side, at = _varint(data, at, field.end)
            found.append(side)
    if len(found) > MOST_AXES:
        raise DamagedError(
            f"the shape at byte {start:,} has {len(found):,} axes; Caffe takes {MOST_AXES} at most"
        )
    return tuple(found)


def write(path: Path, name: str, layers: Iterable[LayerBlobs]) -> None:
    """Write a file in the present form, in float32, layer by layer.

    Raises:
        OSError: It cannot be written; what was there before is untouched.
    """
    with replacing(path) as file:
        file.write(_bytes(NAME, name.encode()))
        for layer in layers:
            parts = [_bytes(NEW.name, layer.name.encode()), _bytes(NEW.type, layer.type.encode())]
            parts += [_bytes(NEW.blobs, _written(blob)) for blob in layer.blobs]
            file.write(_bytes(100, b"".join(parts)))


def _written(blob: Blob) -> bytes:
    sides = b"".join(_number(side) for side in blob.shape)
    return _bytes(SHAPE, _bytes(1, sides)) + packed(5, blob.values)


def packed(field: int, values: NDArray[Any]) -> bytes:
    """Give numbers as a packed field of floats, as protobuf writes it, without a loop."""
    return _bytes(field, np.ascontiguousarray(values, "<f4").tobytes())


def _bytes(field: int, content: bytes) -> bytes:
    return _number(field << 3 | BYTES) + _number(len(content)) + content


def _number(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
