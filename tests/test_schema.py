"""The version of the records: written at the top, read with care, and another one refused."""

from __future__ import annotations

from typing import Any

import pytest

from ranparity import schema

REMEDY = "read it with the ranparity that wrote it, or make it anew"


def test_the_version_is_at_the_top_and_nothing_else_changes() -> None:
    record = {"backend": "jax", "results": [1]}
    assert list(schema.versioned(record).items()) == [("schema", 1), *record.items()]
    assert record == {"backend": "jax", "results": [1]}


def test_what_has_the_version_keeps_one() -> None:
    again = schema.versioned(schema.versioned({"a": 1}) | {"b": 2})
    assert list(again.items()) == [("schema", 1), ("a", 1), ("b", 2)]
    assert schema.versioned({"a": 1, "schema": 2}) == {"schema": 1, "a": 1}


@pytest.mark.parametrize("record", [{}, {"schema": 1}, {"schema": 1.0}, {"version": 2}])
def test_this_version_is_read_and_so_is_a_record_of_before_it_was_stated(
    record: dict[str, Any],
) -> None:
    assert schema.refusal(record) == ""


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        (2, "2"),
        (0, "0"),
        (1.5, "1.5"),
        ("1", '"1"'),
        (None, "null"),
        (True, "true"),
        ([1], "[1]"),
        ("\x1b]0;x\x07\n", '"\\u001b]0;x\\u0007\\n"'),
        ("\x7f", '"\\u007f"'),
        ("9" * 100, f'"{"9" * 56}...'),
    ],
)
def test_another_version_is_told_in_one_line_with_what_to_do(stated: Any, found: str) -> None:
    assert schema.refusal({"schema": stated}) == (
        f"expected schema version 1, found {found}: {REMEDY}"
    )


def test_a_record_without_a_version_is_refused_once_there_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(schema, "VERSION", 2)
    assert schema.refusal({"a": 1}).startswith("expected schema version 2, found 1: ")
    assert schema.refusal(schema.versioned({"a": 1})) == ""
