"""Figures as sources print them: 5.52, .94, 31.9 M, 2,892,970."""

from __future__ import annotations

import re
from dataclasses import dataclass

UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
PATTERN = re.compile(r"(\d{1,3}(?:,\d{3})+|\d*)(?:\.(\d+))?(?: ([kMG]))?")


@dataclass(frozen=True)
class Printed:
    """A figure and the digits that it is printed with.

    Attributes:
        value: In units of one.
        digits: Those after the point.
        unit: What it counts: 1, 1e3, 1e6 or 1e9.
    """

    value: float
    digits: int
    unit: float

    def rounds(self, number: float) -> bool:
        """Says whether a number, rounded to as many digits, is the figure in print."""
        shown = f"{number / self.unit:.{self.digits}f}"
        return shown == f"{self.value / self.unit:.{self.digits}f}"


def printed(text: str) -> Printed | None:
    """Reads a figure; None if it is none."""
    match = PATTERN.fullmatch(text)
    if not match or not (match[1] or match[2]):
        return None
    unit, digits = UNITS[match[3] or ""], match[2] or ""
    whole = match[1].replace(",", "") or "0"
    return Printed(float(f"{whole}.{digits or 0}") * unit, len(digits), unit)
