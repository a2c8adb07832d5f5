from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranparity.report.reading import Fields, MalformedError, clean, parse_json


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON: Expecting value at line 1, column 1"),
        (b'{"a": 1,\n "b": }', "not JSON: Expecting value at line 2, column 7"),
        (b"\xff\xfe", "not JSON: byte 1 is not UTF-8"),
        (b'{"a": NaN}', "not JSON: NaN is no number"),
        (b'{"a": -Infinity}', "not JSON: -Infinity is no number"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(content: bytes, message: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_json(content)
    assert str(caught.value) == message


@pytest.mark.parametrize("content", [b"[" * 200_000, b"9" * 5000], ids=["deep", "long"])
def test_absurd_json_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(MalformedError, match=r"\Anot JSON.*\Z"):
        parse_json(content)


@pytest.mark.parametrize(
    ("ask", "value", "message"),
    [
        (Fields.text, 1, 'expected a string as "k", found 1'),
        (Fields.count, -1, 'expected an integer of 0 or more as "k", found -1'),
        (Fields.count, True, 'expected an integer of 0 or more as "k", found true'),
        (Fields.count, 1.0, 'expected an integer of 0 or more as "k", found 1.0'),
        (Fields.integer, "1", 'expected an integer as "k", found "1"'),
        (Fields.number, float("inf"), 'expected a finite number as "k", found Infinity'),
        (Fields.number, 10**400, None),
        (Fields.number, None, 'expected a finite number as "k", found null'),
        (Fields.share, 97.5, 'expected 0 to 1 as "k", found 97.5'),
        (Fields.share, -0.1, 'expected 0 to 1 as "k", found -0.1'),
        (Fields.share, None, 'expected a finite number as "k", found null'),
        (Fields.flag, 1, 'expected true or false as "k", found 1'),
        (Fields.flag, "true", 'expected true or false as "k", found "true"'),
        (Fields.items, {}, 'expected a list as "k", found {}'),
        (Fields.texts, ["a", 1], 'expected a list of strings as "k", found ["a", 1]'),
        (Fields.numbers, [1, True], 'expected a list of finite numbers as "k", found [1, true]'),
        (Fields.numbers, 1.5, 'expected a list of finite numbers as "k", found 1.5'),
        (Fields.mapping, [], 'expected an object as "k", found []'),
    ],
)
def test_a_value_of_another_kind_is_refused(ask: Any, value: Any, message: str | None) -> None:
    with pytest.raises(MalformedError) as caught:
        ask(Fields({"k": value}), "k")
    if message:
        assert str(caught.value) == message


def test_a_missing_key_is_named_with_where_it_is_missing() -> None:
    with pytest.raises(MalformedError) as caught:
        Fields({}, "result 2").text("model")
    assert str(caught.value) == 'result 2: expected a string as "model", found no such key'


def test_a_list_that_is_not_there_is_empty_but_its_items_must_be_objects() -> None:
    assert Fields({}).each("paper", lambda fields: fields.text("what")) == ()
    with pytest.raises(MalformedError, match="paper 2: expected an object, found 3"):
        Fields({"paper": [{"what": "a"}, 3]}).each("paper", lambda fields: fields.text("what"))


@given(st.text() | st.text(st.characters(categories=["Cs", "Cc", "Cf", "L"])))
def test_clean_text_can_be_written_and_is_one_printable_line(text: str) -> None:
    cleaned = clean(text)
    assert cleaned.encode("utf-8").decode("utf-8") == cleaned
    assert all(char.isprintable() for char in cleaned)
    assert clean(cleaned) == cleaned
    if text.isprintable() and text.isascii():
        assert cleaned == text
