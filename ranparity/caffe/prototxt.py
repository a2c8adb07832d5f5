"""Prototxt text to a `Net`: old input forms made one, phases filtered, errors with their place.

The text is read by protobuf's own text-format parser with the schema in caffe.proto.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from ranparity.caffe import caffe_pb2
from ranparity.caffe.upgrade import upgraded
from ranparity.errors import InputError

Shape = tuple[int, ...]
LayerParameter = caffe_pb2.LayerParameter

MOST_BYTES = 2**22  # thirty times the largest net here; no more is ever read of a file
MOST_DETAIL = 200  # characters of the parser's own words in an error
NO_LINE = "'': "  # where the parser would echo a line, but has come to the text's end


@dataclasses.dataclass(frozen=True)
class Input:
    """A blob that is given to a net, with its shape (NCHW where it has four axes)."""

    name: str
    shape: Shape


@dataclasses.dataclass(frozen=True)
class Net:
    """A network as its file describes it, for one phase, its input forms made one.

    Attributes:
        name: The net's own name.
        inputs: The blobs that are given to it.
        layers: Caffe's layer messages in the file's order, without `Input` layers.
        source: The file (or other place) that it came from, for messages.
        errata: Names of the repairs that were made after reading.
    """

    name: str
    inputs: tuple[Input, ...]
    layers: tuple[LayerParameter, ...]
    source: str = "<text>"
    errata: tuple[str, ...] = ()

    def replace(self, **changes: Any) -> Net:
        """Returns a copy with some fields replaced."""
        return dataclasses.replace(self, **changes)

    def with_size(self, height: int, width: int) -> Net:
        """Returns the net with its input's height and width replaced, in pixels.

        Raises:
            InputError: The net has not exactly one input of four axes.
        """
        if len(self.inputs) != 1 or len(self.inputs[0].shape) != 4:
            found = ", ".join(f"{i.name} {i.shape}" for i in self.inputs) or "none"
            raise InputError(
                f"{self.source}: a size can be given to a net with one input of four axes "
                f"(NCHW); found: {found}"
            )
        (given,) = self.inputs
        return self.replace(inputs=(Input(given.name, (*given.shape[:2], height, width)),))


def read(path: str | Path, phase: str = "TEST", shapes: Mapping[str, Shape] | None = None) -> Net:
    """Reads a prototxt file.

    Args:
        path: The file.
        phase: `TEST` or `TRAIN`; layers that the file keeps for the other are left out.
        shapes: Of blobs that are given to the net, by name: in the place of the file's own, or of
            a layer whose tops they are, such as one that reads data.

    Raises:
        InputError: The file cannot be read or is not a Caffe net; names file, line and column.
    """
    path = str(path) or "''"  # so that a message has a name to show
    return parse(_text(path), source=path, phase=phase, shapes=shapes)


def parse(
    text: str,
    source: str = "<text>",
    phase: str = "TEST",
    shapes: Mapping[str, Shape] | None = None,
) -> Net:
    """Reads prototxt text; see `read`."""
    message = _message(text, source)
    written = upgraded(message, source)
    state = caffe_pb2.NetState()
    state.CopyFrom(message.state)
    state.MergeFrom(caffe_pb2.NetState(phase=phase))
    kept = [
        layer
        for position, layer in enumerate(written, start=1)
        if _is_kept(layer, state, f"{source}: {_label(layer, position)}")
    ]
    if not any(layer.type != "Input" for layer in kept):
        found = f"no layer of phase {phase}" if written else "no layer"
        raise InputError(f"{source}: expected a Caffe net, found {found} in it")
    inputs = (*_net_inputs(message, source), *_input_layers(kept, source))
    layers = [layer for layer in kept if layer.type != "Input"]
    if shapes:
        inputs, layers = _with_shapes(inputs, layers, shapes, source)
    for given in inputs:
        if any(axis < 1 for axis in given.shape):
            raise InputError(
                f"{source}: the shape of input {given.name!r} must be of positive integers; "
                f"found {list(given.shape)}"
            )
    return Net(message.name, inputs, tuple(layers), source)


def _with_shapes(
    inputs: Sequence[Input],
    layers: Sequence[LayerParameter],
    shapes: Mapping[str, Shape],
    source: str,
) -> tuple[tuple[Input, ...], list[LayerParameter]]:
    """Gives inputs other shapes, and makes inputs of what some layers make."""
    made = {top: layer for layer in layers for top in layer.top if top not in layer.bottom}
    given = {each.name for each in inputs}
    for name in shapes:
        if name not in given and name not in made:
            names = ", ".join(sorted(given | {t for t, m in made.items() if not m.bottom}))
            raise InputError(
                f"{source}: there is no blob {name!r} that could be given; expected one of "
                f"{names or 'none'}"
            )
    replaced = [layer for layer in layers if set(layer.top).intersection(shapes)]
    replaced = [layer for layer in replaced if not set(layer.top) & given]
    for layer in replaced:
        if missing := [top for top in layer.top if top not in shapes]:
            raise InputError(
                f'{source}: layer "{layer.name}" ({layer.type}): expected the shapes of all that '
                f"it makes, found none for {', '.join(missing)}"
            )
    left = [layer for layer in layers if layer not in replaced]
    known = tuple(Input(each.name, shapes.get(each.name, each.shape)) for each in inputs)
    new = tuple(Input(top, tuple(shapes[top])) for layer in replaced for top in layer.top)
    return (*known, *new), left


def _text(path: str) -> str:
    """Returns a text file's content, or says in one line why there is none."""
    data = _bytes(path)
    if len(data) > MOST_BYTES and b"\0" not in data:
        raise InputError(
            f"{path}: expected a prototxt file of at most {MOST_BYTES:,} bytes, found more"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise _binary(path, line, column) from None
    if "\0" in text:
        before = text[: text.index("\0")]
        raise _binary(path, before.count("\n") + 1, len(before) - before.rfind("\n"))
    return text


def _bytes(path: str) -> bytes:
    """Returns a file's content, or its beginning where it is larger than any prototxt."""
    expected = f"{path}: expected a prototxt file"
    try:
        with Path(path).open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"{expected}, found no such file") from None
    except IsADirectoryError:
        raise InputError(f"{expected}, found a directory") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{expected}, cannot read it: {reason}") from None


