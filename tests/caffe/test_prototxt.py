"""Reading: old input forms become one, phases are filtered, bad input is told in one line."""

from __future__ import annotations

import random
import re
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ranparity.caffe import canonical, graph, prototxt
from ranparity.caffe.description import describe
from ranparity.caffe.prototxt import Input
from ranparity.errors import InputError
from tests.caffe.nets import EVERY_TYPE, ROOT, layer, with_input

RELU = "\n" + layer("ReLU")
SHAPE = "dim: 1 dim: 3 dim: 8 dim: 8"


def names(text: str, phase: str = "TEST") -> list[str]:
    return [row.name for row in prototxt.parse(text, phase=phase).layers]


def refusal(text: str, phase: str = "TEST") -> str:
    with pytest.raises(InputError) as error:
        prototxt.parse(text, "net.prototxt", phase)
    return str(error.value)


# Inputs.

FORMS = {
    "input_shape": f'input: "data" input_shape {{ {SHAPE} }}',
    "input_shape as a list": 'input: "data" input_shape { dim: [1, 3, 8, 8] }',
    "input_dim": 'input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8',
    "an Input layer": (
        f'layer {{ type: "Input" top: "data" input_param {{ shape {{ {SHAPE} }} }} }}'
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_input_forms_become_one(form: str) -> None:
    net = prototxt.parse(FORMS[form] + RELU)
    assert net.inputs == (Input("data", (1, 3, 8, 8)),)
    assert [row.type for row in net.layers] == ["ReLU"]


def test_several_inputs_in_each_form() -> None:
    pair = (Input("a", (1, 2, 3, 4)), Input("b", (5, 6, 7, 8)))
    dims = " ".join(f"input_dim: {side}" for side in (1, 2, 3, 4, 5, 6, 7, 8))
    one, other = "dim: [1, 2, 3, 4]", "dim: [5, 6, 7, 8]"
    for text in (
        f'input: "a" input: "b" {dims}',
        f'input: "a" input_shape {{ {one} }} input: "b" input_shape {{ {other} }}',
        f'layer {{ type: "Input" top: "a" top: "b" input_param {{ shape {{ {one} }} '
        f"shape {{ {other} }} }} }}",
        f'layer {{ type: "Input" top: "a" input_param {{ shape {{ {one} }} }} }}'
        f'layer {{ type: "Input" top: "b" input_param {{ shape {{ {other} }} }} }}',
        f'input: "a" input_shape {{ {one} }}'
        f'layer {{ type: "Input" top: "b" input_param {{ shape {{ {other} }} }} }}',
    ):
        assert prototxt.parse(text + RELU).inputs == pair


def test_one_shape_of_an_input_layer_is_for_all_its_tops() -> None:
    text = f'layer {{ type: "Input" top: "a" top: "b" input_param {{ shape {{ {SHAPE} }} }} }}'
    shape = (1, 3, 8, 8)
    assert prototxt.parse(text + RELU).inputs == (Input("a", shape), Input("b", shape))


def test_an_input_layer_of_the_other_phase_gives_no_input() -> None:
    train, test = (
        f'layer {{ name: "in" type: "Input" top: "data" include {{ phase: {phase} }} '
        f"input_param {{ shape {{ dim: [{batch}, 3] }} }} }}"
        for phase, batch in (("TRAIN", 64), ("TEST", 1))
    )
    assert prototxt.parse(train + test + RELU).inputs == (Input("data", (1, 3)),)
    assert prototxt.parse(train + test + RELU, phase="TRAIN").inputs == (Input("data", (64, 3)),)


def test_a_net_may_have_no_input() -> None:
    assert prototxt.parse(RELU).inputs == ()


def test_with_size() -> None:
    net = prototxt.parse(with_input(RELU), "net.prototxt")
    assert net.with_size(20, 30).inputs == (Input("data", (1, 3, 20, 30)),)
    assert net.inputs == (Input("data", (1, 3, 8, 8)),), "the net itself stays"


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ('input: "data" input_shape { dim: 1 dim: 2 }', "data (1, 2)"),
        (
            'input: "a" input_shape { dim: 1 } input: "b" input_shape { dim: [1, 3, 8, 8] }',
            "a (1,), b (1, 3, 8, 8)",
        ),
        ("", "none"),
    ],
)
def test_a_size_needs_one_input_of_four_axes(inputs: str, found: str) -> None:
    with pytest.raises(InputError) as error:
        prototxt.parse(inputs + RELU, "net.prototxt").with_size(9, 9)
    assert str(error.value) == (
        "net.prototxt: a size can be given to a net with one input of four axes (NCHW); "
        f"found: {found}"
    )


