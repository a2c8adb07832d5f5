"""The version of the records' JSON Schemas, which every record states at its top as "schema".

A record that states none is of version 1: so records were before the version was stated. A key more
is no other version, for keys that are not known are passed over; what would make who reads the
records of before misread one of now is. `ranparity/report/schemas/` has the schemas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ranparity.errors import shown

KEY = "schema"
VERSION = 1
UNSTATED = 1


def versioned(content: Mapping[str, Any]) -> dict[str, Any]:
    """Gives a record as it is written: its content with the version at the top."""
    return {KEY: VERSION} | dict(content) | {KEY: VERSION}


def refusal(content: Mapping[str, Any]) -> str:
    """Says in one line that a record is of another version; empty if it is of this one."""
    found = content.get(KEY, UNSTATED)
    if found == VERSION and not isinstance(found, bool):
        return ""
    return (
        f"expected schema version {VERSION}, found {shown(found)}: read it with the ranparity that "
        "wrote it, or make it anew"
    )
