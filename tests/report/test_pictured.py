from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from ranparity.report import pictured
from ranparity.report.pictured import Of


def test_each_run_with_the_record_is_given_with_its_own_files() -> None:
    files = {
        "data/runs/b/masks.json": b"1",
        "data/runs/b/run.json": b"2",
        "data/runs/a/masks.json": b"3",
        "data/runs/c/run.json": b"4",
        "data/check-torch.json": b"5",
    }
    assert list(pictured.of_each(files, "masks.json")) == [
        ("a", {"masks.json": b"3"}),
        ("b", {"masks.json": b"1", "run.json": b"2"}),
    ]


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_run_of_any_name_has_files_of_its_own_in_the_folder(name: str, other: str) -> None:
    found = Of(name, "x").file_name
    assert re.fullmatch(r"[A-Za-z0-9-]{1,90}", found)
    assert (found == Of(other, "x").file_name) == (name == other)


def test_a_plain_name_stays() -> None:
    assert Of("report-torch", "x").file_name == "report-torch"
    assert Of("a_b", "x").file_name != Of("a b", "x").file_name