# Phases, levels, stages: Caffe's NetState and NetStateRule.


def test_phases() -> None:
    text = with_input(
        layer("ReLU", top="always"),
        layer("ReLU", "include { phase: TRAIN }", top="train"),
        layer("ReLU", "include { phase: TEST }", top="test"),
        layer("ReLU", "exclude { phase: TRAIN }", top="no-train"),
        layer("ReLU", "exclude { phase: TEST }", top="no-test"),
        layer("ReLU", "include { phase: TRAIN } include { phase: TEST }", top="either"),
        layer("ReLU", "exclude { phase: TRAIN } exclude { phase: TEST }", top="neither"),
        layer("ReLU", "include { }", top="any"),
    )
    assert names(text) == ["always", "test", "no-train", "either", "any"]
    assert names(text, "TRAIN") == ["always", "train", "no-test", "either", "any"]


def test_the_phase_that_is_asked_for_is_not_the_files() -> None:
    text = "state { phase: TRAIN }\n" + layer("ReLU", "include { phase: TEST }")
    assert names(text) == ["it"]


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        ("", ["max2", "not-a"]),
        ("level: 1", ["max2", "not-a"]),
        ("level: 2", ["min2", "max2", "not-a"]),
        ("level: 3", ["min2", "not-a"]),
        ('stage: "a"', ["max2", "a"]),
        ('stage: "a" stage: "b"', ["max2", "a", "a-and-b", "b-not-c"]),
        ('stage: "b" stage: "c"', ["max2", "not-a"]),
    ],
)
def test_levels_and_stages(state: str, kept: list[str]) -> None:
    text = f"state {{ {state} }}" + with_input(
        layer("ReLU", "include { min_level: 2 }", top="min2"),
        layer("ReLU", "include { max_level: 2 }", top="max2"),
        layer("ReLU", 'include { stage: "a" }', top="a"),
        layer("ReLU", 'include { stage: "a" stage: "b" }', top="a-and-b"),
        layer("ReLU", 'include { not_stage: "a" }', top="not-a"),
        layer("ReLU", 'include { stage: "a" stage: "b" not_stage: "c" }', top="b-not-c"),
    )
    assert names(text) == kept


# Texts as they come.


def test_the_four_line_ends_of_the_world(tmp_path: Path) -> None:
    expected = canonical.digest(prototxt.parse(EVERY_TYPE))
    for ending in ("\n", "\r\n", "\n\n", " \t\n"):
        path = tmp_path / "net.prototxt"
        path.write_bytes(EVERY_TYPE.replace("\n", ending).encode())
        assert canonical.digest(prototxt.read(path)) == expected


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_bytes(b"\xef\xbb\xbf" + EVERY_TYPE.encode())
    assert canonical.digest(prototxt.read(path)) == canonical.digest(prototxt.parse(EVERY_TYPE))


def test_comments_and_other_spellings_of_the_text_format() -> None:
    text = """
    # a comment
    name: 'single' "and" 'joined' # another
    input: "data"; input_dim: [1, 3, 0x8, 010],
    layer: < type: "ReLU" name: "a\\x62\\143" bottom: "data" top: "caf\\303\\251" >
    layer { type: "BN" name: "# none" bottom: "data" top: "b" bn_param: { eps: 1e-5f } }
    """
    net = prototxt.parse(text)
    assert net.name == "singleandjoined"
    assert net.inputs == (Input("data", (1, 3, 8, 8)),)
    assert [(row.name, row.top[0]) for row in net.layers] == [("abc", "café"), ("# none", "b")]


def test_names_in_any_language() -> None:
    net = prototxt.parse('name: "残差网络" ' + with_input(layer("ReLU", top="выход")))
    assert (net.name, net.layers[0].top[0]) == ("残差网络", "выход")


