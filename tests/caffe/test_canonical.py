"""The canonical form: equal for what says the same, another for anything else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from ranparity.caffe import caffe_pb2, canonical, prototxt
from ranparity.caffe.prototxt import Net
from tests.caffe.nets import EVERY_TYPE, layer, with_input

RELU = layer("ReLU")


def digest(text: str) -> str:
    return canonical.digest(prototxt.parse(text))


def params(kind: str, text: str) -> str:
    return with_input(layer(kind, text), shape="1 4 9 11")


def conv(text: str) -> str:
    return params("Convolution", f"convolution_param {{ num_output: 6 {text} }}")


def pool(text: str) -> str:
    return params("Pooling", f"pooling_param {{ {text} }}")


SHAPE = "dim: 1 dim: 3 dim: 8 dim: 8"
DIMS = "input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8"
SAME = {
    "input_dim": (with_input(RELU), f'input: "data" {DIMS} {RELU}'),
    "Input layer": (
        with_input(RELU),
        f'layer {{ name: "in" type: "Input" top: "data" input_param {{ shape {{ {SHAPE} }} }} }}'
        + RELU,
    ),
    "a list of dimensions": (
        with_input(RELU),
        f'input: "data" input_shape {{ dim: [1, 3, 8, 8] }} {RELU}',
    ),
    "the other phase's layers": (
        with_input(RELU),
        with_input(layer("Loss", "include { phase: TRAIN }", top="x"), RELU),
    ),
    "rules that keep a layer": (
        with_input(RELU),
        with_input(layer("ReLU", "include { phase: TEST }")),
    ),
    "an exclude that does not match": (
        with_input(RELU),
        with_input(layer("ReLU", "exclude { phase: TRAIN }")),
    ),
    "comments and spaces": (with_input(RELU), "# a net\n" + with_input(RELU).replace(" ", "\n")),
    "fields in another order": (
        with_input(RELU),
        with_input('layer { top: "it" bottom: "data" type: "ReLU" name: "it" }'),
    ),
    "defaults of a convolution": (
        conv("kernel_size: 3"),
        conv(
            "kernel_size: 3 pad: 0 stride: 1 dilation: 1 group: 1 bias_term: true axis: 1 "
            "engine: DEFAULT force_nd_im2col: false"
        ),
    ),
    "a square window by two names": (
        conv("kernel_size: 3 stride: 2 pad: 1"),
        conv("kernel_h: 3 kernel_w: 3 stride_h: 2 stride_w: 2 pad_h: 1 pad_w: 1"),
    ),
    "a square window by repetition": (
        conv("kernel_size: 3 stride: 2 pad: 1 dilation: 2"),
        conv("kernel_size: [3, 3] stride: 2 stride: 2 pad: 1 pad: 1 dilation: 2 dilation: 2"),
    ),
    "a window by two names or by repetition": (
        conv("kernel_size: 1 kernel_size: 3 pad: 0 pad: 1"),
        conv("kernel_h: 1 kernel_w: 3 pad_h: 0 pad_w: 1"),
    ),
    "one pad alone": (
        conv("kernel_h: 1 kernel_w: 3 pad_w: 1"),
        conv("kernel_h: 1 kernel_w: 3 pad_h: 0 pad_w: 1"),
    ),
    "an empty filler": (
        conv("kernel_size: 3 weight_filler { }"),
        conv('kernel_size: 3 weight_filler { type: "constant" value: 0 }'),
    ),
    "defaults of a pooling": (
        pool("kernel_size: 3"),
        pool("pool: MAX kernel_size: 3 stride: 1 pad: 0 round_mode: CEIL global_pooling: false"),
    ),
    "a square pooling by two names": (
        pool("kernel_size: 3 stride: 2 pad: 1"),
        pool("kernel_h: 3 kernel_w: 3 stride_h: 2 stride_w: 2 pad_h: 1 pad_w: 1"),
    ),
    "an enum's number": (pool("pool: AVE kernel_size: 3"), pool("pool: 1 kernel_size: 3")),
    "defaults of a BN": (
        params("BN", ""),
        params("BN", "bn_param { eps: 1e-5 momentum: 0.9 frozen: false }"),
    ),
    "defaults of a BatchNorm": (
        params("BatchNorm", ""),
        params("BatchNorm", "batch_norm_param { moving_average_fraction: 0.999 eps: 1e-5 }"),
    ),
    "defaults of a Scale": (
        params("Scale", ""),
        params("Scale", "scale_param { axis: 1 num_axes: 1 bias_term: false }"),
    ),
    "defaults of an MVN": (
        params("MVN", ""),
        params("MVN", "mvn_param { normalize_variance: true across_channels: false eps: 1e-9 }"),
    ),
    "defaults of a Normalize": (
        params("Normalize", ""),
        params("Normalize", "norm_param { across_spatial: true channel_shared: true eps: 1e-10 }"),
    ),
    "defaults of a Power": (
        params("Power", ""),
        params("Power", "power_param { power: 1 scale: 1 shift: 0 }"),
    ),
    "defaults of a Flatten": (
        params("Flatten", ""),
        params("Flatten", "flatten_param { axis: 1 end_axis: -1 }"),
    ),
    "defaults of a Slice": (
        params("Slice", ""),
        params("Slice", "slice_param { axis: 1 }"),
    ),
    "defaults of a Concat": (
        params("Concat", ""),
        params("Concat", "concat_param { axis: 1 }"),
    ),
    "defaults of a Reduction": (
        params("Reduction", ""),
        params("Reduction", "reduction_param { operation: SUM axis: 0 coeff: 1 }"),
    ),
    "an Eltwise's operation": (
        params("Eltwise", ""),
        params("Eltwise", "eltwise_param { operation: SUM stable_prod_grad: true }"),
    ),
    "one float32 in two spellings": (
        params("BN", "bn_param { eps: 0.001 }"),
        params("BN", "bn_param { eps: 0.00100000004749745130 }"),
    ),
    "param at its defaults": (
        with_input(layer("ReLU", "param { }")),
        with_input(layer("ReLU", "param { lr_mult: 1 decay_mult: 1 }")),
    ),
}
OTHER = {
    "an empty repeated message": (RELU, layer("ReLU", "param { }")),
    "one more empty repeated message": (
        layer("ReLU", "param { }"),
        layer("ReLU", "param { } param { }"),
    ),
    "bottoms in another order": (
        layer("Eltwise", "", "data x"),
        layer("Eltwise", "", "x data"),
    ),
    "layers in another order": (
        layer("ReLU", top="a") + layer("ReLU", top="b"),
        layer("ReLU", top="b") + layer("ReLU", top="a"),
    ),
    "a layer more": (RELU, RELU + RELU),
    "a window turned": (
        layer("Convolution", "convolution_param { kernel_h: 1 kernel_w: 3 }"),
        layer("Convolution", "convolution_param { kernel_h: 3 kernel_w: 1 }"),
    ),
    "the next float32": (
        layer("BN", "bn_param { eps: 0.001 }"),
        layer("BN", "bn_param { eps: 0.0010000002 }"),
    ),
    "a loss's weight": (
        layer("Reduction"),
        layer("Reduction", "loss_weight: 1"),
    ),
    "another weight of a loss": (
        layer("Reduction", "loss_weight: 1"),
        layer("Reduction", "loss_weight: 0.1"),
    ),
    "a shared parameter": (
        layer("Scale", "param { }"),
        layer("Scale", 'param { name: "w" }'),
    ),
    "where a blob is cut": (
        layer("Slice", "slice_param { slice_point: 1 }"),
        layer("Slice", "slice_param { slice_point: 2 }"),
    ),
    "a Parameter's shape": (
        layer("Parameter", "parameter_param { shape { dim: 2 dim: 3 } }"),
        layer("Parameter", "parameter_param { shape { dim: 3 dim: 2 } }"),
    ),
    "a list's length": (
        layer("Eltwise", "eltwise_param { coeff: 1 }"),
        layer("Eltwise", "eltwise_param { coeff: 1 coeff: 1 }"),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_what_says_the_same_has_one_digest(name: str) -> None:
    one, other = SAME[name]
    assert one != other
    assert canonical.canonical(prototxt.parse(one)) == canonical.canonical(prototxt.parse(other))
    assert digest(one) == digest(other)


@pytest.mark.parametrize("name", OTHER)
def test_what_says_something_else_has_another_digest(name: str) -> None:
    one, other = (with_input(text) for text in OTHER[name])
    assert digest(one) != digest(other)


def test_names_and_inputs_are_part_of_it() -> None:
    net = prototxt.parse(with_input(RELU))
    bigger = net.with_size(8, 9)
    found = {canonical.digest(changed) for changed in (net, bigger, net.replace(name="other"))}
    assert len(found) == 3
    assert digest(with_input(RELU)) != digest(with_input(RELU, shape="1 3 8 8 1"))


def test_where_a_net_was_read_is_no_part_of_it() -> None:
    net = prototxt.parse(EVERY_TYPE)
    assert canonical.digest(net) == canonical.digest(net.replace(source="x", errata=("y",)))


def test_the_canonical_form_is_plain() -> None:
    net = prototxt.parse(conv("kernel_h: 3 kernel_w: 3 stride: 2 bias_term: false"))
    assert canonical.canonical(net) == {
        "name": "",
        "inputs": [["data", [1, 4, 9, 11]]],
        "layers": [
            {
                "name": "it",
                "type": "Convolution",
                "bottom": ["data"],
                "top": ["it"],
                "convolution_param": {
                    "num_output": 6,
                    "kernel_size": 3,
                    "stride": 2,
                    "bias_term": False,
                },
            }
        ],
    }


# Every field there is, set to something else than its default; then changed, one at a time.

Path = tuple[tuple[str, int | None], ...]
OTHERS: dict[int, tuple[Any, Any]] = {
    FieldDescriptor.CPPTYPE_STRING: ("one", "two"),
    FieldDescriptor.CPPTYPE_INT32: (5, 6),
    FieldDescriptor.CPPTYPE_INT64: (5, 6),
    FieldDescriptor.CPPTYPE_UINT32: (5, 6),
    FieldDescriptor.CPPTYPE_FLOAT: (0.25, 0.75),
    FieldDescriptor.CPPTYPE_DOUBLE: (0.25, 0.75),
}
IRRELEVANT = {"include", "exclude"}  # done with once a phase is chosen
OLD_FORMS = {"_h", "_w"}  # given apart: beside the other form they mean nothing


def values(field: FieldDescriptor) -> tuple[Any, Any]:
    """Two values of a field that are not its default."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return not field.default_value, bool(field.default_value)
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        default = field.default_value if field.has_default_value else None
        numbers = [value.number for value in field.enum_type.values if value.number != default]
        return numbers[0], default if len(numbers) == 1 else numbers[1]
    return OTHERS[field.cpp_type]


