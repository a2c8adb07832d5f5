"""What trained weights are of; `tests/commands/test_evaluate.py` has them loaded and refused."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from ranparity.data import normalisation
from ranparity.errors import InputError
from ranparity.training import trained
from tests.commands.small_net import SIDE, dataset, tiny


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("range", {"top": 16}, "a largest pixel value of 255"),
        ("imagenet", {"top": 16}, "a largest pixel value of 255"),
        ("pixel-mean", {"stored": SIDE + 2}, "images stored with (H, W, C) of (12, 12, 3)"),
    ],
)
def test_data_that_the_normalisation_is_not_of(
    kind: str, changes: dict[str, Any], message: str
) -> None:
    found = normalisation.fit(kind, dataset())
    subject = trained.Trained(tiny(), Path(), "squares", partial=False, normalise=lambda _: found)
    assert trained.normalisation_for(subject, dataset()) is found
    with pytest.raises(InputError) as caught:
        trained.normalisation_for(subject, dataset(**changes))
    assert str(caught.value).startswith(f"--data squares: expected {message}, as the weights were ")


class Lacking:
    """A net some of whose weights a file lacks."""

    def load_weights(self, _: Path) -> None:
        warnings.warn("layers keep what they had", UserWarning, stacklevel=2)


def test_weights_that_keras_leaves_as_they_were() -> None:
    with pytest.raises(InputError) as caught:
        trained._load(Lacking(), Path("a.weights.h5"), "tiny with 7 classes")
    assert str(caught.value) == (
        "a.weights.h5: expected the weights of tiny with 7 classes. "
        "Keras says: layers keep what they had"
    )
