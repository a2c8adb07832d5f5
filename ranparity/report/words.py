"""How numbers, digests and verdicts are written, the same on every page."""

from __future__ import annotations

from ranparity.report.document import Span, code, strong

PASS = strong("✓ PASS")  # a sign and a word, so that colour is not needed
FAIL = strong("✗ FAIL")  # evidence, and it is against
FAILED = strong("✗ FAILED")  # no evidence
NOT_RUN = Span("not run")
STALE = Span("stale")  # evidence of a net that is another one now
NOTHING = Span("—")
SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def count(number: int) -> str:
    """An integer with thousands apart: 31,810,728."""
    return f"{number:,}"


def plural(number: int, noun: str) -> str:
    """A count and its noun: 1 fact, 7,422 facts."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(share: float, digits: int = 2) -> str:
    """A share of 1 in percent: 98.06 %."""
    return f"{100 * share:.{digits}f} %"


def seconds(duration: float) -> str:
    """A duration: 0.538 s, 17.6 s, 115 s."""
    digits = 3 if duration < 1 else 1 if duration < 100 else 0
    return f"{duration:.{digits}f} s"


def mebibytes(size: int) -> str:
    """Memory in units of 2^20 bytes: 2,242 MiB."""
    return f"{size / 2**20:,.0f} MiB"


def digest(value: str, href: str = "") -> Span:
    """The first digits of a digest, enough to tell two apart."""
    return code(f"{value[:12]}…" if len(value) > 12 else value, href)


def listed(names: list[str] | tuple[str, ...]) -> str:
    """Names in a sentence: torch, tensorflow and jax."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def in_words(number: int) -> str:
    """A small count as a sentence has it: five."""
    return SMALL[number] if number < len(SMALL) else str(number)


def unbroken(words: str) -> str:
    """A few words that stay on one line, such as 31.9 M."""
    return words.replace(" ", "\N{NO-BREAK SPACE}")
