from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranparity.claims.figures import Printed, printed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5.52", Printed(5.52, 2, 1.0)),
        (".94", Printed(0.94, 2, 1.0)),
        ("90", Printed(90.0, 0, 1.0)),
        ("31.9 M", Printed(31.9e6, 1, 1e6)),
        ("6.2 G", Printed(6.2e9, 1, 1e9)),
        ("7 k", Printed(7e3, 0, 1e3)),
        ("2,892,970", Printed(2_892_970.0, 0, 1.0)),
    ],
)
def test_figures_are_read_as_they_are_printed(text: str, expected: Printed) -> None:
    assert printed(text) == expected


@pytest.mark.parametrize(
    "text", ["", "none published", "98 to 109", "5.", "M", "1,23", "-5", "5 %"]
)
def test_what_is_no_figure_is_none(text: str) -> None:
    assert printed(text) is None


@given(st.integers(0, 10**12), st.integers(0, 3), st.sampled_from(["", " k", " M", " G"]))
def test_a_number_rounds_to_what_is_printed_of_it(number: int, digits: int, unit: str) -> None:
    scale = {"": 1.0, " k": 1e3, " M": 1e6, " G": 1e9}[unit]
    figure = printed(f"{number / scale:.{digits}f}{unit}")
    assert figure is not None
    assert figure.rounds(number)
    assert not figure.rounds(number + 2 * scale / 10**digits)


def test_the_last_digit_decides() -> None:
    figure = printed("31.9 M")
    assert figure is not None
    assert figure.rounds(31_883_432)
    assert not figure.rounds(31_810_728)