def fill(message: Message, sides: bool) -> None:
    """Sets every field; windows by one field, or by their two sides."""
    for field in message.DESCRIPTOR.fields:
        by_side = field.name[-2:] in OLD_FORMS
        sided = f"{field.name.removesuffix('_size')}_h" in message.DESCRIPTOR.fields_by_name
        if field.name in IRRELEVANT or (by_side and not sides) or (sided and sides):
            continue
        if field.message_type is not None:
            part = getattr(message, field.name)
            fill(part.add() if field.is_repeated else part, sides)
        elif field.is_repeated:
            getattr(message, field.name).append(values(field)[0])
        else:
            setattr(message, field.name, values(field)[0])


def changed(message: Message) -> Iterator[str]:
    """Changes one field after the other, in place, and yields its name meanwhile."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if field.is_repeated else [value]:
                yield from (f"{field.name}.{name}" for name in changed(part))
        elif field.is_repeated:
            kept = list(value)
            value[0] = values(field)[1]
            yield field.name
            value[:] = kept
        else:
            setattr(message, field.name, values(field)[1])
            yield field.name
            setattr(message, field.name, value)


@pytest.mark.parametrize("sides", [False, True], ids=["one field", "height and width"])
def test_each_changed_field_changes_the_digest(sides: bool) -> None:
    message = caffe_pb2.LayerParameter()
    fill(message, sides)
    net = Net("net", (), (message,))
    whole = canonical.digest(net)
    seen = []
    for name in changed(message):
        assert canonical.digest(net) != whole, f"{name} is not in the digest"
        seen.append(name)
    assert canonical.digest(net) == whole
    assert len(seen) > 60
    assert len(seen) == len(set(seen))


@given(st.data())
def test_the_order_of_fields_does_not_matter(data: st.DataObject) -> None:
    """Fields of different names may come in any order, in every message of a text."""

    def shuffled(message: Message) -> str:
        fields = data.draw(st.permutations(message.ListFields()))
        return " ".join(
            spelt(field, item)
            for field, value in fields
            for item in (value if field.is_repeated else [value])
        )

    def spelt(field: FieldDescriptor, value: Any) -> str:
        if field.message_type is not None:
            return f"{field.name} {{ {shuffled(value)} }}"
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            return f'{field.name}: "{value}"'
        if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
            return f"{field.name}: {field.enum_type.values_by_number[value].name}"
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            return f"{field.name}: {str(value).lower()}"
        return f"{field.name}: {value}"

    message = text_format.Parse(EVERY_TYPE, caffe_pb2.NetParameter())
    text = shuffled(message)
    assert re.sub(r"\s+", " ", text) != re.sub(r"\s+", " ", EVERY_TYPE)
    assert digest(text) == digest(EVERY_TYPE)