def _binary(path: str, line: int, column: int) -> InputError:
    return InputError(
        f"{path}:{line}:{column}: expected prototxt text in UTF-8, found a binary file "
        "(a .caffemodel holds weights; the net's description is the .prototxt beside it)"
    )


def _message(text: str, source: str) -> caffe_pb2.NetParameter:
    """Parses the text, with the parser's message put behind file:line:column."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # of an escape that C++ refuses
            return text_format.Parse(text, caffe_pb2.NetParameter())
    except DeprecationWarning:
        raise InputError(
            f"{source}: cannot read it as a Caffe prototxt: a text has an unknown escape (a "
            "backslash itself is written twice)"
        ) from None
    except text_format.ParseError as error:
        line, column = error.GetLine(), error.GetColumn()
        place = source if line is None else f"{source}:{line}:{column}"
        detail = str(error).removeprefix(f"{line}:{column} : ").strip().removesuffix(".")
        shown = _plain(detail, text.split("\n")[line - 1] if line else "")
        raise InputError(f"{place}: cannot read it as a Caffe prototxt: {shown}") from None


def _plain(detail: str, line: str) -> str:
    """What protobuf says, in Caffe's terms and without the echo of the line."""
    ends = detail.startswith(NO_LINE) or detail in ('Expected "}"', 'Expected ">"')
    detail = detail.removeprefix(NO_LINE).removeprefix(f"'{line}': ")
    if ends and detail.startswith("Expected"):
        return "the file ends in the middle of a field: is it cut off?"
    for pattern, reworded in REWORDED.items():
        if found := re.fullmatch(pattern, detail, re.DOTALL):
            detail = reworded(*found.groups())
    return detail if len(detail) <= MOST_DETAIL else f"{detail[:MOST_DETAIL]}..."


def _unknown_field(kind: str, field: str) -> str:
    fields = list(_SCHEMA.FindMessageTypeByName(PACKAGE + kind).fields_by_name)
    problem = f"unknown field {field!r} in {kind}"
    if near := difflib.get_close_matches(field, fields, n=1, cutoff=0.9):
        return f"{problem}; the nearest that it has is {near[0]!r}"
    if kind == "LayerParameter" and field.endswith("_param"):
        return f"{problem}: it belongs to a layer type that ranparity does not know"
    return f"{problem}; expected a field of {kind}"


def _unknown_value(kind: str, value: str) -> str:
    names = ", ".join(_SCHEMA.FindEnumTypeByName(PACKAGE + kind).values_by_name)
    return f"unknown {kind.rpartition('.')[2]} {value}; expected one of {names}"


