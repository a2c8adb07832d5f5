from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranparity.errors import InputError
from ranparity.training.kinds import POSITIVE, SCHEDULE, SWITCH, TEXT, Kind, choice, number, whole

SHARE = number("0 to 1", "X", lambda value: 0 <= value <= 1)
RULE = choice(("sgd", "adam"))
SCHEDULE_EXPECTED = "STEP:FACTOR,STEP:FACTOR,... with rising steps and factors above 0, or none"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (whole(1), "7", 7),
        (whole(1, optional=True), "none", None),
        (POSITIVE, "1e-3", 0.001),
        (POSITIVE, "2", 2.0),
        (SHARE, "0", 0.0),
        (RULE, "adam", "adam"),
        (TEXT, "first", "first"),
        (SCHEDULE, "3:0.1,5:1e-2", ((3, 0.1), (5, 0.01))),
        (SCHEDULE, "none", ()),
    ],
)
def test_a_text_is_read(kind: Kind, text: str, value: object) -> None:
    read = kind.read(text, "--x")
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (whole(1), "0", "--x: expected a whole number, 1 or more. Received: 0"),
        (whole(1), "1.5", "--x: expected a whole number, 1 or more. Received: '1.5'"),
        (whole(1), "none", "--x: expected a whole number, 1 or more. Received: 'none'"),
        (
            whole(1, optional=True),
            "-2",
            "--x: expected a whole number, 1 or more, or none. Received: -2",
        ),
        (POSITIVE, "nan", "--x: expected a finite number above 0. Received: nan"),
        (POSITIVE, "inf", "--x: expected a finite number above 0. Received: inf"),
        (POSITIVE, "fast", "--x: expected a finite number above 0. Received: 'fast'"),
        (SHARE, "1.01", "--x: expected 0 to 1. Received: 1.01"),
        (RULE, "lion", "--x: expected one of sgd, adam. Received: 'lion'"),
        (TEXT, "", "--x: expected a text. Received: ''"),
        (SWITCH, "yes", "--x: expected true or false. Received: 'yes'"),
        (SCHEDULE, "", f"--x: expected {SCHEDULE_EXPECTED}. Received: ''"),
        (SCHEDULE, "3", f"--x: expected {SCHEDULE_EXPECTED}. Received: '3'"),
        (SCHEDULE, "3:0.1:4", f"--x: expected {SCHEDULE_EXPECTED}. Received: '3:0.1:4'"),
        (
            SCHEDULE,
            "5:0.1,3:0.01",
            f"--x: expected {SCHEDULE_EXPECTED}. Received: ((5, 0.1), (3, 0.01))",
        ),
        (
            SCHEDULE,
            "3:0.1,3:0.2",
            f"--x: expected {SCHEDULE_EXPECTED}. Received: ((3, 0.1), (3, 0.2))",
        ),
        (SCHEDULE, "-1:0.1", f"--x: expected {SCHEDULE_EXPECTED}. Received: ((-1, 0.1),)"),
        (SCHEDULE, "3:0", f"--x: expected {SCHEDULE_EXPECTED}. Received: ((3, 0.0),)"),
    ],
)
def test_a_text_of_another_kind_is_bad_input(kind: Kind, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        kind.read(text, "--x")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (whole(0), True),
        (whole(0), 1.0),
        (whole(0), "1"),
        (whole(0), None),
        (POSITIVE, True),
        (POSITIVE, 10**400),
        (POSITIVE, -(10**400)),
        (POSITIVE, "1"),
        (SHARE, math.nan),
        (SWITCH, 1),
        (RULE, ["sgd"]),
        (TEXT, 3),
        (SCHEDULE, [(3, 0.1)]),
        (SCHEDULE, ((3, 0.1, 1),)),
        (SCHEDULE, (3, 0.1)),
        (SCHEDULE, ((3.0, 0.1),)),
        (SCHEDULE, ((True, 0.1),)),
        (SCHEDULE, None),
    ],
)
def test_a_value_of_another_type_is_not_taken(kind: Kind, value: object) -> None:
    assert not kind.accepts(value)


def test_a_whole_number_will_do_for_a_number() -> None:
    assert POSITIVE.accepts(1)


ANY = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.tuples(st.tuples(st.integers(), st.floats()))
    | st.lists(st.integers())
)


KINDS = st.sampled_from([whole(1), POSITIVE, SHARE, RULE, TEXT, SWITCH, SCHEDULE])


@given(KINDS, ANY)
def test_any_value_is_taken_or_told_of_in_a_line(kind: Kind, value: Any) -> None:
    if kind.accepts(value):
        kind.check(value, "x")
        return
    with pytest.raises(InputError) as caught:
        kind.check(value, "x")
    assert str(caught.value).startswith(f"x: expected {kind.expected}. Received: ")
    assert "\n" not in str(caught.value)


@given(KINDS, st.text())
def test_what_is_read_from_any_text_is_of_the_kind(kind: Kind, text: str) -> None:
    try:
        value = kind.read(text, "x")
    except InputError:
        return
    assert kind.accepts(value)
