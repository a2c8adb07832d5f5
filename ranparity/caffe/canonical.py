"""The canonical form of a net: two files that say the same have the same digest.

Canonical means: `Input` layers and `input_dim` as inputs with shapes, one phase (so `include` and
`exclude` rules are done with), fields that have their default dropped, square windows as one
number, and repeated messages kept even if empty (`param { lr_mult: 1 }` says that there is one
parameter, at its defaults).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from ranparity.caffe.prototxt import Net
from ranparity.caffe.shapes import short_float

PHASE_RULES = ("include", "exclude")
WINDOW_DEFAULTS = {"kernel_size": None, "pad": 0, "stride": 1, "dilation": 1}


def canonical(net: Net) -> dict[str, Any]:
    """Returns the canonical form as plain data that JSON can hold."""
    return {
        "name": net.name,
        "inputs": [[given.name, list(given.shape)] for given in net.inputs],
        "layers": [_message(layer) for layer in net.layers],
    }


def digest(net: Net) -> str:
    """Returns the SHA-256 of the canonical form, in hexadecimal."""
    text = json.dumps(canonical(net), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _message(message: Message) -> dict[str, Any]:
    """A message's fields by name, without those that say only what is the default."""
    fields: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.name in PHASE_RULES:
            continue
        if field.is_repeated:
            fields[field.name] = [_value(field, item) for item in value]
        elif _value(field, value) not in ({}, _default(field)):
            fields[field.name] = _value(field, value)
    if {"kernel_size", "kernel_h"} & set(message.DESCRIPTOR.fields_by_name):
        return _with_plain_windows(fields)
    return fields


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return _message(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return short_float(value) if isinstance(value, float) else value


def _default(field: FieldDescriptor) -> Any:
    """A field's default as `_value` would give it; None where the schema states none."""
    return _value(field, field.default_value) if field.has_default_value else None


def _with_plain_windows(fields: dict[str, Any]) -> dict[str, Any]:
    """Height and width as one number where they are equal, and dropped where default."""
    plain = dict(fields)
    for name, default in WINDOW_DEFAULTS.items():
        short = name.removesuffix("_size")
        given = plain.pop(name, None)
        height, width = plain.pop(f"{short}_h", None), plain.pop(f"{short}_w", None)
        pair = given if isinstance(given, list) else [given]
        if height is not None or width is not None:
            pair = [default if side is None else side for side in (height, width)]
        window = pair[0] if len(set(pair)) == 1 else pair
        if window not in (None, default):
            plain[name] = window
    return plain