def test_a_net_knows_its_source(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(EVERY_TYPE)
    assert prototxt.read(path).source == str(path)
    assert prototxt.parse(EVERY_TYPE).source == "<text>"


# Bad text, word for word.

NO_PROTOTXT = {
    "Attention is all you need.": (
        "1:1",
        "unknown field 'Attention' in NetParameter; expected a field of NetParameter",
    ),
    "import keras\n": (
        "1:1",
        "unknown field 'import' in NetParameter; expected a field of NetParameter",
    ),
    '\n\n  {"name": "net"}': ("3:3", "expected the name of a field, found {"),
    '<?xml version="1.0"?>': ("1:1", "expected the name of a field, found <"),
    "name: net\nlayers:\n": ("1:7", "expected a text in quotes, found net"),
    "layers { layer { type: 3 } }": ("1:24", "expected a text in quotes, found 3"),
}
FIELDS = {
    'layer {\n  name: "c"\n  convolution_param { kernel_sizes: 3 }\n}': (
        "3:23",
        "unknown field 'kernel_sizes' in ConvolutionParameter; the nearest that it has is "
        "'kernel_size'",
    ),
    'layer { activation: "relu" }': (
        "1:9",
        "unknown field 'activation' in LayerParameter; expected a field of LayerParameter",
    ),
    'layer { type: "Mish"\n  mish_param { exact: true } }': (
        "2:3",
        "unknown field 'mish_param' in LayerParameter: it belongs to a layer type that ranparity "
        "does not know",
    ),
    'layer {\n name: "a"\n name: "b"\n}': (
        "3:8",
        "field 'name' of LayerParameter is given twice; expected it once",
    ),
    "[a.b]: 3": ("1:4", 'Message type "ranparity.caffe.NetParameter" does not have extensions'),
}
VALUES = {
    "name: 5": ("1:7", "expected a text in quotes, found 5"),
    "layer { type: RELU }": ("1:15", "expected a text in quotes, found RELU"),
    "input_dim: 1.5": ("1:12", "expected an integer, found 1.5"),
    'input_dim: "1"': ("1:12", 'expected an integer, found "1"'),
    "layer { bn_param { eps: small } }": ("1:25", "expected a number, found small"),
    "layer { bn_param { frozen: maybe } }": ("1:28", "expected true or false"),
    "layer { pooling_param { pool: MIN } }": (
        "1:31",
        "unknown PoolMethod MIN; expected one of MAX, AVE, STOCHASTIC",
    ),
    "layer { include { phase: 7 } }": ("1:26", "unknown Phase 7; expected one of TRAIN, TEST"),
    "layer { convolution_param { pad: -1 } }": (
        "1:34",
        "-1 is out of the range that its field has in Caffe",
    ),
    "layer { pooling_param { kernel_size: 4294967296 } }": (
        "1:38",
        "4294967296 is out of the range that its field has in Caffe",
    ),
    "input_shape { dim: 9223372036854775808 }": (
        "1:20",
        "9223372036854775808 is out of the range that its field has in Caffe",
    ),
    "input_dim: 2147483648": ("1:12", "2147483648 is out of the range that its field has in Caffe"),
    'name: "\\377"': (
        "1:13",
        "Couldn't parse string: 'utf-8' codec can't decode byte 0xff in position 0: invalid start "
        "byte",
    ),
}
ENDS = "the file ends in the middle of a field: is it cut off?"
SYNTAX = {
    'layer\n  name: "a"\n': ("2:3", "expected {"),
    "layer { }\n}": ("2:1", "expected the name of a field, found }"),
    'layer { type: "a" >': ("1:19", "expected the name of a field, found >"),
    "name: \nlayer { }": ("2:1", "expected a text in quotes, found layer"),
    'name: "abc\nlayer { }': ("1:7", 'expected a quote at the end of "abc'),
    "name: \x02": ("1:7", r"expected a text in quotes, found \\x02"),
    'layer {\n  name: "a"\n': ("2:9", ENDS),
    "layer {\n  name:": ("2:8", ENDS),
    "layer": ("1:6", ENDS),
    "input": ("1:6", ENDS),
    'layer < name: "a"': ("1:15", ENDS),
}
WHOLE = {
    "": "expected a Caffe net, found no layer in it",
    "# nothing\n": "expected a Caffe net, found no layer in it",
    FORMS["input_shape"]: "expected a Caffe net, found no layer in it",
    FORMS["an Input layer"]: "expected a Caffe net, found no layer of phase TEST in it",
    layer("ReLU", "include { phase: TRAIN }"): (
        "expected a Caffe net, found no layer of phase TEST in it"
    ),
    'layer { name: "a" }': 'layer "a": expected a type (type: "Convolution"), found none',
    RELU + "layer { }": (
        'layer 2 (without a name): expected a type (type: "Convolution"), found none'
    ),
    layer("ReLU", "include { phase: TEST } exclude { phase: TRAIN }"): (
        'layer "it": expected include rules or exclude rules, found both'
    ),
    'input: "data" input_dim: 1 input_dim: 3 input_dim: 8' + RELU: (
        "expected 4 input_dim, 4 for each input; found 3"
    ),
    'input: "a" input: "b" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8' + RELU: (
        "expected 8 input_dim, 4 for each input; found 4"
    ),
    FORMS["input_dim"] + " input_shape { dim: 1 }" + RELU: (
        "expected input_dim or input_shape, found both"
    ),
    'input: "data"' + RELU: (
        "expected as many shapes (input_shape, or 4 input_dim) as inputs (1), found 0"
    ),
    FORMS["input_shape"] + "input_shape { dim: 1 }" + RELU: (
        "expected as many shapes (input_shape, or 4 input_dim) as inputs (1), found 2"
    ),
    "input_shape { dim: 1 }" + RELU: (
        "expected as many shapes (input_shape, or 4 input_dim) as inputs (0), found 1"
    ),
    with_input(RELU, shape="1 3 0 8"): (
        "the shape of input 'data' must be of positive integers; found [1, 3, 0, 8]"
    ),
    with_input(RELU, shape="1 3 8 -8"): (
        "the shape of input 'data' must be of positive integers; found [1, 3, 8, -8]"
    ),
    'layer { name: "in" type: "Input" top: "data" }' + RELU: (
        'layer "in" (Input): expected one shape, or one for each top (1), found 0'
    ),
    'layer { name: "in" type: "Input" top: "a" top: "b" top: "c" '
    "input_param { shape { dim: 1 } shape { dim: 1 } } }" + RELU: (
        'layer "in" (Input): expected one shape, or one for each top (3), found 2'
    ),
}


@pytest.mark.parametrize("text", [*NO_PROTOTXT, *FIELDS, *VALUES, *SYNTAX])
def test_what_cannot_be_parsed_is_told_with_line_and_column(text: str) -> None:
    place, problem = (NO_PROTOTXT | FIELDS | VALUES | SYNTAX)[text]
    problem = problem.replace("\\\\", "\\")
    assert refusal(text) == f"net.prototxt:{place}: cannot read it as a Caffe prototxt: {problem}"


def test_an_unknown_escape() -> None:
    assert refusal('name: "a\\every"' + RELU) == (
        "net.prototxt: cannot read it as a Caffe prototxt: a text has an unknown escape (a "
        "backslash itself is written twice)"
    )


@pytest.mark.parametrize("text", WHOLE)
def test_what_is_no_net_is_told(text: str) -> None:
    assert refusal(text) == f"net.prototxt: {WHOLE[text]}"


def test_an_error_shows_no_more_than_a_line_of_a_file_of_one_line() -> None:
    message = refusal('name: "' + "a" * 100_000 + '" ' + "b" * 100_000)
    assert message.startswith("net.prototxt:1:100010: cannot read it as a Caffe prototxt: unknown")
    assert message.endswith("bbb...")
    assert len(message) < 300


# Bad files, word for word.


def file_refusal(path: Path | str) -> str:
    with pytest.raises(InputError) as error:
        prototxt.read(path)
    return str(error.value)


def test_no_such_file(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    expected = f"{path}: expected a prototxt file, found no such file"
    assert file_refusal(path) == expected
    path.symlink_to(tmp_path / "gone")
    assert file_refusal(path) == expected
    assert file_refusal("") == "'': expected a prototxt file, found no such file"


def test_a_directory(tmp_path: Path) -> None:
    assert file_refusal(tmp_path) == f"{tmp_path}: expected a prototxt file, found a directory"


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_bytes(b"")
    assert file_refusal(path) == f"{path}: expected a Caffe net, found no layer in it"


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so the refusal of the system is played."""
    path = tmp_path / "net.prototxt"
    path.write_text(EVERY_TYPE)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    assert file_refusal(path) == (
        f"{path}: expected a prototxt file, cannot read it: Permission denied"
    )


def test_impossible_paths(tmp_path: Path) -> None:
    inside = tmp_path / "file"
    inside.write_text("x")
    assert file_refusal(inside / "net.prototxt").endswith("cannot read it: Not a directory")
    assert file_refusal("a\0b") == (
        r"a\x00b: expected a prototxt file, cannot read it: embedded null byte"
    )
    assert file_refusal("x" * 5000).endswith("cannot read it: File name too long")


BINARY = (
    "expected prototxt text in UTF-8, found a binary file (a .caffemodel holds weights; the net's "
    "description is the .prototxt beside it)"
)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"\x0a\x05net-1\xa2\x06\x80\x02", "2:7"),  # the beginning of a caffemodel
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "1:1"),
        (b"PK\x03\x04\x14\0\0\0", "1:6"),
        (b'name: "net"\n\0', "2:1"),
        (b'name: "caf\xe9"\n', "1:11"),  # Latin-1
        (b"\xff\xfen\0a\0m\0e\0", "1:1"),  # UTF-16
        (b'name: "\xe6\xae\x8b"\n  \xed\xa0\xbd', "2:3"),  # a lone surrogate
    ],
)
def test_a_binary_file(data: bytes, place: str, tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    path.write_bytes(data)
    assert file_refusal(path) == f"{path}:{place}: {BINARY}"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no /dev/zero on Windows")
def test_an_endless_file_is_not_read_to_its_end() -> None:
    assert file_refusal("/dev/zero") == f"/dev/zero:1:1: {BINARY}"


def test_a_file_beyond_any_prototxt(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text("#\n" * (prototxt.MOST_BYTES // 2) + "#")
    assert file_refusal(path) == (
        f"{path}: expected a prototxt file of at most 4,194,304 bytes, found more"
    )


# Damaged files.

CUT_PLACES = random.Random(0).sample(range(80_000), 40)  # noqa: S311  (no secret)


@pytest.mark.parametrize("place", CUT_PLACES)
def test_a_file_that_is_cut_off_is_told_where_it_ends(place: int, tmp_path: Path) -> None:
    whole = (ROOT / "prototxt" / "Attention-56.prototxt").read_text()
    path = tmp_path / "net.prototxt"
    path.write_text(whole[:place])
    if re.search(r"^}\s*\Z", whole[:place], re.MULTILINE):
        assert names(whole[:place])  # between two layers, it is a shorter net
        return
    lines = whole[:place].split("\n")
    found = re.fullmatch(rf"{path}:(\d+):(\d+): cannot read it as .*", file_refusal(path))
    assert found
    last_with_text = max(number for number, line in enumerate(lines, start=1) if line.strip())
    assert int(found[1]) >= last_with_text
    assert int(found[2]) >= 1


SMALL = EVERY_TYPE.encode()


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """The small net with some bytes deleted, doubled, inserted or replaced, or cut off."""
    data = SMALL
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        part = data[start : start + draw(st.integers(0, 40))]
        new = draw(
            st.sampled_from(
                [
                    b"",
                    part + part,
                    draw(st.binary(max_size=4)) + part,
                    draw(st.sampled_from(TOKENS)),
                    draw(st.sampled_from(TOKENS)) + part,
                ]
            )
        )
        data = data[:start] + new + data[start + len(part) :]
    return data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 4)) == 0 else data


TOKENS = [
    *(b"{", b"}", b'"', b"#", b"\n", b"\0", b"\x1b[31m", b"\xef\xbb\xbf", b"\xff", b"\\", b"-"),
    *(b"0", b"9" * 30, b"4294967295", b"2147483647", b"1e39", b"nan", b"-inf", b"3.4028235e38"),
    *(b"layer { ", b'bottom: "data" ', b'top: "bn" ', b"stride: 0 ", b"group: 5 ", b"axis: 7 "),
    *(b"include { phase: TRAIN } ", b"param { } ", b"dim: 3 ", b"input_dim: 1 ", b"[", b"]", b"<"),
]


def outcome(data: bytes) -> str:
    """What becomes of a file: a described net, or the refusal's message."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.prototxt")
        path.write_bytes(data)
        try:
            net = prototxt.read(path)
            found = describe(graph.build(net))
        except InputError as error:
            return str(error)
    assert len(canonical.digest(net)) == 64
    assert len(found.layers) == len(net.layers) > 0
    assert all(side > 0 for shape in found.shapes.values() for side in shape)
    assert found.totals.macs >= 0
    return "described"


@settings(max_examples=600)
@given(mutations())
@example(SMALL)
@example(SMALL.replace(b"frozen: true", b"eps: 3.4028235e38"))
@example(SMALL.replace(b'input: "data"', b'input: "data" input: "data" input_shape { dim: 1 }'))
def test_any_damage_gives_a_net_or_one_line(data: bytes) -> None:
    message = outcome(data)
    assert message.isprintable()
    assert len(message) < 1000
    if message != "described":
        assert "net.prototxt" in message


def test_the_damages_are_of_both_kinds() -> None:
    """Neither all harmless nor all fatal, or the test above would show little."""
    draw, seen = random.Random(1), set()  # noqa: S311
    for _ in range(300):
        start = draw.randrange(len(SMALL))
        seen.add(outcome(SMALL[:start] + SMALL[start + draw.randrange(1, 4) :]))
    assert "described" in seen
    assert len(seen) > 50
