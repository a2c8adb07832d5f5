"""What was found by fuzzing stays found, and what is too long for it is tried here."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor

from ranparity import memory
from ranparity.caffe import caffe_pb2, caffemodel, prototxt
from ranparity.caffe.rules import RULES
from tests.fuzz.run import CORPUS
from tests.fuzz.targets import TARGETS

FILES = sorted(path for target in TARGETS for path in (CORPUS / target).iterdir())
SECONDS, BYTES = 1.0, 2**30  # that a file of less than a MiB may take
SLACK = 10  # times, because machines that run tests are busy with others of them


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_the_corpus_is_read_or_refused(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_the_corpus_has_what_is_refused_by_name() -> None:
    said = {path.name: TARGETS["text"](path.read_bytes()) for path in FILES if "text" in path.parts}
    assert "expected at most 2147483647 elements" in said["dimension-of-2-to-31"]
    assert 'reads blob "y", which no layer before it makes' in said["cycle"]
    assert "UTF-8" in said["invalid-utf-8"]
    assert "100 axes" in said["many-axes"]
    assert "at most 32 dimensions" in said["many-dimensions"]
    assert said["first-form"] == said["second-form"] == ""


INPUT = 'input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }\n'


def _chain() -> str:
    names = ["data", *(f"b{place}" for place in range(20_000))]
    layers = (
        f'layer{{name:"a"type:"ReLU"bottom:"{names[place]}"top:"{names[place + 1]}"}}'
        for place in range(20_000)
    )
    return INPUT + "".join(layers)


LONG: dict[str, Callable[[], str]] = {
    "20,000 layers": _chain,
    "in place": lambda: INPUT + 'layer{name:"a"type:"ReLU"bottom:"data"top:"data"}' * 18_000,
    "nothing in them": lambda: INPUT + "layer{}" * 140_000,
    "nested": lambda: "layer { " * 120_000,
    "tops": lambda: (
        f'{INPUT}layer{{name:"a"type:"Split"bottom:"data"'
        + " ".join(f'top:"x{place}"' for place in range(60_000))
        + "}"
    ),
    "ratios": lambda: (
        f'{INPUT}layer{{name:"p"type:"PriorBox"bottom:"data"bottom:"data"top:"x"'
        "prior_box_param{min_size:1 "
        + "".join(f"aspect_ratio: {place + 2} " for place in range(40_000))
        + "}}"
    ),
    "axes": lambda: 'input:"data" input_shape{' + "dim:9223372036854775807 " * 40_000 + "}" + CHAIN,
    "dimensions": lambda: (
        f'{INPUT}layer{{name:"r"type:"Reshape"bottom:"data"top:"x"'
        "reshape_param{shape{" + "dim:9223372036854775807 " * 40_000 + "}}}"
    ),
    "a line": lambda: "a" * 2**20,
    "a name": lambda: f'{INPUT}layer{{name:"{"n" * 2**20}"type:"None"bottom:"data"top:"x"}}',
}
CHAIN = 'layer{name:"a"type:"ReLU"bottom:"data"top:"x"}'


@pytest.mark.parametrize("what", LONG)
def test_a_long_file_takes_no_longer_than_a_second_and_no_more_than_a_gigabyte(what: str) -> None:
    _tried("text", LONG[what]().encode()[: 2**20])


def _tried(target: str, content: bytes) -> None:
    memory.forget_peak()
    begun, before = time.perf_counter(), memory.peak() or 0
    TARGETS[target](content)
    assert time.perf_counter() - begun < SLACK * SECONDS
    most = (memory.peak() or 0) - before
    assert most < BYTES


def field(number: int, content: bytes) -> bytes:
    """A field of protobuf that has a length."""
    size, sized = len(content), b""
    while size > 0x7F:
        sized, size = sized + bytes([size & 0x7F | 0x80]), size >> 7
    return bytes([number << 3 | 2]) + sized + bytes([size]) + content


def in_layer(blob: bytes) -> bytes:
    """A file with a layer with a blob; a tag of 100 has two bytes."""
    layer = field(1, b"a") + field(7, blob)
    return b"\xa2\x06" + field(1, layer)[1:]


BINARIES = {
    "types in turn": b"\x2d0000\x4100000000" * 70_000,
    "numbers in turn with others": b"\x2d0000\x10\x01" * 140_000,
    "axes": field(7, field(1, b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f" * 110_000)),
    "sides": b"\x08\x01" * 500_000,
}


@pytest.mark.parametrize("what", BINARIES)
def test_a_long_blob_takes_no_longer_than_a_second(what: str) -> None:
    _tried("binary", in_layer(BINARIES[what])[: 2**20])


def messages(descriptor: Any, depth: int = 3) -> st.SearchStrategy[Any]:
    """Any message of a kind, not too deep."""
    fields = [each for each in descriptor.fields if depth or not each.message_type]
    chosen = st.lists(st.sampled_from(fields), max_size=4, unique_by=lambda each: each.name)
    return st.builds(
        lambda pairs: _message(descriptor, dict(pairs)),
        chosen.flatmap(
            lambda some: st.tuples(
                *(st.tuples(st.just(each.name), _value(each, depth)) for each in some)
            )
        ),
    )


def _message(descriptor: Any, values: dict[str, Any]) -> Any:
    made = getattr(caffe_pb2, descriptor.name)() if not descriptor.containing_type else None
    assert made is not None
    for name, value in values.items():
        if isinstance(value, list):
            getattr(made, name).extend(value)
        elif descriptor.fields_by_name[name].message_type:
            getattr(made, name).CopyFrom(value)
        else:
            setattr(made, name, value)
    return made


INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
}
SMALL = st.integers(0, 9)


PLAIN: dict[int, st.SearchStrategy[Any]] = {
    **{kind: SMALL | whole for kind, whole in INTEGERS.items()},
    FieldDescriptor.CPPTYPE_FLOAT: SMALL.map(float) | st.floats(width=32),
    FieldDescriptor.CPPTYPE_DOUBLE: SMALL.map(float) | st.floats(),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
}
NAMED = {"type": st.sampled_from(sorted(RULES))} | dict.fromkeys(
    ("bottom", "top", "input", "name"), st.sampled_from(["data", "a", "b", "c"])
)


def _value(each: Any, depth: int) -> st.SearchStrategy[Any]:
    one: st.SearchStrategy[Any]
    if each.message_type:
        one = messages(each.message_type, depth - 1)
    elif each.enum_type:
        one = st.sampled_from([value.number for value in each.enum_type.values])
    elif each.type == FieldDescriptor.TYPE_BYTES:
        one = st.binary(max_size=9)
    else:
        one = PLAIN.get(each.cpp_type, NAMED.get(each.name, st.text(max_size=9)))
    return st.lists(one, max_size=4) if each.is_repeated else one


@hypothesis.given(messages(caffe_pb2.NetParameter.DESCRIPTOR))
@hypothesis.settings(max_examples=60, suppress_health_check=list(hypothesis.HealthCheck))
def test_any_net_that_can_be_said_is_read_or_refused(message: Any) -> None:
    TARGETS["text"](text_format.MessageToString(message).encode())
    TARGETS["text"]((INPUT + text_format.MessageToString(message)).encode())


LAYER = caffe_pb2.LayerParameter.DESCRIPTOR


@hypothesis.given(st.lists(messages(LAYER), min_size=1, max_size=4))
@hypothesis.settings(max_examples=60, suppress_health_check=list(hypothesis.HealthCheck))
def test_any_layers_on_an_input_are_read_or_refused(layers: list[Any]) -> None:
    net = caffe_pb2.NetParameter(layer=layers)
    TARGETS["text"]((INPUT + text_format.MessageToString(net)).encode())


@hypothesis.given(st.binary(max_size=300))
@hypothesis.settings(max_examples=200)
def test_any_bytes_are_refused(content: bytes) -> None:
    for target in TARGETS.values():
        target(content)


@hypothesis.given(st.data())
@hypothesis.settings(max_examples=100)
def test_a_damaged_file_of_numbers_is_read_or_refused(data: st.DataObject) -> None:
    blob = caffemodel.Blob(np.arange(6, dtype=np.float32), (2, 3))
    layers = [caffemodel.LayerBlobs(name, "InnerProduct", (blob, blob)) for name in ("a", "b")]
    path = Path(data.draw(st.just(CORPUS.parent / ".damaged")))
    caffemodel.write(path, "net", layers)
    content = bytearray(path.read_bytes())
    path.unlink()
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    TARGETS["binary"](bytes(content))


def test_the_readers_break_where_a_check_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*_: Any, **__: Any) -> Any:
        raise RecursionError

    monkeypatch.setattr(prototxt, "read", parse)
    with pytest.raises(RecursionError):
        TARGETS["text"](b"")
