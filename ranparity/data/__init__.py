"""Images, labels and randomness as NumPy arrays; nothing here knows of a framework or a model.

`load` is the door; it imports NumPy and scikit-learn only when it is called, so that the names can
be listed for `--help` at no cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ranparity.errors import InputError

if TYPE_CHECKING:
    from ranparity.data.dataset import Dataset

NAMES = ("digits",)


def load(name: str) -> Dataset:
    """Give the data set of that name, split into training and held-out images.

    Args:
        name: One of `NAMES`.

    Raises:
        InputError: There is no such data set.
    """
    if name == "digits":
        from ranparity.data import digits

        return digits.load()
    raise InputError(f"data: expected one of {', '.join(NAMES)}. Received: {name!r}")