def _given_twice(kind: str, field: str) -> str:
    return f"field {field!r} of {kind} is given twice; expected it once"


PACKAGE = "ranparity.caffe."
_SCHEMA = caffe_pb2.DESCRIPTOR.pool
_MESSAGE = r'Message type "ranparity\.caffe\.([\w.]+)" '
_ENUM = r'Enum type "ranparity\.caffe\.([\w.]+)" '
REWORDED: dict[str, Callable[..., str]] = {
    _MESSAGE + r'has no field named "(.*)"': _unknown_field,
    _MESSAGE + r'should not have multiple "(.*)" fields': _given_twice,
    _ENUM + r"has no value (?:named|with number) (.*)": _unknown_value,
    r"Couldn't parse integer: (.*)": "expected an integer, found {}".format,
    r"Couldn't parse float: (.*)": "expected a number, found {}".format,
    r'Expected "true" or "false"': "expected true or false".format,
    r'Expected "([{}:<>])"': "expected {}".format,
    r"Expected string but found: '(.*)'": "expected a text in quotes, found {}".format,
    r"Expected identifier or number, got (.*)": "expected the name of a field, found {}".format,
    r"String missing ending quote: '(.*)'": "expected a quote at the end of {}".format,
    r"Value out of range: (.*)": "{} is out of the range that its field has in Caffe".format,
}


def _label(layer: LayerParameter, position: int) -> str:
    return f'layer "{layer.name}"' if layer.name else f"layer {position} (without a name)"


def _is_kept(layer: LayerParameter, state: caffe_pb2.NetState, where: str) -> bool:
    """Whether a phase keeps a layer.

    With no `include`, unless an `exclude` matches; with `include`, only if one matches
    (BVLC/caffe, src/caffe/net.cpp, Net::FilterNet).
    """
    if not layer.type:
        raise InputError(f'{where}: expected a type (type: "Convolution"), found none')
    if layer.include and layer.exclude:
        raise InputError(f"{where}: expected include rules or exclude rules, found both")
    if layer.include:
        return any(_meets(state, rule) for rule in layer.include)
    return not any(_meets(state, rule) for rule in layer.exclude)


def _meets(state: caffe_pb2.NetState, rule: caffe_pb2.NetStateRule) -> bool:
    """Whether a state meets a rule (BVLC/caffe, src/caffe/net.cpp, Net::StateMeetsRule)."""
    if rule.HasField("phase") and rule.phase != state.phase:
        return False
    if rule.HasField("min_level") and state.level < rule.min_level:
        return False
    if rule.HasField("max_level") and state.level > rule.max_level:
        return False
    has_all = all(stage in state.stage for stage in rule.stage)
    return has_all and not any(stage in state.stage for stage in rule.not_stage)


def _net_inputs(message: caffe_pb2.NetParameter, source: str) -> Iterator[Input]:
    """Yields a file's `input` fields with `input_shape`, or with four `input_dim` each."""
    names, dims = list(message.input), list(message.input_dim)
    shapes: Sequence[Sequence[int]] = [shape.dim for shape in message.input_shape]
    if dims and shapes:
        raise InputError(f"{source}: expected input_dim or input_shape, found both")
    if dims:
        if len(dims) != 4 * len(names):
            raise InputError(
                f"{source}: expected {4 * len(names)} input_dim, 4 for each input; "
                f"found {len(dims)}"
            )
        shapes = [dims[start : start + 4] for start in range(0, len(dims), 4)]
    if len(shapes) != len(names):
        raise InputError(
            f"{source}: expected as many shapes (input_shape, or 4 input_dim) as inputs "
            f"({len(names)}), found {len(shapes)}"
        )
    for name, shape in zip(names, shapes, strict=True):
        yield Input(name, tuple(shape))


def _input_layers(layers: Sequence[LayerParameter], source: str) -> Iterator[Input]:
    """Yields the tops of `Input` layers: one shape for all tops, or one for each."""
    for layer in layers:
        if layer.type != "Input":
            continue
        shapes = [tuple(shape.dim) for shape in layer.input_param.shape]
        if len(shapes) == 1:
            shapes *= len(layer.top)
        if len(shapes) != len(layer.top):
            raise InputError(
                f'{source}: layer "{layer.name}" (Input): expected one shape, or one for each '
                f"top ({len(layer.top)}), found {len(shapes)}"
            )
        for name, shape in zip(layer.top, shapes, strict=True):
            yield Input(name, shape)
