"""What makes nets of the zoo alike: everything but width and depth. No Keras."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from ranparity.models import zoo
from ranparity.models.config import AttentionConfig

Setting = tuple[str, str, Any]


def kind(entry: zoo.Entry) -> Any:
    """What a net shares with those that differ from it in width or depth alone."""
    if not isinstance(entry.config, AttentionConfig):
        return entry.config
    stages = tuple((stage.stride, stage.mask_depth) for stage in entry.config.stages)
    group = min(2, entry.config.group)
    alike = {"stages": stages, "stem_channels": 0, "group": group, "p": 1, "t": 2, "r": 1}
    return dataclasses.replace(entry.config, **alike)


def first_of_kinds() -> list[str]:
    """The name of one net of each kind, the first in the zoo's order."""
    found: dict[Any, str] = {}
    for entry in zoo.ENTRIES.values():
        found.setdefault(kind(entry), entry.name)
    return list(found.values())


def settings(config: Any) -> Iterator[Setting]:
    """What a net's config chooses, of all that is no number: its class, the field, the value."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from settings(value)
        elif isinstance(value, str | bool):
            yield type(config).__name__, field.name, value
