"""The networks by name. Imports no Keras until a model is built.

To add a network of a known family, add one `Entry`; every check, report row and test picks it
up.
"""

from __future__ import annotations

import re

from ranparity.errors import InputError
from ranparity.models import entries_attention, entries_resnet
from ranparity.models.entry import Entry, Figure, Integers, Release

__all__ = ["ENTRIES", "Entry", "Figure", "Integers", "Release", "entry"]

ENTRIES = {entry.name: entry for entry in (*entries_attention.ENTRIES, *entries_resnet.ENTRIES)}

_NARROW = re.compile(r"(.+)@([1-9][0-9]{0,3})")


def entry(name: str) -> Entry:
    """Returns a network by its name; `NAME@N` is its narrow twin, every width divided by N.

    Raises:
        InputError: There is none of this name, or it is not wide enough.
    """
    if match := _NARROW.fullmatch(name):
        return entry(match[1]).narrowed(int(match[2]))
    if name not in ENTRIES:
        raise InputError(
            f"unknown model {name!r}: expected one of {', '.join(ENTRIES)}, or NAME@N for one with "
            "every width divided by N"
        )
    return ENTRIES[name]
