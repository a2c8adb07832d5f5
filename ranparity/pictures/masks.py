"""The masks of a finished run: a picture, and a record of what is in it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from ranparity import schema
from ranparity.pictures.attention import SATURATED, Seen
from ranparity.pictures.drawing import draw
from ranparity.pictures.images import Chosen
from ranparity.pictures.opening import Finished
from ranparity.training.directory import MASKS_PICTURE


def picture(run: Finished, backend: str, chosen: Chosen, seen: Sequence[Seen]) -> bytes:
    """Draw the picture, a PNG file.

    Args:
        run: Whose masks they are.
        backend: On what they were computed.
        chosen: The images.
        seen: What each module made of them.
    """
    title = (
        f"{run.trained.entry.name}, trained on {run.run['data']['name']} with "
        f"{run.run['backend']}: attention masks, computed with {backend}"
    )
    return draw(title, chosen, seen)


def record(
    run: Finished,
    backend: str,
    chosen: Chosen,
    seen: Sequence[Seen],
    png: bytes,
    environment: dict[str, Any],
) -> dict[str, Any]:
    """Give what `masks.json` holds.

    Args:
        run: Whose masks they are.
        backend: On what they were computed.
        chosen: The images.
        seen: What each module made of them.
        png: The picture.
        environment: Where that was.
    """
    return schema.versioned(
        {
            **run.describe(backend),
            "images": list(chosen.described),
            "saturated_within": SATURATED,
            "modules": [_module(each) for each in seen],
            "picture": {"file": MASKS_PICTURE, "digest": hashlib.sha256(png).hexdigest()},
            "environment": environment,
        }
    )


def _module(seen: Seen) -> dict[str, Any]:
    return {
        "name": seen.module.name,
        "stage": seen.module.stage,
        "shape": list(seen.module.shape),
        "mask": seen.statistics,
    }
