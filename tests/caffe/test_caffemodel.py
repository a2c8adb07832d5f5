"""Weights of a .caffemodel: what protobuf writes is read, in every form, and no half of it."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranparity import memory
from ranparity.caffe import caffe_pb2, caffemodel
from ranparity.caffe.caffemodel import Blob, LayerBlobs
from ranparity.errors import InputError


def net() -> caffe_pb2.NetParameter:
    """All forms: a layer, an old one, one of the first form, doubles, a scalar, no blobs."""
    made = caffe_pb2.NetParameter(name="every form")
    new = made.layer.add(name="conv/1", type="Convolution", bottom=["data"])
    new.convolution_param.num_output = 2
    first = new.blobs.add(data=[1.5, -2, 3, 4, 5, 6], diff=[9, 9])
    first.shape.dim.extend([2, 3])
    new.blobs.add(double_data=[7.25]).shape.SetInParent()
    made.layer.add(name="relu", type="ReLU")
    old = made.layers.add(name="old", type="CONVOLUTION")
    old.blobs.add(num=1, channels=1, height=1, width=4, double_data=[1, 2, 3, 1e300])
    older = made.layers.add()
    older.layer.CopyFrom(caffe_pb2.V0LayerParameter(name="older", type="conv"))
    older.layer.blobs.add(num=1, channels=2, height=1, width=1, data=[8, 9])
    return made


def read(content: bytes, folder: Path) -> caffemodel.CaffeModel:
    path = folder / "net.caffemodel"
    path.write_bytes(content)
    return caffemodel.read(path)


def test_every_form_is_read(tmp_path: Path) -> None:
    found = read(net().SerializeToString(), tmp_path)
    assert found.name == "every form"
    said = {
        layer.name: (layer.type, [(b.shape, b.values.tolist(), b.is_old) for b in layer.blobs])
        for layer in found.layers
    }
    assert said == {
        "conv/1": (
            "Convolution",
            [((2, 3), [1.5, -2, 3, 4, 5, 6], False), ((), [7.25], False)],
        ),
        "relu": ("ReLU", []),
        "old": ("CONVOLUTION", [((1, 1, 1, 4), [1, 2, 3, 1e300], True)]),
        "older": ("conv", [((1, 2, 1, 1), [8, 9], True)]),
    }
    assert set(found.by_name()) == {"conv/1", "old", "older"}


def unpacked(values: list[float]) -> bytes:
    """A blob whose numbers are a field each, as the first versions of protobuf wrote them."""
    parts = [b"\x2d" + np.float32(value).tobytes() for value in values]
    half = len(parts) // 2
    return (
        b"\x08\x01\x10\x01"
        + b"".join(parts[:half])
        + b"\x18\x01\x20"
        + bytes([len(values)])
        + b"".join(parts[half:])
    )


def test_numbers_that_are_a_field_each_are_read(tmp_path: Path) -> None:
    blob = unpacked([1, 2.5, -3, 4])
    layer = caffemodel._bytes(1, b"a") + caffemodel._bytes(7, blob)
    (found,) = read(caffemodel._bytes(100, layer), tmp_path).layers
    (kept,) = found.blobs
    assert (kept.shape, kept.values.tolist(), kept.is_old) == ((1, 1, 1, 4), [1, 2.5, -3, 4], True)


def test_a_type_of_a_fork_is_its_number(tmp_path: Path) -> None:
    layer = caffemodel._bytes(4, b"a") + b"\x28\xfe\x01"
    (found,) = read(caffemodel._bytes(2, layer), tmp_path).layers
    assert (found.name, found.type) == ("a", "254")


@given(
    st.lists(
        st.tuples(
            st.text(max_size=12),
            st.lists(st.lists(st.integers(0, 3), max_size=4), max_size=3),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_what_is_written_is_read_and_is_what_protobuf_reads(
    tmp_path_factory: pytest.TempPathFactory, layers: list[tuple[str, list[list[int]]]]
) -> None:
    random = np.random.default_rng(0)
    given_ = [
        LayerBlobs(
            name,
            "Any",
            tuple(
                Blob(random.standard_normal(int(np.prod(shape))).astype(np.float32), tuple(shape))
                for shape in shapes
            ),
        )
        for name, shapes in layers
    ]
    path = tmp_path_factory.mktemp("written") / "net.caffemodel"
    caffemodel.write(path, "net", given_)
    message = caffe_pb2.NetParameter.FromString(path.read_bytes())
    found = caffemodel.read(path)
    assert (found.name, message.name) == ("net", "net")
    for mine, theirs, wanted in zip(found.layers, message.layer, given_, strict=True):
        assert (mine.name, mine.type) == (theirs.name, theirs.type) == (wanted.name, "Any")
        for blob, other, source in zip(mine.blobs, theirs.blobs, wanted.blobs, strict=True):
            assert blob.shape == tuple(other.shape.dim) == source.shape
            assert blob.values.tolist() == list(other.data) == source.values.tolist()


def refusal(content: bytes, folder: Path) -> str:
    """What a file is refused with; empty where it is read."""
    try:
        read(content, folder)
    except InputError as error:
        return str(error)
    return ""


def test_a_file_that_is_cut_off_is_refused_unless_it_is_between_layers(tmp_path: Path) -> None:
    content = net().SerializeToString()
    refusals = [refusal(content[:end], tmp_path) for end in range(len(content))]
    assert sum(not refused for refused in refusals) < 5
    for refused in filter(None, refusals):
        assert "expected a .caffemodel" in refused
        assert "\n" not in refused


@given(st.binary(max_size=80), st.integers(0, 400))
def test_other_bytes_are_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, place: int
) -> None:
    content = bytearray(net().SerializeToString())
    content[place : place + len(noise)] = noise
    folder = tmp_path_factory.mktemp("noise")
    for changed in (bytes(content), noise):
        assert "\n" not in refusal(changed, folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a .caffemodel with layers, found none in its 0 bytes"),
        (b"name: 'text'", "begins a field of no type that is in use (6)"),
        (b"\x00\x01", "byte 0 begins no field of protobuf"),
        (b"\xa2\x06\x7f", "the field at byte 0 is of 127 bytes, and there are 0: is the file cut"),
        (b"\x08" + b"\xff" * 11, "a number at byte 1 is longer than 10 bytes"),
        (b"\x08\xff", "a number at byte 1 does not end: is the file cut off?"),
        (b"\x0a\x01\xff", "the text at byte 0 is not UTF-8"),
        (
            b"\xa2\x06\x07\x3a\x05\x2a\x03abc",
            "the numbers at byte 7 are not whole",
        ),
        (
            b"\xa2\x06\x08\x3a\x06\x2a\x04abcd",
            "the blob at byte 5 is of 0x0x0x0 and has 1 numbers",
        ),
        (
            b"\xa2\x06\x0b\x3a\x09\x29abcdefgh",
            "the number at byte 5 is of another type",
        ),
    ],
)
def test_what_is_no_caffemodel_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read(content, tmp_path)
    assert message in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none: expected a \.caffemodel, cannot read it: No such"):
        caffemodel.read(tmp_path / "none")


def test_two_layers_with_blobs_and_one_name_are_refused(tmp_path: Path) -> None:
    made = caffe_pb2.NetParameter()
    for _ in range(2):
        made.layer.add(name="twice").blobs.add(data=[1]).shape.SetInParent()
    with pytest.raises(InputError, match='two layers with blobs are called "twice"'):
        read(made.SerializeToString(), tmp_path).by_name()


@pytest.mark.parametrize(
    ("shape", "is_old", "wanted", "fits"),
    [
        ((4,), False, (4,), True),
        ((1, 1, 1, 4), True, (4,), True),
        ((1, 1, 1, 4), True, (1, 4), True),
        ((1, 1, 1, 4), False, (4,), False),
        ((1, 1, 4, 1), True, (4,), False),
        ((1, 1, 2, 4), True, (4,), False),
        ((1, 1, 1, 1), True, (), True),
        ((1, 1, 1, 4), True, (1, 1, 1, 1, 4), False),
    ],
)
def test_old_blobs_are_compared_from_the_right(
    shape: tuple[int, ...], is_old: bool, wanted: tuple[int, ...], fits: bool
) -> None:
    blob = Blob(np.zeros(int(np.prod(shape)), np.float32), shape, is_old)
    assert blob.fits(wanted) is fits


def test_numbers_stay_in_the_file(tmp_path: Path) -> None:
    """A file of 64 MiB is read without its numbers: they are mapped, not copied."""
    side = 1 << 12
    blob = Blob(np.zeros(side * side, np.float32), (side, side))
    path = tmp_path / "large.caffemodel"
    caffemodel.write(path, "large", [LayerBlobs("a", "InnerProduct", (blob,))])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (layer,) = caffemodel.read(path).layers
    values: Any = layer.blobs[0].values
    assert not values.flags.owndata
    assert values.shape == (side * side,)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4 << 10  # KiB


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what a process has in memory")
def test_what_has_been_read_is_let_go_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    values = np.arange(10_000_000, dtype=np.float32)
    caffemodel.write(path, "net", [LayerBlobs("a", "InnerProduct", (Blob(values, values.shape),))])
    found = caffemodel.read(path)
    mine = found.by_name()["a"].blobs[0].values
    total = float(mine.sum())
    before = memory._of_linux("VmRSS")
    found.let_go()
    assert before - memory._of_linux("VmRSS") > 30_000_000
    assert float(mine.sum()) == total
